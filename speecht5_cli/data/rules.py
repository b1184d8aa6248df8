"""What a line of each known file must look like: whose key it starts with, and what may follow.

The rules are those of Kaldi's validate_data_dir.sh, and ours for the files that Kaldi does not know.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from speecht5_cli.data.transcript import cleaned, is_text_table, reserved, unprintable, unusual_blanks

Key = Literal["utterance", "recording", "speaker"]
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)  # float() would also take nan and 1_0
_COUNT = re.compile(r"\d+", re.ASCII)
_FINE: tuple[str, ...] = ()


def _unchanged(value: str) -> str:
    return value


@dataclass(frozen=True)
class Rule:
    """The rule of one file. `faults` says what is wrong with the rest of a line, `mended` repairs what it can."""

    key: Key
    faults: Callable[[str], tuple[str, ...]]
    mended: Callable[[str], str] = _unchanged
    derived: bool = False  # computed from the other files, so it can be made again


def rule_of(name: str) -> Rule | None:
    """The rule of a file by its name; None for files that we do not know."""
    if is_text_table(name):
        return _TEXT
    if is_unit_table(name):
        return _UNITS
    return _RULES.get(name)


def is_unit_table(name: str) -> bool:
    """Whether a file of a data dir holds unit labels: `units`, or `units_it2` and the like."""
    return name == "units" or (name.startswith("units_") and "." not in name)


def number(text: str) -> float | None:
    """A plain decimal number, or None."""
    return float(text) if _NUMBER.fullmatch(text) else None


def _one_word(value: str) -> tuple[str, ...]:
    return _FINE if value and len(value.split()) == 1 else (f"expected one word after the key, got '{value}'",)


def _some_words(value: str) -> tuple[str, ...]:
    return _FINE if value else ("expected at least one utterance after the speaker",)


def _text_faults(text: str) -> tuple[str, ...]:
    if not text.strip():
        return ("the text is empty",)
    if text.isprintable() and not reserved(text):
        return _FINE
    faults = []
    if found := unusual_blanks(text):
        faults.append(f"unusual white space ({', '.join(found)}): other programs split lines there")
    if found := unprintable(text):
        faults.append(f"characters that do not print ({', '.join(found)})")
    if word := reserved(text):
        faults.append(f"'{word}' in the text: Kaldi keeps this word for itself")
    return tuple(faults)


def _clean(text: str) -> str:
    return cleaned(text)[0]


def _source_faults(source: str) -> tuple[str, ...]:
    if not source:
        return ("no path after the key",)
    if source.startswith("~"):
        return (f"'{source}' starts with '~', which only a shell understands; write the folder's name",)
    return _FINE


def _expanded(source: str) -> str:
    return str(Path(source).expanduser()) if source.startswith("~/") else source


def _segment_faults(value: str) -> tuple[str, ...]:
    fields = value.split()
    if len(fields) != 3:
        return (f"expected 'utterance recording start end', got {len(fields) + 1} fields",)
    start_s, end_s = number(fields[1]), number(fields[2])
    if start_s is None or end_s is None:
        return (f"start '{fields[1]}' and end '{fields[2]}' must be seconds",)
    if start_s < 0:
        return (f"start {fields[1]} s lies before the recording",)
    return _FINE if end_s > start_s else (f"end {fields[2]} s is not after start {fields[1]} s",)


def _channel_faults(value: str) -> tuple[str, ...]:
    fields = value.split()
    if len(fields) == 2 and fields[1] in ("A", "B", "1"):
        return _FINE
    return (f"expected 'recording file channel' with channel A or B, got '{value}' after the recording",)


def _gender_faults(value: str) -> tuple[str, ...]:
    return _FINE if value in ("m", "f") else (f"expected m or f, got '{value}'",)


def _seconds_faults(value: str) -> tuple[str, ...]:
    seconds = number(value)
    return _FINE if seconds is not None and seconds > 0 else (f"expected seconds above 0, got '{value}'",)


def _count_faults(value: str) -> tuple[str, ...]:
    return _FINE if _COUNT.fullmatch(value) and int(value) > 0 else (f"expected a whole number above 0, got '{value}'",)


def _warp_faults(value: str) -> tuple[str, ...]:
    factor = number(value)
    if factor is not None and 0.5 < factor < 1.5:
        return _FINE
    return (f"expected a factor between 0.5 and 1.5, got '{value}'",)


def _unit_faults(value: str) -> tuple[str, ...]:
    if value.isascii() and value.replace(" ", "").isdecimal():  # lines are long: no loop over the words
        return _FINE
    wrong = [word for word in value.split() if not _COUNT.fullmatch(word)]
    return (f"expected unit numbers, got '{wrong[0]}'" if wrong else "no units",)


ANYTHING = Rule("utterance", lambda value: _FINE)  # for tables of other toolkits
_TEXT = Rule("utterance", _text_faults, _clean)
_UNITS = Rule("utterance", _unit_faults)
_RULES = {
    "utt2spk": Rule("utterance", _one_word),
    "spk2utt": Rule("speaker", _some_words, derived=True),
    "wav.scp": Rule("recording", _source_faults, _expanded),
    "segments": Rule("utterance", _segment_faults),
    "target.scp": Rule("utterance", _source_faults, _expanded),
    "utt2tgtspk": Rule("utterance", _one_word),
    "xvector.scp": Rule("utterance", _source_faults, _expanded),
    "feats.scp": Rule("utterance", _source_faults, _expanded),
    "vad.scp": Rule("utterance", _source_faults, _expanded),
    "utt2lang": Rule("utterance", _one_word),
    "utt2uniq": Rule("utterance", _one_word),
    "utt2warp": Rule("utterance", _warp_faults),
    "utt2dur": Rule("utterance", _seconds_faults, derived=True),
    "utt2num_frames": Rule("utterance", _count_faults, derived=True),
    "utt2num_samples": Rule("utterance", _count_faults, derived=True),
    "reco2dur": Rule("recording", _seconds_faults, derived=True),
    "reco2file_and_channel": Rule("recording", _channel_faults),
    "spk2gender": Rule("speaker", _gender_faults),
    "spk2warp": Rule("speaker", _warp_faults),
    "cmvn.scp": Rule("speaker", _source_faults, _expanded),
    "spk_xvector.scp": Rule("speaker", _source_faults, _expanded),
}
