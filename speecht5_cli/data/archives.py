"""Kaldi archives of matrices. kaldiio knows the format; what it would also do (run pipes, unpickle) is shut out."""

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_write


def write_archive(path: Path, matrices: Iterable[tuple[str, np.ndarray]]) -> dict[str, tuple[int, int]]:
    """Write (key, (T, D)) pairs in their order, in one step; key -> (byte offset for the .scp, T)."""
    import kaldiio

    places = {}
    with atomic_write(path, "wb") as out:
        for key, matrix in matrices:
            places[key] = (out.tell() + len(f"{key} ".encode()), len(matrix))
            kaldiio.save_ark(out, {key: matrix})
    return places


def read_matrix(source: str) -> np.ndarray:
    """(T, D) of `archive:offset`. Raises DataError that names the source."""
    from kaldiio.matio import read_kaldi

    path, _, offset = source.rpartition(":")
    if not path or not offset.isdigit():
        raise DataError(f"'{source}': expected archive:offset")
    try:
        with Path(path).open("rb") as file:
            file.seek(int(offset))
            head = file.read(2)
            file.seek(int(offset))
            matrix = read_kaldi(file) if head == b"\0B" else None  # what starts otherwise may be a pickle
    except (OSError, ValueError, AssertionError, struct.error) as error:
        raise DataError(f"{source}: not readable as a Kaldi matrix: {error}") from None
    if matrix is None or matrix.ndim != 2:
        raise DataError(f"{source}: expected a matrix of features in Kaldi's binary form, found something else")
    return matrix
