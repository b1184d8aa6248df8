"""Folders of generated sound: made in one step, recorded, and made again only when what they depend on changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from speecht5_cli.files import atomic_dir
from speecht5_cli.provenance import made


@contextmanager
def sound_folder(root: Path, name: str, *, depends_on: str, n_files: int) -> Iterator[Path | None]:
    """Give a temporary folder that becomes `root`/`name` when the block ends well; None if it is there already.

    It is there when it holds `n_files` WAV files and its record (in `root`/.made) says that it was made from the same
    `depends_on`, a mark of everything that the sound depends on.
    """
    folder = root / name
    incomplete = sum(1 for _ in folder.rglob("*.wav")) != n_files
    with made(
        root,
        name,
        options={"depends_on": depends_on},
        inputs=[],
        outputs=[folder],
        force=incomplete,
    ) as making:
        if making.done:
            yield None
            return
        with atomic_dir(folder) as temporary:
            yield temporary


def mark_of(*values: Any) -> str:
    """A short hash of plain values."""
    return sha256(repr(values).encode()).hexdigest()[:16]
