"""Kaldi data dirs as values: open one, look at it, write a new one. Nothing is ever appended or changed in place.

`utt2spk` names the utterances; every other table of an utterance must have the same keys. Beyond Kaldi's files a dir
may hold `text.<lang>`, `target.scp` and `utt2tgtspk` (the speech to produce, and its speaker), `xvector.scp` (the
voice to speak with) and unit labels.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from speecht5_cli.data.audio import AudioRef, duration_s
from speecht5_cli.data.tables import inverted, read_table, write_table
from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_dir

Item = TypeVar("Item")

BY_RECORDING = ("wav.scp", "reco2dur", "reco2file_and_channel")
BY_SPEAKER = ("spk2utt", "spk2gender", "cmvn.scp", "spk2warp", "spk_xvector.scp")
_TRIED = 100  # relative sources, before we give up finding their base
NOT_TABLES = (".json", ".ark", ".tsv", ".lines", ".md")  # companions that are not keyed line by line


class DataDir:
    """A folder of tables. Reading is lazy and remembered; `DataDir(path)` raises DataError if it is none."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._tables: dict[str, dict[str, str]] = {}
        if not (self.path / "utt2spk").exists():
            what = "has no utt2spk, so it is no data dir" if self.path.is_dir() else "no such data dir"
            raise DataError(f"{self.path}: {what}; `speecht5 prepare` makes one")

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return (self.path / name).exists()

    def table(self, name: str) -> dict[str, str]:
        """A table by its file name. Raises DataError when it is missing or malformed."""
        if name not in self._tables:
            self._tables[name] = read_table(self.path / name)
        return self._tables[name]

    @cached_property
    def utterances(self) -> list[str]:
        """The ids of utt2spk, sorted."""
        return sorted(self.table("utt2spk"))

    def files(self) -> list[str]:
        """Names of the tables that are there."""
        return sorted(
            file.name
            for file in self.path.iterdir()
            if file.is_file() and not file.name.startswith(".") and file.suffix not in NOT_TABLES
        )

    def audio(self, name: str = "wav.scp") -> dict[str, AudioRef]:
        """Utterance -> where its sound lies, through `segments` where there are any (they speak of wav.scp only)."""
        table = self.table(name)
        sources = dict(zip(table, self.resolved(table.values())))
        if name != "wav.scp" or not self.has("segments"):
            return {utterance: AudioRef(source) for utterance, source in sources.items()}
        refs = {}
        for utterance, line in self.table("segments").items():
            try:
                recording, start, end = line.split()
                refs[utterance] = AudioRef(sources[recording], float(start), float(end))
            except (ValueError, KeyError):
                raise DataError(
                    f"{self.path}/segments: {utterance}: expected a recording of wav.scp, start and end, got '{line}'"
                ) from None
        return refs

    def resolved(self, sources: Iterable[str]) -> list[str]:
        """Sources with their relative paths resolved; see `resolved` below."""
        return resolved(self.path, sources)

    def durations(self, *, allow_pipes: bool = False) -> dict[str, float]:
        """Utterance -> seconds, from utt2dur, else from segments, else from the headers of the audio."""
        if self.has("utt2dur"):
            try:
                return {utterance: float(seconds) for utterance, seconds in self.table("utt2dur").items()}
            except ValueError as error:
                raise DataError(f"{self.path}/utt2dur: {error}; expected seconds") from None
        return {utterance: duration_s(ref, allow_pipes=allow_pipes) for utterance, ref in self.audio().items()}

    def subset(self, out: Path, utterances: Iterable[str]) -> "DataDir":
        """Write the utterances (in any order, all of this dir) to a new dir, with only what belongs to them."""
        chosen = set(utterances)
        unknown = chosen - self.table("utt2spk").keys()
        if unknown:
            raise DataError(f"{self.path}: no utterance '{min(unknown)}' ({len(unknown)} of the wanted are unknown)")
        tables = {name: self._restricted(name, chosen) for name in self.files() if name != "spk2utt"}
        return write_tables(out, tables, companions=self.companions())

    def companions(self) -> dict[str, bytes]:
        """The files beside tables that say how to read them, such as units.json; name -> content."""
        names = {companion_of(name) for name in self.files()}
        return {name: (self.path / name).read_bytes() for name in sorted(names) if self.has(name)}

    def _restricted(self, name: str, utterances: set[str]) -> dict[str, str]:
        if name in BY_SPEAKER:
            keys = {self.table("utt2spk")[utterance] for utterance in utterances}
        elif name in BY_RECORDING and self.has("segments"):
            keys = {self.table("segments")[utterance].split()[0] for utterance in utterances}
        else:
            keys = utterances
        return {key: value for key, value in self.portable(name).items() if key in keys}

    def portable(self, name: str) -> dict[str, str]:
        """A table for another dir: paths that were relative to a parent of this one are written in full."""
        table = self.table(name)
        return dict(zip(table, self.resolved(table.values()))) if name.endswith(".scp") else table

    def split(self, n: int) -> list[Sequence[str]]:
        """The sorted utterances in min(n, all) contiguous, near-equal shards; the first ones get the remainder."""
        return shards(self.utterances, n)


