"""The files that travel with a model: vocabulary, unit inventory, voices."""

import shutil
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from speecht5_cli.errors import CheckpointError

T = TypeVar("T")


class Initial(Enum):
    """An asset that the initial model brings along."""

    NEEDED = "needed"
    IF_THERE = "if there"


# Where an asset comes from: a file or folder, a function that writes it to a path, or the initial model.
Source = Path | Callable[[Path], object] | Initial


class Assets:
    """A folder of named files, each read at most once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[tuple[str, Any], Any] = {}

    @classmethod
    def gather(cls, files: "Mapping[str, Source]", folder: Path, *, initial: "Assets | None" = None) -> "Assets":
        """Put the files under their names into `folder`: copied, written by a function, or the initial model's.

        Raises CheckpointError when a file is to come from the initial model and there is none.
        """
        for name, source in files.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, Path):
                _copy(source, place)
            elif not isinstance(source, Initial):
                source(place)
            elif initial is not None and name in initial:
                _copy(initial.path(name), place)
            elif source is Initial.NEEDED:
                raise CheckpointError(f"'{name}' is not given, and there is no initial model to take it from")
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


def _copy(found: Path, place: Path) -> None:
    """A file or a folder; what an interrupted run has left there is replaced."""
    if found.resolve() == place.resolve():
        return
    if found.is_dir():
        shutil.copytree(found, place, dirs_exist_ok=True)
    else:
        shutil.copyfile(found, place)
