"""Writing files so that an interruption leaves the old content or the new one, never half of it."""

import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO]:
    """Open a temporary neighbour of `path` and rename it to `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        encoding, newline = (None, None) if "b" in mode else ("utf-8", "\n")
        with os.fdopen(handle, mode, encoding=encoding, newline=newline) as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_dir(path: Path, *, keep_same: bool = False) -> Iterator[Path]:
    """Give a temporary neighbour of the folder `path`; it takes the place of `path` when the block ends well.

    With `keep_same` a folder that has all the files already, to the byte, stays, with whatever else is in it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        if keep_same and _has_all(path, temporary):
            shutil.rmtree(temporary)
            return
        replaced = move_away(path) if path.exists() else None
        temporary.rename(path)
        if replaced:
            shutil.rmtree(replaced)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _has_all(folder: Path, other: Path) -> bool:
    """Whether every file of `other` is in `folder`, too, with the same content."""
    if not folder.is_dir():
        return False
    names = [file.name for file in other.iterdir()]
    return filecmp.cmpfiles(folder, other, names, shallow=False)[0] == names


def move_away(path: Path) -> Path:
    """Rename the folder `path` to a hidden neighbour and return the new name."""
    hidden = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
    return path.rename(hidden)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
