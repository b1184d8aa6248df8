"""Sounds as tables give them: a path, or (in saved datasets) the bytes of a file, or samples."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from speecht5_cli.data.audio import mono, resampled, write_audio
from speecht5_cli.files import atomic_write

_LEFT_OFF = ("", ".wav", ".flac")  # suffixes that a table may leave off
_MAGIC = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff\xfb": ".mp3", b"FORM": ".aiff"}


class TableSounds:
    """Finds sounds whose paths start at `root`; writes those that have no file of their own below `out`."""

    def __init__(self, root: Path, out: Path) -> None:
        self.root, self.out = root, out
        self._written: set[str] = set()

    def source(self, value: Any, name: str) -> str:
        """What wav.scp says of a cell; "" for an empty one. `name` is for a sound without a name."""
        if isinstance(value, Mapping):
            return self._stored(value, name)
        return self._found("" if value is None else str(value).strip())

    def _found(self, given: str) -> str:
        """The file, with the suffix that was left off; the path as it is meant where there is no such file."""
        if not given:
            return ""
        path = self.root / Path(given).expanduser()
        files = (path.with_name(path.name + suffix) for suffix in _LEFT_OFF)
        return str(next((file for file in files if file.is_file()), path))

    def _stored(self, value: Mapping[str, Any], name: str) -> str:
        """A sound as Hugging Face's datasets keep it: {path, bytes}, or {array, sampling_rate}."""
        given, content = str(value.get("path") or ""), value.get("bytes")
        if content:
            suffix = Path(given).suffix or next((one for magic, one in _MAGIC.items() if content.startswith(magic)), "")
            file = self._new(Path(given).stem, name, suffix)
            with atomic_write(file, "wb") as out:
                out.write(content)
            return str(file)
        if value.get("array") is not None:
            file = self._new(Path(given).stem, name, ".wav")
            wave = np.asarray(value["array"], np.float32)
            write_audio(file, resampled(mono(wave), int(value["sampling_rate"])))
            return str(file)
        return self._found(given)

    def _new(self, stem: str, name: str, suffix: str) -> Path:
        """A file of the sound's own name; with `name` added where another row had the same one."""
        full = f"{stem or name}{suffix}"
        if full in self._written:
            full = f"{stem}-{name}{suffix}"
        self._written.add(full)
        return self.out / full
