"""Repairing a data dir: what Kaldi's fix_data_dir.sh does, for our files too, and with the reasons written down.

Lines are sorted, repaired where that is safe, and reduced to the utterances that every file has and whose sound can
be used. The files as they were lie in `.backup/`, what was left out stands in rejected.tsv.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from speecht5_cli.data.check import LIMITS, AudioLimits
from speecht5_cli.data.datadir import NOT_TABLES
from speecht5_cli.data.rules import ANYTHING, rule_of
from speecht5_cli.data.scan import Scanned, scanned
from speecht5_cli.data.tables import inverted, read_lines, write_table
from speecht5_cli.data.utterance import Rejected
from speecht5_cli.data.validate import Inspection, inspect
from speecht5_cli.data.writer import REJECTED, counted, seconds_text, write_rejected
from speecht5_cli.errors import DataError

BACKUP = ".backup"
Tables = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Repair:
    """What `fix` did. `str(repair)` says it in a few lines."""

    path: Path
    n_before: int
    n_kept: int
    changed: tuple[str, ...] = ()  # files that were written anew
    removed: tuple[str, ...] = ()  # derived files that no longer fitted
    renamed: tuple[tuple[str, str], ...] = ()  # old and new utterance id
    rejected: tuple[Rejected, ...] = ()

    def __str__(self) -> str:
        if not self.changed and not self.removed:
            return f"{self.path}: nothing to fix"
        lines = [
            f"{self.path}: kept {self.n_kept} of {self.n_before} utterances; files as they were are in {BACKUP}/",
            f"  written anew: {', '.join(self.changed)}",
        ]
        if self.removed:
            lines.append(f"  removed, because they no longer fitted: {', '.join(self.removed)}")
        if self.renamed:
            old, new = self.renamed[0]
            lines.append(f"  {len(self.renamed)} utterances were renamed, such as '{old}' to '{new}'")
        if self.rejected:
            lines.append(f"  left out (see {REJECTED}):")
            lines += [f"    {line}" for line in counted(self.rejected)]
        return "\n".join(lines)


def fix(
    path: Path, *, audio: bool = True, nj: int = 1, allow_pipes: bool = False, limits: AudioLimits = LIMITS
) -> Repair:
    """Repair the data dir `path`; afterwards `validate` finds no error, but for files that cannot be made up again
    (units.json, a wav.scp to segments). Without an error nothing is written.

    Raises DataError when there is no utt2spk, when nothing would be left, or for speakers that no order suits.
    """
    inspection = inspect(path, audio=audio, nj=nj, allow_pipes=allow_pipes, limits=limits)
    utterances = inspection.keys("utt2spk")
    if all(problem.severity == "warning" for problem in inspection.all_problems()):
        return Repair(path, len(utterances), len(utterances))
    if not utterances:
        raise DataError(f"{path}: utt2spk is missing or empty, and nothing else says whose the utterances are")
    reasons = _reasons(inspection)
    kept = sorted(utterances - reasons.keys())
    rejected = [Rejected(utterance, reason) for utterance, reason in reasons.items()]
    if not kept:
        raise DataError(f"{path}: no utterance would be left; nothing was changed: {'; '.join(counted(rejected)[:3])}")
    tables, removed = _kept_tables(inspection, kept)
    renamed = _renamed(path, tables["utt2spk"])
    tables |= _foreign_tables(inspection, kept)
    tables = _with_new_names(inspection, tables, renamed)
    tables["spk2utt"] = inverted(tables["utt2spk"])
    changed = _replace(inspection.path, tables, removed, rejected)
    return Repair(path, len(utterances), len(kept), changed, removed, tuple(renamed.items()), tuple(rejected))


def _reasons(inspection: Inspection) -> dict[str, str]:
    """Utterance -> why it cannot stay. A derived file is no reason: it can be made again."""
    utt2spk = inspection.tables["utt2spk"]
    reasons = {utterance: f"no usable line in utt2spk: {why}" for utterance, why in utt2spk.broken.items()}
    for utterance, why in inspection.bad_sound.items():
        if utterance in utt2spk.values:
            reasons.setdefault(utterance, why)
    tables = [table for name, table in inspection.tables.items() if name != "utt2spk" and not table.rule.derived]
    tables.sort(key=lambda table: table.rule.key == "recording")  # behind segments, which name the recordings
    for table in tables:
        for utterance in utt2spk.values:
            if utterance not in reasons and (key := _key_in(inspection, table, utterance)) not in table.values:
                why = table.broken.get(key, "there is none")
                reasons[utterance] = f"no usable line in {table.path.name}: {why}"
    return reasons


def _key_in(inspection: Inspection, table: Scanned, utterance: str) -> str:
    """The key that stands for the utterance in a table: itself, its speaker, or its recording."""
    if table.rule.key == "speaker":
        return inspection.values("utt2spk")[utterance]
    if table.rule.key == "recording" and "segments" in inspection.tables:
        return inspection.values("segments")[utterance].split()[0]
    return utterance


def _kept_tables(inspection: Inspection, kept: list[str]) -> tuple[Tables, tuple[str, ...]]:
    """The tables with the lines of the kept utterances, and the derived files that lack some."""
    tables: Tables = {}
    removed = []
    for name, table in inspection.tables.items():
        keys = {_key_in(inspection, table, utterance) for utterance in kept}
        if name == "spk2utt":
            continue
        if keys <= table.values.keys():
            tables[name] = {key: table.values[key] for key in sorted(keys)}
        else:
            removed.append(name)
    for utterance in inspection.wrong_durations & tables.get("utt2dur", {}).keys():
        tables["utt2dur"][utterance] = seconds_text(inspection.heard[utterance].duration_s)
    return tables, tuple(removed)


def _foreign_tables(inspection: Inspection, kept: list[str]) -> Tables:
    """Tables of other toolkits, told by their keys; they need not be complete."""
    tables: Tables = {}
    for file in inspection.path.iterdir():
        if not file.is_file() or file.name.startswith(".") or file.suffix in NOT_TABLES or rule_of(file.name):
            continue
        with file.open("rb") as opened:
            if b"\0" in opened.read(1024):  # no text at all
                continue
        table = scanned(file, ANYTHING)
        if table.values.keys() & inspection.keys("utt2spk"):
            tables[file.name] = {utterance: table.values[utterance] for utterance in kept if utterance in table.values}
    return tables


def _renamed(path: Path, utt2spk: Mapping[str, str]) -> dict[str, str]:
    """Old -> new id for utterances that break the order by speaker; they get their speaker and '-' in front."""
    if _in_speaker_order(utt2spk):
        return {}
    renamed = {name: f"{speaker}-{name}" for name, speaker in utt2spk.items() if not name.startswith(f"{speaker}-")}
    after = {renamed.get(name, name): speaker for name, speaker in utt2spk.items()}
    if len(after) < len(utt2spk) or not _in_speaker_order(after):
        raise DataError(
            f"{path}: the utterances cannot be sorted by utterance and by speaker at once, even with each speaker in "
            "front; nothing was changed. Give the speakers names of letters, digits and '_' only"
        )
    return renamed


def _in_speaker_order(utt2spk: Mapping[str, str]) -> bool:
    return all(utt2spk[one] <= utt2spk[two] for one, two in pairwise(sorted(utt2spk)))


def _with_new_names(inspection: Inspection, tables: Tables, renamed: Mapping[str, str]) -> Tables:
    by_recording = "segments" in tables  # else wav.scp and its like are keyed by utterance
    result = {}
    for name, table in tables.items():
        key = inspection.tables[name].rule.key if name in inspection.tables else "utterance"
        if key == "utterance" or (key == "recording" and not by_recording):
            table = {renamed.get(utterance, utterance): value for utterance, value in table.items()}
        result[name] = table
    return result


def _replace(path: Path, tables: Tables, removed: tuple[str, ...], rejected: list[Rejected]) -> tuple[str, ...]:
    """Write what differs, all files first and then their places; the old ones go to the backup."""
    backup = path / BACKUP
    backup.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path, prefix=".fix.") as name:
        folder = Path(name)
        for table_name, table in tables.items():
            write_table(folder / table_name, table)
        if rejected:
            write_rejected(folder / REJECTED, [*_rejected_before(path), *rejected])
        changed = sorted(file.name for file in folder.iterdir() if not _same(file, path / file.name))
        for table_name in [*changed, *removed]:
            if (path / table_name).exists():
                (path / table_name).replace(backup / table_name)
        for table_name in changed:
            (folder / table_name).replace(path / table_name)
    return tuple(changed)


def _same(one: Path, two: Path) -> bool:
    return two.exists() and one.read_bytes() == two.read_bytes()


def _rejected_before(path: Path) -> list[Rejected]:
    if not (path / REJECTED).exists():
        return []
    lines = (line.partition("\t") for line in read_lines(path / REJECTED))
    return [Rejected(item, reason) for item, _, reason in lines]
