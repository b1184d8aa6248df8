"""Plain text of any size, line by line, in bounded memory: the file is mapped, and an index says where lines start."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np

from speecht5_cli.errors import DataError

_BLOCK = 1 << 24  # bytes searched for line ends at once


class TextLines:
    """A UTF-8 file as a sequence of stripped lines. `lengths` is in bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ends = _line_ends(path)  # (n,) byte offset behind each line
        self._map: mmap.mmap | None = None

    @property
    def lengths(self) -> np.ndarray:
        """(n,) bytes of each line, without the line end: an upper bound of its characters."""
        return np.diff(self._ends, prepend=0) - 1

    def __len__(self) -> int:
        return len(self._ends)

    def line(self, number: int) -> str:
        """Raises DataError for bytes that are not UTF-8."""
        if self._map is None:
            with self.path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        start = int(self._ends[number - 1]) if number else 0
        try:
            return self._map[start : int(self._ends[number])].decode().strip()
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}:{number + 1}: not UTF-8 ({error.reason})") from None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_ends": self._ends, "_map": None}  # a map does not travel to a worker


def _line_ends(path: Path) -> np.ndarray:
    """(n,) int64: offset behind the newline of each line; a last line without newline counts as well."""
    if not path.is_file():
        raise DataError(f"{path}: no such text file")
    ends, offset = [], 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            ends.append(np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + offset + 1)
            offset += len(block)
    found = np.concatenate(ends) if ends else np.empty(0, np.int64)
    if offset and (not len(found) or found[-1] != offset):
        found = np.append(found, offset + 1)
    return found