def opened(path: Path) -> DataDir:
    """The data dir at `path`; a folder with wav.scp but without utt2spk counts, each utterance its own speaker."""
    if (path / "utt2spk").exists() or not (path / "wav.scp").exists():
        return DataDir(path)
    return _SpeakerlessDir(path)


class _SpeakerlessDir(DataDir):
    """A data dir that nobody wrote utt2spk for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tables = {}
        utterances = self.table("segments" if self.has("segments") else "wav.scp")
        self._tables["utt2spk"] = {utterance: utterance for utterance in utterances}


def companion_of(name: str) -> str:
    """The file that says how to read a table: units.json of units, feats.json of feats.scp."""
    return f"{name.removesuffix('.scp')}.json"


def resolved(folder: Path, sources: Iterable[str]) -> list[str]:
    """Sources with their relative paths resolved: from the current folder, else from a parent of the dir `folder`.

    Kaldi means the folder that the recipe runs in; that is a parent of the data dir, so a dir stays usable from
    anywhere. One base serves the whole file: that of the first source which is found somewhere.
    """
    sources = list(sources)
    relative = [source for source in sources if not _is_absolute(source)]
    base = next(filter(None, (_base_of(source, folder) for source in relative[:_TRIED])), Path())
    return [source if _is_absolute(source) else str(base / source) for source in sources]


def _is_absolute(source: str) -> bool:
    return source.startswith("/") or source.endswith("|")


def _base_of(source: str, folder: Path) -> Path | None:
    for base in (Path(), *folder.resolve().parents):
        if (base / source).exists() or (base / without_place(source)).exists():
            return base
    return None


def without_place(pointer: str) -> str:
    """`a.ark:12[0:4]` -> `a.ark`."""
    path = pointer.rpartition("[")[0] if pointer.endswith("]") else pointer
    head, colon, offset = path.rpartition(":")
    return head if colon and offset.isdecimal() else path


def shards(items: Sequence[Item], n: int) -> list[Sequence[Item]]:
    """At most `n` contiguous pieces, none empty, whose sizes differ by one at most (Kaldi's split_scp rule)."""
    n = max(1, min(n, len(items)))
    size, extra = divmod(len(items), n)
    starts = [i * size + min(i, extra) for i in range(n + 1)]
    return [items[start:end] for start, end in pairwise(starts)]


def write_tables(
    out: Path, tables: Mapping[str, Mapping[str, str]], *, companions: Mapping[str, bytes] | None = None
) -> DataDir:
    """Write a data dir from its tables (spk2utt is made) in place of what was there; DataError if it is empty.

    `companions` are further files, name -> content; those of tables that are not written stay out.
    """
    if not tables["utt2spk"]:
        raise DataError(f"{out}: no utterance is left, so the data dir is not written")
    with atomic_dir(out) as folder:
        for name, table in tables.items():
            if table:
                write_table(folder / name, table)
        write_table(folder / "spk2utt", inverted(tables["utt2spk"]))
        for name, content in (companions or {}).items():
            if name in {companion_of(table) for table in tables if tables[table]}:
                (folder / name).write_bytes(content)
    return DataDir(out)


def combine(sources: Iterable[DataDir], out: Path) -> tuple[DataDir, list[str]]:
    """Join dirs into a new one; also returns the files left out because not every source has them.

    Where only some have segments, the others' recordings become segments from end to end. Raises DataError when two
    sources share an utterance, or when their labels are of different kinds.
    """
    sources = list(sources)
    names = {name for source in sources for name in source.files()} - {"spk2utt"}
    everywhere = {name for name in names if all(source.has(name) for source in sources)}
    common = everywhere | (names & {"segments"})
    tables: dict[str, dict[str, str]] = {name: {} for name in sorted(common)}
    companions: dict[str, bytes] = {}
    for source in sources:
        for name, joined in tables.items():
            for key, value in _segments_or_table(source, name).items():
                if joined.get(key, value) != value or (name == "utt2spk" and key in joined):
                    raise DataError(f"{source.path}/{name}: '{key}' is also in another of the dirs to combine")
                joined[key] = value
        for name, content in source.companions().items():
            if name in map(companion_of, common) and companions.setdefault(name, content) != content:
                raise DataError(f"{source.path}/{name}: says something else than in another of the dirs to combine")
    return write_tables(out, tables, companions=companions), sorted(names - common)


def _segments_or_table(source: DataDir, name: str) -> dict[str, str]:
    if name != "segments" or source.has("segments"):
        return source.portable(name)
    return {utterance: f"{utterance} 0 {seconds:.6f}" for utterance, seconds in source.durations().items()}
