"""LibriTTS (openslr.org/60) in its own layout; LibriTTS-R has the same one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from speecht5_cli.corpora.libri_layout import chapters, read_speakers
from speecht5_cli.corpora.listing import files, sounds
from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.corpora.published import Published, compared
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.data.writer import DataDirReport, write_data_dir
from speecht5_cli.errors import DataError

PUBLISHED = {
    "dev-clean": Published(5_736, 40, 8.97),
    "dev-other": Published(4_613, 33, 6.43),
    "test-clean": Published(4_837, 39, 8.56),
    "test-other": Published(5_120, 33, 6.69),
    "train-clean-100": Published(33_236, 247, 53.78),
    "train-clean-360": Published(116_500, 904, 191.29),
    "train-other-500": Published(205_044, 1_160, 310.08),
}

Transcript = Literal["normalized", "original"]


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    transcript: Transcript = "normalized",
) -> list[DataDirReport]:
    """LibriTTS's subsets as they are unpacked; a reader is a speaker, the text keeps its case and punctuation.

    `source` is the folder LibriTTS or the one that holds it. The parts are its subsets (dash or underscore), by default
    those that are there; train-clean-100 becomes `out`/train_clean_100 and so on. The text is that of
    <id>.normalized.txt, or of <id>.original.txt, as it stands, quotation marks included. The utterance
    84_121123_000007_000001 gets the id 84-121123_000007_000001, since an id starts with its speaker and '-'.

    Raises UsageError for an unknown part, DataError for a folder that holds no subset or not the wanted one.
    """
    root = source / "LibriTTS" if (source / "LibriTTS").is_dir() else source
    sexes = read_speakers(root / "SPEAKERS.txt")
    reports = []
    for subset in _subsets(root, parts):
        reading = _Reading(f".{transcript}.txt")
        report = write_data_dir(
            out / subset.replace("-", "_"),
            reading.utterances(root / subset),
            rejected=reading.rejected,
            check_audio=check_audio,
            nj=nj,
            speaker_tables={"spk2gender": sexes} if sexes else {},
        )
        there = {"n_items": reading.n_recordings, "n_speakers": len(reading.readers)}
        reports.append(compared(report, PUBLISHED[subset], **there))
    return reports


def _subsets(root: Path, parts: list[str] | None) -> list[str]:
    present = [subset for subset in PUBLISHED if (root / subset).is_dir()]
    if not present:
        raise DataError(f"{root}: none of LibriTTS's subsets ({', '.join(PUBLISHED)}) is in it")
    if parts is None:
        return present
    wanted = chosen_parts([part.replace("_", "-") for part in parts], list(PUBLISHED))
    if missing := [subset for subset in wanted if subset not in present]:
        raise DataError(f"{root}: has no {missing[0]}; it has {', '.join(present)}")
    return wanted


@dataclass
class _Reading:
    """Goes through a subset; what it cannot use is collected on the way."""

    ending: str  # of the files that hold the text
    rejected: list[Rejected] = field(default_factory=list)
    n_recordings: int = 0
    readers: set[str] = field(default_factory=set)

    def utterances(self, subset: Path) -> Iterator[Utterance]:
        """All that have a sound and a text."""
        for reader, chapter, path in chapters(subset, self.rejected):
            yield from self._chapter(reader, f"{reader}_{chapter}_", path)

    def _chapter(self, reader: str, prefix: str, path: str) -> Iterator[Utterance]:
        texts = {name.removesuffix(self.ending): file for name, file in files(path) if name.endswith(self.ending)}
        recordings, second = sounds(path)
        self.n_recordings += len(recordings)
        if recordings:
            self.readers.add(reader)
        for stem in sorted(texts.keys() - recordings.keys()):
            self._reject(stem, f"no audio file: there is only {stem}{self.ending}")
        for file in second:
            self._reject(file, "second audio file: another one has the same name")
        for stem, sound in recordings.items():
            if not stem.startswith(prefix):
                self._reject(sound, f"id of another chapter: {stem} lies among {prefix}*")
            elif stem not in texts:
                self._reject(stem, f"no transcript: there is no {stem}{self.ending}")
            elif (text := self._text(stem, Path(texts[stem]))) is not None:
                yield Utterance(f"{reader}-{stem.removeprefix(reader + '_')}", reader, sound, text)

    def _text(self, stem: str, file: Path) -> str | None:
        """The text of a file, or None after rejecting it."""
        try:
            return file.read_bytes().decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            self._reject(stem, f"transcript that is not UTF-8: {error.reason} in {file}")
            return None

    def _reject(self, name: str, reason: str) -> None:
        self.rejected.append(Rejected(name, reason))
