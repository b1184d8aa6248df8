"""The folders of LibriSpeech: <subset>/<reader>/<chapter>/<reader>-<chapter>-<number>.flac, one .trans.txt a chapter.

LibriTTS has the same folders, with other files in them.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from speecht5_cli.corpora.listing import SOUND_SUFFIXES, files, folders, split_suffix
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.errors import DataError

_SUFFIX = ".flac"
_LETTERS = set("abcdefghijklmnopqrstuvwxyz' ")


def chapters(subset: Path, rejected: list[Rejected]) -> Iterator[tuple[str, str, str]]:
    """(reader, chapter, path) of a subset's folders; those whose names are no numbers go to `rejected`."""
    for reader, reader_path in folders(subset):
        if not reader.isdigit():
            rejected.append(Rejected(f"{subset.name}/{reader}", "folder of no reader: its name is no number"))
            continue
        for chapter, path in folders(reader_path):
            if chapter.isdigit():
                yield reader, chapter, path
            else:
                where = f"{subset.name}/{reader}/{chapter}"
                rejected.append(Rejected(where, "folder of no chapter: its name is no number"))


@dataclass
class Reading:
    """Goes through a subset; what it cannot use, and what is odd, is collected on the way."""

    with_text: bool = True
    rejected: list[Rejected] = field(default_factory=list)
    other_formats: Counter[str] = field(default_factory=Counter)
    n_recordings: int = 0  # that the layout holds, whether usable or not
    readers: set[str] = field(default_factory=set)

    def utterances(self, subset: Path) -> Iterator[Utterance]:
        """All that have a sound and, if `with_text`, a transcript. The reader is the speaker, the file stem the id."""
        for reader, chapter, path in chapters(subset, self.rejected):
            yield from self._chapter(reader, chapter, path)

    def _chapter(self, reader: str, chapter: str, path: str) -> Iterator[Utterance]:
        prefix = f"{reader}-{chapter}"
        sounds = self._sounds(prefix, path)
        if sounds:
            self.n_recordings += len(sounds)
            self.readers.add(reader)
        texts = self._texts(prefix, path) if self.with_text else {}
        if texts is None:
            for utterance in sounds:
                self._reject(utterance, f"no transcript: there is no {prefix}.trans.txt")
            return
        for utterance in sorted(texts.keys() - sounds.keys()):
            self._reject(utterance, "no audio file: the transcript has this id")
        for utterance, sound in sounds.items():
            if not self.with_text:
                yield Utterance(utterance, reader, sound)
            elif utterance not in texts:
                self._reject(utterance, f"no transcript: {prefix}.trans.txt has no line for it")
            elif (text := texts[utterance]) is not None:
                yield Utterance(utterance, reader, sound, text)

    def _sounds(self, prefix: str, path: str) -> dict[str, str]:
        """Utterance -> audio file of the chapter; FLAC before other formats."""
        sounds: dict[str, str] = {}
        for name, file in sorted(files(path), key=lambda one: not one[0].lower().endswith(_SUFFIX)):
            stem, suffix = split_suffix(name)
            if suffix not in SOUND_SUFFIXES:
                continue
            if not stem.startswith(prefix + "-"):
                self._reject(file, f"id of another chapter: {stem} lies among {prefix}")
            elif stem in sounds:
                self._reject(file, f"second audio file: {stem} has one already")
            else:
                sounds[stem] = file
                if suffix != _SUFFIX:
                    self.other_formats[suffix] += 1
        return sounds

    def _texts(self, prefix: str, path: str) -> dict[str, str | None] | None:
        """Utterance -> its lower-cased text, or None for one that was rejected; None for no transcript file at all."""
        file = f"{path}/{prefix}.trans.txt"
        try:
            content = Path(file).read_bytes()
        except FileNotFoundError:
            return None
        texts: dict[str, str | None] = {}
        for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            raw_name, _, raw_text = line.strip().replace(b"\t", b" ", 1).partition(b" ")
            utterance = raw_name.decode(errors="replace")
            if not utterance:
                continue
            text, fault = _judged(raw_text)
            if not utterance.startswith(prefix + "-"):
                self._reject(f"{utterance} in {prefix}.trans.txt", f"id of another chapter: line {number} of {file}")
                continue
            if utterance in texts and texts[utterance] != text:
                text, fault = None, "two different transcripts: neither is taken"
            if fault:
                self._reject(utterance, f"{fault}; line {number} of {file}")
            texts[utterance] = text
        return texts

    def _reject(self, name: str, reason: str) -> None:
        self.rejected.append(Rejected(name, reason))


def _judged(raw: bytes) -> tuple[str | None, str]:
    """The text in lower case, or None and its fault. The corpus knows letters and the apostrophe only."""
    try:
        text = " ".join(raw.decode().split()).lower()
    except UnicodeDecodeError:
        return None, "transcript that is not UTF-8: bytes that do not decode"
    if not text:
        return None, "empty transcript: the id stands alone"
    if strange := set(text) - _LETTERS:
        return None, f"transcript with foreign characters: {' '.join(sorted(strange))}"
    return text, ""


def read_speakers(file: Path) -> dict[str, str]:
    """Reader -> f or m, from SPEAKERS.TXT; readers without one of these are left out. Empty if there is no file.

    Raises DataError for a line that has no fields.
    """
    if not file.exists():
        return {}
    sexes = {}
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip() or line.startswith(";"):
            continue
        fields = [one.strip() for one in line.split("|")]
        if len(fields) < 2:
            raise DataError(f"{file}:{number}: expected 'reader | sex | subset | minutes | name', got '{line}'")
        if fields[1].lower() in ("f", "m"):
            sexes[fields[0]] = fields[1].lower()
    return sexes
