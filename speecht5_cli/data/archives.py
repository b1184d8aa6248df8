"""Kaldi archives of matrices and vectors.

kaldiio knows the format; what it would also do (run pipes, unpickle) is shut out.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_write


def write_archive(path: Path, arrays: Iterable[tuple[str, np.ndarray]]) -> dict[str, tuple[int, int]]:
    """Write (key, (T, D) or (D,)) pairs in their order, in one step; key -> (byte offset for the .scp, length)."""
    import kaldiio

    places = {}
    with atomic_write(path, "wb") as out:
        for key, array in arrays:
            places[key] = (out.tell() + len(f"{key} ".encode()), len(array))
            kaldiio.save_ark(out, {key: array})
    return places


def read_matrix(source: str) -> np.ndarray:
    """(T, D) of `archive:offset`. Raises DataError that names the source."""
    matrix = read_array(source)
    if matrix.ndim != 2:
        raise DataError(f"{source}: expected a matrix of features, found {matrix.ndim} dimensions")
    return matrix


def read_array(source: str) -> np.ndarray:
    """The vector or matrix at `archive:offset`. Raises DataError that names the source."""
    path, _, offset = source.rpartition(":")
    if not path or not offset.isdigit():
        raise DataError(f"'{source}': expected archive:offset")
    with _opened(Path(path)) as file:
        file.seek(int(offset))
        return _array_here(file, source)


def read_archive(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """(key, vector or matrix) of a whole archive, in its order. Raises DataError that names the file and the key."""
    from kaldiio.matio import read_token

    with _opened(path) as file:
        while True:
            try:
                key = read_token(file)
            except (ValueError, UnicodeDecodeError) as error:
                raise DataError(f"{path}: not a Kaldi archive: {error}") from None
            if key is None:
                return
            yield key, _array_here(file, f"{path}: '{key}'")


def _array_here(file: IO[bytes], where: str) -> np.ndarray:
    """The array at the file's position, in Kaldi's binary or text form; what starts otherwise may be a pickle."""
    from kaldiio.matio import read_kaldi

    start = file.tell()
    head = file.read(2)
    file.seek(start)
    if head != b"\0B" and head.strip() != b"[":
        raise DataError(f"{where}: expected a matrix or vector in a form of Kaldi's, found something else")
    try:
        return read_kaldi(file)
    except (OSError, ValueError, AssertionError, struct.error) as error:
        raise DataError(f"{where}: not readable as an array of Kaldi's: {error}") from None


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
