"""From a corpus's utterances to a valid data dir: one way for all corpora.

A corpus function reads its layout and yields `Utterance`s; this file sorts, cleans the text, checks the audio, drops
what is unusable with its reason, and writes the dir in one step, so that every corpus gets the same rules. Kaldi's
validate_data_dir.sh accepts what it writes.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from speecht5_cli.data.audio import AudioRef
from speecht5_cli.data.check import LIMITS, AudioLimits, Heard, Sound, check_sounds, kind_of
from speecht5_cli.data.datadir import NOT_TABLES
from speecht5_cli.data.intake import Intake
from speecht5_cli.data.tables import inverted, write_lines, write_table
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_dir

__all__ = ["AudioLimits", "DataDirReport", "Rejected", "Utterance", "write_data_dir"]

REJECTED = "rejected.tsv"
_TARGET = "target.scp"
_WRITTEN = ".written"  # the names of the files that this module wrote
_N_REASONS = 3  # shown where nothing is left
_MISALIGNED_S = 0.1  # by which a target may differ in length where both sides are the same moment


@dataclass(frozen=True)
class DataDirReport:
    """What became of a set's utterances. `str(report)` says it in a few lines."""

    out: Path
    n_kept: int
    n_speakers: int
    duration_s: float | None  # None: the audio was not checked
    rejected: tuple[Rejected, ...]
    notes: Mapping[str, int]  # kind of note -> number of kept utterances
    remarks: tuple[str, ...] = ()  # on the set as a whole

    def __str__(self) -> str:
        hours = "" if self.duration_s is None else f", {self.duration_s / 3600:.2f} h"
        lines = [f"{self.out}: {self.n_kept} utterances, {self.n_speakers} speakers{hours}"]
        if self.rejected:
            lines.append(f"  {len(self.rejected)} left out (see {self.out / REJECTED}):")
            lines += [f"    {line}" for line in counted(self.rejected)]
        if self.notes:
            lines.append("  kept, with a note:")
            lines += [f"    {number} x {kind}" for kind, number in sorted(self.notes.items(), key=_most_first)]
        lines += [f"  {remark}" for remark in self.remarks]
        return "\n".join(lines)


def write_data_dir(
    out: Path,
    utterances: Iterable[Utterance],
    *,
    rejected: Iterable[Rejected] = (),
    check_audio: bool = True,
    nj: int = 1,
    limits: AudioLimits = LIMITS,
    speaker_tables: Mapping[str, Mapping[str, str]] | None = None,
    companions: Mapping[str, Iterable[str]] | None = None,
    aligned: bool = False,
    remarks: Iterable[str] = (),
) -> DataDirReport:
    """Write `out` in one step, in place of the data dir that may be there.

    One that says the same stays, with what was added to it since (vectors, units): a training may be reading it.

    `rejected` are items that the corpus function had to leave out itself, `remarks` what it has to say about the set;
    both are read after `utterances`, so a generator may fill them on its way. Left-out items are listed in
    `out`/rejected.tsv. `check_audio` reads every sound to its end (data/check.py); without it only the files' existence
    is looked at, and there is no utt2dur. `speaker_tables` are files such as spk2gender (speaker -> value); one that
    lacks a speaker is not written, and the report says so. `companions` are files that are no tables: name -> lines.
    `aligned` says that target.scp holds the same moments as wav.scp, so that pairs of different lengths are faulty.

    Raises DataError when nothing is left, when speakers' names break Kaldi's sort rules, or when `out` is a folder
    that must not be replaced.
    """
    intake = Intake()
    for utterance in utterances:
        intake.take(utterance)
    intake.settle()
    intake.rejected[:0] = rejected
    _require_some(intake, out)
    durations = _listened(intake, nj, limits, aligned, f"{out}: checking audio") if check_audio else {}
    _require_some(intake, out)
    _require_replaceable(out, intake.kept)
    of_speakers, incomplete = _speaker_tables(intake.kept, speaker_tables or {})
    with atomic_dir(out, keep_same=True) as folder:
        for name, table in {**_tables(intake.kept, durations), **of_speakers}.items():
            write_table(folder / name, table)
        for name, lines in (companions or {}).items():
            assert name.endswith(NOT_TABLES), f"{name} would be taken for a table"
            write_lines(folder / name, lines)
        if intake.rejected:
            write_rejected(folder / REJECTED, intake.rejected)
        # With its own list a dir is the same only if it has no table that is not written any more.
        write_lines(folder / _WRITTEN, sorted(file.name for file in folder.iterdir()))
    return DataDirReport(
        out,
        len(intake.kept),
        len({utterance.speaker for utterance in intake.kept.values()}),
        sum(durations.values()) if check_audio else None,
        tuple(intake.rejected),
        Counter(kind_of(note) for notes in intake.notes.values() for note in notes),
        (*remarks, *incomplete),
    )


def write_rejected(path: Path, rejected: Iterable[Rejected]) -> None:
    """Write rejected.tsv: an id, a tab and the reason a line, sorted."""
    write_lines(path, sorted(f"{_one_line(item.id)}\t{_one_line(item.reason)}" for item in set(rejected)))


