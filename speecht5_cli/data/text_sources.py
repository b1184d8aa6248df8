"""Texts from wherever they lie: the `text` of a data dir, one of its files, or plain lines.

What a path means is read off the path alone:

| path                                       | lines                         |
|--------------------------------------------|-------------------------------|
| a data dir                                 | its table `text` (or another) |
| a file `text` or `text.de` in a data dir   | `utterance text`              |
| any other file                             | text only                     |
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.tables import read_table
from speecht5_cli.errors import DataError, UsageError


@dataclass(frozen=True)
class TextFile:
    """A file of texts, with (`keyed`) or without an utterance id in front of each."""

    path: Path
    keyed: bool

    def texts(self) -> Iterator[tuple[str, str]]:
        """(where it stands, text) of every text that is not empty; plain files are streamed."""
        lines = self._keyed_lines() if self.keyed else self._plain_lines()
        return ((where, text) for where, text in lines if text)

    def _keyed_lines(self) -> Iterator[tuple[str, str]]:
        return iter(read_table(self.path).items())

    def _plain_lines(self) -> Iterator[tuple[str, str]]:
        number = 0
        try:
            with self.path.open(encoding="utf-8-sig", newline="\n") as lines:
                for number, line in enumerate(lines, 1):
                    yield f"{self.path}:{number}", line.strip()
        except FileNotFoundError:
            raise DataError(f"{self.path}: no such file") from None
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}: not UTF-8 ({error.reason}), some way after line {number}") from None


def text_files(sources: Iterable[Path], field: str = "text") -> list[TextFile]:
    """What the paths mean; `field` is the table to take from data dirs. Raises UsageError when a path is neither."""
    files = []
    for source in sources:
        if source.is_dir():
            files.append(TextFile(_field_of(DataDir(source), field), keyed=True))
        elif source.is_file():
            in_data_dir = (source.parent / "utt2spk").exists()
            files.append(TextFile(source, keyed=in_data_dir and source.name.split(".")[0] == "text"))
        else:
            raise UsageError(f"{source}: expected a data dir or a text file, found neither")
    return files


def _field_of(data_dir: DataDir, field: str) -> Path:
    if not data_dir.has(field):
        fields = [name for name in data_dir.files() if name.split(".")[0] == "text"]
        raise UsageError(f"{data_dir.path}: no table '{field}'; it has {', '.join(fields) or 'no texts'}")
    return data_dir.path / field


def all_texts(files: Iterable[TextFile]) -> Iterator[tuple[str, str]]:
    """(where it stands, text) of all files, one after the other."""
    for file in files:
        yield from file.texts()
