"""The door of a data dir: which utterances may come in, judged from their ids, texts, times and paths alone."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

from speecht5_cli.data.audio import is_archive
from speecht5_cli.data.datadir import BY_RECORDING, BY_SPEAKER
from speecht5_cli.data.transcript import cleaned, is_text_table, reserved
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.errors import DataError

_SHORTEST_S = 1e-5  # segments are written to the microsecond
_NOT_FOR_UTTERANCES = {"utt2spk", "spk2utt", "text", "segments", "utt2dur", *BY_RECORDING, *BY_SPEAKER}


class Intake:
    """Takes utterances in, one by one; `kept`, `rejected` and `notes` (on kept ones) say what became of them."""

    def __init__(self) -> None:
        self.kept: dict[str, Utterance] = {}
        self.rejected: list[Rejected] = []
        self.notes: dict[str, tuple[str, ...]] = {}
        self._exists: Callable[[str], bool] = cache(_exists)  # a recording may serve many segments

    def take(self, utterance: Utterance) -> None:
        """Keep the utterance with its texts cleaned, or reject it."""
        utterance, notes = _with_clean_texts(utterance)
        if fault := self._fault(utterance):
            self.rejected.append(Rejected(utterance.id, fault))
        else:
            self.kept[utterance.id] = utterance
            self.note(utterance.id, notes)

    def note(self, utterance: str, notes: Iterable[str]) -> None:
        """Remember something about an utterance that is kept."""
        if notes := tuple(notes):
            self.notes[utterance] = self.notes.get(utterance, ()) + notes

    def drop(self, utterance: str, reason: str) -> None:
        """Reject an utterance that was kept so far."""
        del self.kept[utterance]
        self.notes.pop(utterance, None)
        self.rejected.append(Rejected(utterance, reason))

    def settle(self) -> None:
        """Sort what is kept and see that it fits together. Raises DataError where no single utterance is to blame."""
        names = {name for utterance in self.kept.values() for name in utterance.tables}
        if wrong := names & _NOT_FOR_UTTERANCES or {name for name in names if "/" in name}:
            raise DataError(f"'{min(wrong)}' is no table of an utterance's own; it cannot stand in Utterance.tables")
        with_text = any(utterance.text is not None for utterance in self.kept.values())
        for utterance in list(self.kept.values()):
            if with_text and utterance.text is None:
                self.drop(utterance.id, "no text")
            elif missing := names - utterance.tables.keys():
                self.drop(utterance.id, f"no {min(missing)}")
        self.kept = dict(sorted(self.kept.items()))
        _require_one_kind(self.kept.values())
        _require_speaker_order(self.kept.values())

    def _fault(self, utterance: Utterance) -> str:
        if (first := self.kept.get(utterance.id)) is not None:
            return f"duplicate id: '{utterance.audio}' is left out, '{first.audio}' was there first"
        return (
            _id_fault(utterance)
            or _text_fault(utterance)
            or _table_fault(utterance)
            or _part_fault(utterance)
            or _path_fault(utterance.audio)
            or ("" if self._exists(utterance.audio) else f"no such audio file: {utterance.audio}")
        )


def _with_clean_texts(utterance: Utterance) -> tuple[Utterance, tuple[str, ...]]:
    text, notes = (None, ()) if utterance.text is None else cleaned(utterance.text)
    tables = dict(utterance.tables)
    for name in filter(is_text_table, tables):
        tables[name], more = cleaned(tables[name])
        notes += more
    if text != utterance.text or tables != utterance.tables:
        utterance = replace(utterance, text=text, tables=tables)
    return utterance, tuple(dict.fromkeys(notes))


def _id_fault(utterance: Utterance) -> str:
    for what, name in (("id", utterance.id), ("speaker", utterance.speaker)):
        if not name or " " in name or "/" in name or not name.isprintable():
            return f"unusable {what}: '{name}' is empty or holds a blank, a slash or a character that does not print"
    joined = f"{utterance.speaker}-"
    if not utterance.id.startswith(joined) or utterance.id == joined:
        return f"id without its speaker: '{utterance.id}' does not start with '{joined}' and something more"
    return ""


def _text_fault(utterance: Utterance) -> str:
    for name, text in (("text", utterance.text), *utterance.tables.items()):
        if text is None or not is_text_table(name):
            continue
        if not text:
            return f"empty {name}"
        if word := reserved(text):
            return f"reserved word in {name}: Kaldi keeps '{word}' for itself"
    return ""


def _table_fault(utterance: Utterance) -> str:
    for name, value in utterance.tables.items():
        if not value:
            return f"empty {name}"
        if name.endswith(".scp") and (fault := _path_fault(value)):
            return f"{name} {fault}"
        if not is_text_table(name) and (value != value.strip() or not value.isprintable()):
            return f"unusable {name}: {value!r} starts or ends with a blank or holds a character that does not print"
    return ""


def _part_fault(utterance: Utterance) -> str:
    start_s, end_s = utterance.start_s, utterance.end_s
    if start_s is None and end_s is None:
        return ""
    if start_s is None or end_s is None:
        return f"half a segment: start {start_s} s, end {end_s} s"
    if not 0 <= start_s < end_s < float("inf") or end_s - start_s < _SHORTEST_S:  # true for NaN too
        return f"impossible segment: start {start_s} s, end {end_s} s"
    return ""


def _path_fault(source: str) -> str:
    if not source:
        return "no audio"
    if source.endswith("|"):
        return f"audio from a shell pipe: '{source}'; decode it to a file first"
    if source.startswith("~") or source != source.strip() or "\n" in source or "\r" in source:
        return f"unusable path: {source!r} starts with '~', or has blanks at its ends or a line break inside"
    return ""


def _exists(source: str) -> bool:
    return Path(source.rpartition(":")[0] if is_archive(source) else source).exists()


def _require_one_kind(utterances: Iterable[Utterance]) -> None:
    parted: list[str] = []
    whole: list[str] = []
    for utterance in utterances:
        (whole if utterance.start_s is None else parted).append(utterance.id)
    if parted and whole:
        raise DataError(
            f"{len(parted)} utterances are segments ('{parted[0]}'), {len(whole)} are whole recordings ('{whole[0]}'); "
            "a data dir holds either the one or the other"
        )


def _require_speaker_order(utterances: Iterable[Utterance]) -> None:
    """Kaldi wants utt2spk sorted by utterance and by speaker at once; a joiner alone does not see to it."""
    for one, two in pairwise(utterances):
        if one.speaker > two.speaker:
            raise DataError(
                f"utterance '{one.id}' sorts before '{two.id}', but speaker '{one.speaker}' after '{two.speaker}'; "
                "Kaldi refuses that. Give the speakers names of letters, digits and '_' only"
            )
