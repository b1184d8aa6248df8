"""The files that travel with a model: vocabulary, unit inventory, voices."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from speecht5_cli.errors import CheckpointError

T = TypeVar("T")
# Where an asset comes from: a file or folder, a function that writes it to a path, or (None) the initial model.
Source = Path | Callable[[Path], object] | None


class Assets:
    """A folder of named files, each read at most once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[tuple[str, Any], Any] = {}

    @classmethod
    def gather(cls, files: "Mapping[str, Source]", folder: Path, *, initial: "Assets | None" = None) -> "Assets":
        """Put the files under their names into `folder`: copied, written by a function, or the initial model's (None).

        Raises CheckpointError when a file is to come from the initial model and there is none.
        """
        for name, source in files.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if callable(source):
                source(place)
                continue
            if source is None and (initial is None or name not in initial):
                raise CheckpointError(f"'{name}' is not given, and there is no initial model to take it from")
            found = initial.path(name) if source is None and initial else source
            if found and found.resolve() != place.resolve():
                _copy(found, place)
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
    if found.is_dir():
        shutil.copytree(found, place, dirs_exist_ok=True)
    else:
        shutil.copyfile(found, place)