def counted(rejected: Iterable[Rejected]) -> list[str]:
    """Lines such as '12 x too short, such as 103-1240-0001', the most frequent first."""
    examples: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    for item in rejected:
        kind = kind_of(item.reason)
        numbers[kind] += 1
        examples.setdefault(kind, item.id)
    return [f"{number} x {kind}, such as {examples[kind]}" for kind, number in sorted(numbers.items(), key=_most_first)]


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _listened(intake: Intake, nj: int, limits: AudioLimits, aligned: bool, doing: str) -> dict[str, float]:
    """Check the sound of what is kept; drop what cannot be used; utterance -> seconds for the rest."""
    kept = list(intake.kept.values())
    sounds = [Sound(item.id, AudioRef(item.audio, item.start_s or 0.0, item.end_s), item.text) for item in kept]
    n_sources = len(sounds)
    sounds += [Sound(item.id, AudioRef(item.tables[_TARGET])) for item in kept if _TARGET in item.tables]
    heard = check_sounds(sounds, limits=limits, nj=nj, doing=doing)
    lengths = {sound.id: answer.duration_s for sound, answer in zip(sounds[:n_sources], heard) if not answer.fault}
    for sound, answer in zip(sounds[n_sources:], heard[n_sources:]):
        if answer.fault:
            intake.drop(sound.id, f"target {answer.fault}")
        elif aligned and abs(answer.duration_s - lengths.get(sound.id, answer.duration_s)) > _MISALIGNED_S:
            intake.drop(sound.id, f"target of another length: {answer.duration_s:.2f} s for {lengths[sound.id]:.2f} s")
        else:
            intake.note(sound.id, (f"target {note}" for note in answer.notes))
    durations = {}
    for utterance, answer in zip(kept, heard):
        if utterance.id not in intake.kept:
            continue
        if answer.fault:
            intake.drop(utterance.id, answer.fault)
            continue
        intake.note(utterance.id, answer.notes)
        intake.kept[utterance.id] = _within_recording(utterance, answer)
        durations[utterance.id] = answer.duration_s
    return durations


def _within_recording(utterance: Utterance, heard: Heard) -> Utterance:
    """The utterance with its end moved to the end of its recording, where it was later."""
    if utterance.start_s is None or not heard.overshoot_s:
        return utterance
    return replace(utterance, end_s=utterance.start_s + heard.duration_s)


def _tables(kept: Mapping[str, Utterance], durations: Mapping[str, float]) -> dict[str, dict[str, str]]:
    """File name -> table."""
    utt2spk = {utterance.id: utterance.speaker for utterance in kept.values()}
    tables = {"utt2spk": utt2spk, "spk2utt": inverted(utt2spk), **_audio_tables(kept)}
    if durations:
        tables["utt2dur"] = {name: seconds_text(duration) for name, duration in durations.items()}
    for utterance in kept.values():
        if utterance.text is not None:
            tables.setdefault("text", {})[utterance.id] = utterance.text
        for name, value in utterance.tables.items():
            tables.setdefault(name, {})[utterance.id] = value
    return tables


def _speaker_tables(
    kept: Mapping[str, Utterance], tables: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The tables cut to the kept speakers, and remarks on those that lack one (Kaldi wants all speakers in each)."""
    speakers = {utterance.speaker for utterance in kept.values()}
    complete, remarks = {}, []
    for name, table in tables.items():
        if missing := speakers - table.keys():
            remarks.append(f"no {name}: it would lack {len(missing)} speakers, such as {min(missing)}")
        else:
            complete[name] = {speaker: table[speaker] for speaker in speakers}
    return complete, remarks


def _audio_tables(kept: Mapping[str, Utterance]) -> dict[str, dict[str, str]]:
    if all(utterance.start_s is None for utterance in kept.values()):
        return {"wav.scp": {utterance.id: utterance.audio for utterance in kept.values()}}
    names = recording_ids({utterance.audio for utterance in kept.values()})
    segments = {
        item.id: f"{names[item.audio]} {seconds_text(item.start_s)} {seconds_text(item.end_s)}"
        for item in kept.values()
    }
    return {"wav.scp": {name: audio for audio, name in names.items()}, "segments": segments}


def seconds_text(value: float | None) -> str:
    """Seconds to the microsecond, without an exponent and without needless zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def recording_ids(sources: Iterable[str]) -> dict[str, str]:
    """Source -> a name of its own for wav.scp: the file's stem, with parent folders where stems repeat, or a number."""
    paths = sorted(sources)
    for depth in range(1, max(len(Path(path).parts) for path in paths) + 1):
        names = ["-".join(Path(path).with_suffix("").parts[-depth:]) for path in paths]
        names = ["_".join(name.replace("/", "").split()) for name in names]
        if len(set(names)) == len(names):
            return dict(zip(paths, names))
    return {path: f"recording-{number:06d}" for number, path in enumerate(paths, 1)}


def _require_some(intake: Intake, out: Path) -> None:
    if not intake.kept:
        reasons = "; ".join(counted(intake.rejected)[:_N_REASONS]) or "the corpus gave none"
        raise DataError(f"{out}: no utterance is left, so the data dir is not written: {reasons}")


def _require_replaceable(out: Path, kept: Mapping[str, Utterance]) -> None:
    """Only a data dir may be replaced, and none that holds the audio which is written about."""
    if not out.exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not (out / "utt2spk").exists()):
        raise DataError(f"{out}: is there already and is no data dir; move it away or choose another name")
    inside = f"{out.resolve()}/"
    folders = {os.path.dirname(utterance.audio): utterance for utterance in kept.values()}  # noqa: PTH120 - 300,000 files
    for folder, utterance in folders.items():
        if f"{Path(folder).resolve()}/".startswith(inside):
            raise DataError(f"{out}: holds audio ('{utterance.audio}') that replacing the folder would delete")
