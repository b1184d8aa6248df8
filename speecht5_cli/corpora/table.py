"""My own data: a table of sounds, texts, speakers and translations becomes data dirs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from speecht5_cli.corpora.arrow_rows import ArrowRows, saved_sets
from speecht5_cli.corpora.names import SpeakerNames, escaped
from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.corpora.table_columns import TRANSLATION, cell, found_columns, given_columns
from speecht5_cli.corpora.table_rows import TableRows, open_table
from speecht5_cli.corpora.table_sounds import TableSounds
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.noise import named_rng
from speecht5_cli.data.transcript import is_text_table
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.data.vocabulary import Vocabulary
from speecht5_cli.data.vocabulary_build import check, listed
from speecht5_cli.data.writer import DataDirReport, counted, write_data_dir
from speecht5_cli.errors import DataError, UsageError

SPEAKER = "speaker"  # who speaks where no column says it
_SETS = {"validation": "dev", "valid": "dev", "val": "dev"}


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    columns: str = "",
    delimiter: str = "",
    header: bool = True,
    sounds: Path | None = None,
    speaker: str = SPEAKER,
    name: str = "",
    n_dev: int = 0,
    n_test: int = 0,
    seed: int = 0,
    vocabulary: Path | None = None,
) -> list[DataDirReport]:
    """Your own data: CSV, TSV, JSON lines, an LJSpeech-like folder, or a Hugging Face dataset saved to disk.

    `columns` says what is what: audio=path,text=sentence,speaker=client_id. Fields: audio; text; translation.de (or
    another language); speaker (also called label); target and target_speaker, the speech to produce; id; start and end,
    a part of the sound in seconds; set. Without it, columns with the usual names are taken. Paths of sounds start at
    `sounds`, by default the folder of the table; .wav and .flac may be left off. `header=false` names columns 1, 2, 3.

    A column `set`, or the sets of a saved dataset, give a data dir each; otherwise there is one, called `name` or like
    the table. `n_dev` and `n_test` draw so many of its utterances for `dev` and `test`, and the rest is `train`.
    Sounds inside of a saved dataset go to `out`/audio. Without a column for it, all are said by `speaker`.
    `vocabulary` counts the characters that a vocabulary lacks.

    Raises UsageError for columns that are not there, DataError for a damaged table or an empty set.
    """
    sets: dict[str, _Set] = {}
    names = SpeakerNames()  # a speaker has one name in all sets
    for title, table in _tables(source, delimiter, header):
        mapping = found_columns(given_columns(columns), table.names, str(table.file))
        finder = TableSounds(sounds or table.sounds, out / "audio" / title)
        reading = _Reading(mapping, finder, names, speaker=speaker, title=title or name or table.file.stem)
        for set_name, item in reading.items(table):
            sets.setdefault(set_name, _Set(reading.remarks)).take(item)
        if not sets:
            reasons = "; ".join(counted(table.rejected)) or "it has none at all"
            raise DataError(f"{table.file}: no usable row: {reasons}")
        next(iter(sets.values())).rejected += table.rejected
    if n_dev or n_test:
        sets = _drawn(sets, n_dev, n_test, seed)
    reports = []
    for chosen in chosen_parts(parts, list(sets)):
        one = sets[chosen]
        report = write_data_dir(
            out / chosen, one.utterances, rejected=one.rejected, check_audio=check_audio, nj=nj, remarks=one.remarks
        )
        unsupported = _unsupported(DataDir(report.out), vocabulary) if vocabulary else []
        reports.append(replace(report, remarks=(*report.remarks, *unsupported)))
    return reports


def _tables(source: Path, delimiter: str, header: bool) -> Iterator[tuple[str, TableRows]]:
    """(set, or "" where it is still to be found, table)."""
    saved = saved_sets(source) if source.is_dir() else {}
    for title, folder in saved.items():
        arrow = ArrowRows(folder)
        yield _set_name(title), TableRows(folder, folder, arrow.names, arrow.rows())
    if not saved:
        yield "", open_table(source, delimiter=delimiter, header=header)


def _set_name(title: str) -> str:
    plain = title.strip().lower()
    return _SETS.get(plain, re.sub(r"[^\w-]", "_", title.strip()))


@dataclass
class _Set:
    """What belongs to one data dir."""

    remarks: Sequence[str]
    utterances: list[Utterance] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def take(self, item: Utterance | Rejected) -> None:
        """Sort an item in."""
        if isinstance(item, Utterance):
            self.utterances.append(item)
        else:
            self.rejected.append(item)


def _drawn(sets: Mapping[str, _Set], n_dev: int, n_test: int, seed: int) -> dict[str, _Set]:
    """dev and test, drawn from the only set, and train."""
    if len(sets) > 1:
        raise UsageError(f"n_dev, n_test: the table has sets of its own already: {', '.join(sets)}")
    (whole,) = sets.values()
    if n_dev < 0 or n_test < 0 or n_dev + n_test >= len(whole.utterances):
        raise UsageError(f"n_dev={n_dev}, n_test={n_test}: the table has {len(whole.utterances)} utterances in all")
    order = named_rng(seed, "sets of a table").permutation(len(whole.utterances))
    shuffled = [whole.utterances[int(place)] for place in order]
    parts = {"dev": shuffled[:n_dev], "test": shuffled[n_dev : n_dev + n_test], "train": shuffled[n_dev + n_test :]}
    drawn = {name: _Set(whole.remarks, parts[name]) for name in ("train", "dev", "test") if parts[name]}
    drawn["train"].rejected = whole.rejected
    return drawn


class _Reading:
    """Turns the rows of a table into utterances."""

    def __init__(
        self, columns: Mapping[str, str], sounds: TableSounds, names: SpeakerNames, *, speaker: str, title: str
    ) -> None:
        self.columns, self.sounds, self.names, self.speaker, self.title = columns, sounds, names, speaker, title
        self._sources: dict[str, str] = {}  # id -> sound
        self._languages = {
            column.removeprefix(TRANSLATION): name for column, name in columns.items() if column.startswith(TRANSLATION)
        }
        self.remarks = [f"columns: {', '.join(f'{name}={column}' for name, column in columns.items())}"]
        if "speaker" not in columns:
            self.remarks.append(f"no column says who speaks; all are '{self.names[speaker]}'")

    def items(self, table: TableRows) -> Iterator[tuple[str, Utterance | Rejected]]:
        """(set, utterance or what is wrong with the row)."""
        for line, row in table.rows:
            where = f"{table.file.name}:{line}"
            title = _set_name(self._cell(row, "set")) if "set" in self.columns else self.title
            try:
                yield title or self.title, self._utterance(row, line)
            except _Unusable as fault:
                yield title or self.title, Rejected(where, str(fault))

    def _utterance(self, row: Mapping[str, Any], line: int) -> Utterance:
        speaker = self._speaker(row, "speaker") if "speaker" in self.columns else self.names[self.speaker]
        start_s, end_s = self._seconds(row, "start"), self._seconds(row, "end")
        audio = self.sounds.source(row.get(self.columns["audio"]), f"{line:08d}")
        name = self._id(row, speaker, audio, start_s, line)
        tables = {f"text.{language}": cell(row, column) for language, column in self._languages.items()}
        if "target" in self.columns:
            tables["target.scp"] = self.sounds.source(row.get(self.columns["target"]), f"{line:08d}-target")
            given = "target_speaker" in self.columns
            tables["utt2tgtspk"] = self._speaker(row, "target_speaker") if given else speaker
        text = self._cell(row, "text") if "text" in self.columns else None
        return Utterance(name, speaker, audio, text, start_s, end_s, tables)

    def _id(self, row: Mapping[str, Any], speaker: str, audio: str, start_s: float | None, line: int) -> str:
        """The given id, or the sound's name, behind the speaker's; numbered where the sound's name repeats."""
        if given := self._cell(row, "id"):
            return escaped(given) if given.startswith(f"{speaker}-") else f"{speaker}-{escaped(given)}"
        stem = escaped(Path(audio).stem) or f"{line:08d}"
        part = "" if start_s is None else f"-{round(1000 * start_s):07d}"
        name = first = f"{speaker}-{stem}{part}"
        number = 1
        while name in self._sources:
            number += 1
            name = f"{first}-{number}"
        self._sources[name] = audio
        return name

    def _speaker(self, row: Mapping[str, Any], name: str) -> str:
        if not (given := self._cell(row, name)):
            raise _Unusable(f"no {name}: the cell is empty")
        return self.names[given]

    def _seconds(self, row: Mapping[str, Any], name: str) -> float | None:
        if name not in self.columns:
            return None
        given = self._cell(row, name)
        try:
            seconds = float(given)
        except ValueError:
            raise _Unusable(f"{name} that is no number of seconds: '{given}'") from None
        if not isfinite(seconds):
            raise _Unusable(f"{name} that is no number of seconds: '{given}'")
        return seconds

    def _cell(self, row: Mapping[str, Any], name: str) -> str:
        return cell(row, self.columns.get(name))


class _Unusable(Exception):
    """A row that becomes no utterance."""


def _unsupported(data: DataDir, vocabulary: Path) -> list[str]:
    """What the vocabulary lacks of the set's text, or of its translations where there is no other text."""
    fields = ["text"] if data.has("text") else [name for name in data.files() if is_text_table(name)]
    texts = [(f"{name}: {where}", text) for name in fields for where, text in data.table(name).items()]
    result = check(Vocabulary.load(vocabulary), texts)
    if not result.unsupported:
        return [f"the vocabulary has all characters of {', '.join(fields)}"] if fields else []
    return [
        f"{result.unsupported.total()} characters of {', '.join(fields)} are not in {vocabulary}: "
        + listed(result.unsupported),
        f"  add them: speecht5 vocab extend {vocabulary} NEW_VOCABULARY {data.path}",
    ]
