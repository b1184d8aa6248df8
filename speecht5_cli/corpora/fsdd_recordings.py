"""The recordings of the Free Spoken Digit Dataset: `{digit}_{speaker}_{index}.wav`, and its official split."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from speecht5_cli.errors import DataError

SPLITS = {"train": range(10, 50), "dev": range(5, 10), "test": range(5)}  # indices; officially 5 to 49 is train
_NAME = re.compile(r"(\d)_([a-z0-9]+)_(\d{1,2})\.wav", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recording:
    """One spoken digit."""

    digit: int
    speaker: str
    index: int
    path: str

    @property
    def id(self) -> str:
        return f"{self.speaker}-{self.digit}-{self.index:02d}"

    @property
    def split(self) -> str:
        """The official split that it belongs to, or ""."""
        return next((name for name, indices in SPLITS.items() if self.index in indices), "")


@dataclass(frozen=True)
class Recordings:
    """All that a folder holds; `others` are names of WAV files that are no recordings of the corpus."""

    all: tuple[Recording, ...]  # sorted by id
    others: tuple[str, ...] = ()

    @property
    def speakers(self) -> list[str]:
        """Their names, sorted."""
        return sorted({recording.speaker for recording in self.all})

    def of(self, split: str, speaker: str | None = None) -> list[Recording]:
        """Those of a split, by one speaker where one is named."""
        return [one for one in self.all if one.split == split and speaker in (None, one.speaker)]

    def remarks(self, split: str) -> Iterator[str]:
        """What is missing from a split, and what does not belong to the corpus."""
        there = {one.id for one in self.of(split)}
        expected = [
            Recording(digit, speaker, index, "")
            for speaker in self.speakers
            for digit in range(10)
            for index in SPLITS[split]
        ]
        missing = [f"{one.digit}_{one.speaker}_{one.index}.wav" for one in expected if one.id not in there]
        if missing:
            yield f"{len(missing)} of {len(expected)} recordings are missing, such as {missing[0]}"
        if self.others:
            yield f"{len(self.others)} WAV files are no recordings of the corpus, such as {self.others[0]}"


def find_recordings(source: Path) -> Recordings:
    """The recordings in `source`, or in its folder `recordings`. Raises DataError if there are none in some split."""
    folder = source / "recordings" if (source / "recordings").is_dir() else source
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; clone github.com/Jakobovski/free-spoken-digit-dataset there")
    found, others = [], []
    for file in sorted(folder.iterdir()):
        if match := _NAME.fullmatch(file.name):
            found.append(Recording(int(match[1]), match[2].lower(), int(match[3]), str(file)))
        elif file.suffix.lower() == ".wav" and not file.name.startswith("."):
            others.append(file.name)
    recordings = Recordings(tuple(sorted(found, key=lambda one: one.id)), tuple(others))
    _require_usable(recordings, folder)
    return recordings


def _require_usable(recordings: Recordings, folder: Path) -> None:
    """Strings want every digit of every speaker in every split."""
    if not recordings.all:
        raise DataError(f"{folder}: holds no recordings; expected names such as 7_jackson_32.wav")
    for split in SPLITS:
        for speaker in recordings.speakers:
            if absent := set(range(10)) - {one.digit for one in recordings.of(split, speaker)}:
                raise DataError(
                    f"{folder}: {speaker} has no recording of {min(absent)} with an index of {SPLITS[split].start} to "
                    f"{SPLITS[split].stop - 1}, which {split} needs; is the corpus complete?"
                )


def same_digit_pairs(recordings: Sequence[Recording]) -> list[tuple[Recording, Recording]]:
    """All ordered pairs of two speakers who say the same digit, with the same index."""
    said: dict[tuple[int, int], list[Recording]] = {}
    for one in recordings:
        said.setdefault((one.digit, one.index), []).append(one)
    return [(one, other) for group in said.values() for one in group for other in group if one is not other]
