"""The files that travel with a model: vocabulary, unit inventory, voices."""

import shutil
from collections.abc import Callable, Mapping
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
    def gather(cls, files: Mapping[str, Path | None], folder: Path, *, initial: "Assets | None" = None) -> "Assets":
        """Copy the files into `folder` under their names; those without a path are the initial model's.

        Raises CheckpointError when neither side has a file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name, given in files.items():
            source = given
            if source is None:
                if initial is None or name not in initial:
                    raise CheckpointError(f"'{name}' is not given, and there is no initial model to take it from")
                source = initial.path(name)
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
