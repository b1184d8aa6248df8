"""The files that travel with a model: vocabulary, unit inventory, voices."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from speecht5_cli.errors import CheckpointError

T = TypeVar("T")


class Assets:
    """A folder of named files, each read at most once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[tuple[str, Any], Any] = {}

    @classmethod
    def gather(cls, files: dict[str, Path], folder: Path) -> "Assets":
        """Copy the files into `folder` under their names and return the folder as assets."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in files.items():
            if source.resolve() != (folder / name).resolve():
                shutil.copyfile(source, folder / name)
        return cls(folder)

    def __contains__(self, name: str) -> bool:
        return (self.folder / name).exists()

    def path(self, name: str) -> Path:
        """Where the file lies. Raises CheckpointError when the model came without it."""
        if name not in self:
            raise CheckpointError(f"{self.folder}: no '{name}', which this task needs")
        return self.folder / name

    def read(self, name: str, reader: Callable[[Path], T]) -> T:
        """The file's content through `reader`, remembered."""
        if (name, reader) not in self._read:
            self._read[name, reader] = reader(self.path(name))
        return self._read[name, reader]

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "_read": {}}  # workers read for themselves
