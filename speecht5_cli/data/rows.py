"""Where examples come from: the utterances of data dirs, or the lines of plain text files.

Both give a cost for each row (seconds, or characters) without reading it, and a row by its number.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from speecht5_cli.data.audio import AudioRef, read_audio
from speecht5_cli.data.datadir import DataDir, opened
from speecht5_cli.data.speaker_vectors import read_vector
from speecht5_cli.data.text_lines import TextLines
from speecht5_cli.errors import DataError

CHARACTERS_PER_S = 15.0  # of read speech, roughly


@dataclass(frozen=True)
class Row:
    """One utterance: its line in each table, and where its sounds lie."""

    id: str
    values: dict[str, str]
    sounds: dict[str, AudioRef]
    allow_pipes: bool = False

    def __getitem__(self, table: str) -> str:
        """The utterance's line in a table such as "text"."""
        return self.values[table]

    def __contains__(self, table: str) -> bool:
        return table in self.values or table in self.sounds

    def audio(self, table: str = "wav.scp") -> np.ndarray:
        """float32 (n_samples,) at 16 kHz. Raises DataError that names the utterance."""
        try:
            return read_audio(self.sounds[table], allow_pipes=self.allow_pipes)
        except DataError as error:
            raise DataError(f"utterance {self.id}: {error}") from None

    def vector(self, table: str) -> np.ndarray:
        """A vector such as the one of "xvector.scp", as stored. Raises DataError that names the utterance."""
        try:
            return read_vector(self.values[table])
        except DataError as error:
            raise DataError(f"utterance {self.id}: {error}") from None


@dataclass(frozen=True)
class GivenRow(Row):
    """An utterance that lies in memory: a single input, outside of any data dir."""

    waves: Mapping[str, np.ndarray] = field(default_factory=dict)  # as `audio` gives them
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __contains__(self, table: str) -> bool:
        return table in self.values or table in self.waves or table in self.vectors

    def audio(self, table: str = "wav.scp") -> np.ndarray:
        """The wave that was given."""
        return self.waves[table]

    def vector(self, table: str) -> np.ndarray:
        """The vector that was given."""
        return self.vectors[table]


class Rows(Protocol):
    """What the sampler and the loader need to know of a stream's data."""

    costs: np.ndarray  # (n,) float32
    left_out: int  # rows outside of the limits of length

    def __len__(self) -> int: ...

    def row(self, number: int) -> Row: ...

    def id(self, number: int) -> str: ...


class UtteranceRows:
    """The utterances of one or more data dirs that have all wanted files and a cost within the limits."""

    def __init__(
        self,
        dirs: Sequence[Path],
        files: Sequence[str],
        *,
        optional: Sequence[str] = (),
        shortest: float = 0.0,
        longest: float = float("inf"),
        allow_pipes: bool = False,
        only: set[str] | None = None,
    ) -> None:
        """`only` names the utterances to take; None: all."""
        self.dirs = [opened(path) for path in dirs]
        self.allow_pipes = allow_pipes
        self.left_out = 0
        self._utterances: list[tuple[int, str]] = []
        self._sounds: list[dict[str, dict[str, AudioRef]]] = []
        self._tables: list[dict[str, dict[str, str]]] = []
        costs: list[float] = []
        for place, data_dir in enumerate(self.dirs):
            self._open(data_dir, files, optional)
            durations = self._durations(data_dir, files, allow_pipes)
            _check_gaps(data_dir, durations, f"{data_dir.path}: no duration")
            for utterance in data_dir.utterances:
                if only is not None and utterance not in only:
                    continue
                if shortest <= durations[utterance] <= longest:
                    self._utterances.append((place, utterance))
                    costs.append(durations[utterance])
                else:
                    self.left_out += 1
        self.costs = np.asarray(costs, np.float32)
        if not self._utterances:
            raise DataError(
                f"{', '.join(map(str, dirs)) or 'no data dir'}: no utterance between {shortest} and {longest} s"
            )

    @staticmethod
    def _durations(data_dir: DataDir, files: Sequence[str], allow_pipes: bool) -> dict[str, float]:
        """Seconds; where there is only text to be spoken, an estimate."""
        if data_dir.has("utt2dur") or data_dir.has("wav.scp"):
            return data_dir.durations(allow_pipes=allow_pipes)
        return {utterance: len(text) / CHARACTERS_PER_S for utterance, text in data_dir.table(files[0]).items()}

    def lines(self, table: str) -> Iterator[str]:
        """That table's line of each row."""
        return (self._tables[place][table][utterance] for place, utterance in self._utterances)

    def _open(self, data_dir: DataDir, files: Sequence[str], optional: Sequence[str]) -> None:
        sounds, tables = {}, {}
        for name in [*files, *(name for name in optional if data_dir.has(name))]:
            if name in ("wav.scp", "target.scp"):
                sounds[name] = data_dir.audio(name)
                _check_gaps(data_dir, sounds[name], f"{data_dir.path}/{name}: no sound")
                continue
            table = data_dir.table(name)
            _check_gaps(data_dir, table, f"{data_dir.path}/{name}: no line")
            if name.endswith(".scp"):
                tables[name] = dict(zip(table, data_dir.resolved(table.values())))
            else:
                tables[name] = table
        self._sounds.append(sounds)
        self._tables.append(tables)

    def __len__(self) -> int:
        return len(self._utterances)

    def id(self, number: int) -> str:
        return self._utterances[number][1]

    def row(self, number: int) -> Row:
        place, utterance = self._utterances[number]
        return Row(
            utterance,
            {name: table[utterance] for name, table in self._tables[place].items()},
            {name: refs[utterance] for name, refs in self._sounds[place].items()},
            self.allow_pipes,
        )


def _check_gaps(data_dir: DataDir, found: Mapping[str, object], complaint: str) -> None:
    """Raise DataError unless every utterance was found."""
    missing = data_dir.table("utt2spk").keys() - found.keys()
    if missing:
        raise DataError(f"{complaint} for {len(missing)} utterances, such as {min(missing)}; see `speecht5 validate`")


class LineRows:
    """The lines of plain text files whose length is within the limits; a row's table is "text"."""

    def __init__(self, files: Sequence[Path], *, longest: float = float("inf")) -> None:
        if not files:
            raise DataError("no text file is given for the text stream")
        self.texts = [TextLines(path) for path in files]
        lengths = np.concatenate([text.lengths for text in self.texts])
        self._lines = np.flatnonzero((lengths > 0) & (lengths <= longest))
        self._starts = np.cumsum([0, *(len(text) for text in self.texts)])
        self.left_out = len(lengths) - len(self._lines)
        self.costs = lengths[self._lines].astype(np.float32)
        if not len(self._lines):
            raise DataError(f"{', '.join(map(str, files))}: no line of at most {longest} characters")

    def __len__(self) -> int:
        return len(self._lines)

    def _find(self, number: int) -> tuple[int, int]:
        line = int(self._lines[number])
        place = int(np.searchsorted(self._starts, line, side="right")) - 1
        return place, line - int(self._starts[place])

    def id(self, number: int) -> str:
        place, line = self._find(number)
        return f"{self.texts[place].path.name}:{line + 1}"

    def row(self, number: int) -> Row:
        place, line = self._find(number)
        return Row(self.id(number), {"text": self.texts[place].line(line)}, {})
