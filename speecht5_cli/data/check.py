"""What is wrong with the sound of an utterance, found by reading it to its end.

A fault makes an utterance unusable. A note says what a kept one needs or lacks: it is counted aloud and stops nothing.
Both read `kind` or `kind: details`, so that they can be counted by kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import log10
from pathlib import Path

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE, AudioRef, is_archive, mono, read_as_recorded
from speecht5_cli.data.datadir import shards
from speecht5_cli.errors import DataError
from speecht5_cli.workers import map_shards

_FRAMES_PER_S = 50  # of the encoder
_FULL_SCALE = 0.9999  # 32767 of 32768 and above
_SHARD = 200  # utterances; fewer, to keep all processes busy, but not
_SMALL_SHARD = 25  # below this number, where starting a process takes longer than the work


@dataclass(frozen=True, kw_only=True)
class AudioLimits:
    """Where a note ends and a fault begins."""

    min_seconds: float = 0.1  # shorter is a fault
    max_seconds: float | None = None  # longer is a fault; None: no limit (training has its own)
    silent_db: float = -70.0  # a peak below this many dB of full scale is a fault: nothing can be heard
    faint_db: float = -40.0  # a peak below this is a note
    clipped_share: float = 0.001  # of all samples at full scale: above this is a note
    fast_chars_per_s: float = 25.0  # of text, blanks counted: above this is a note; above 50 CTC cannot align, a fault
    overshoot_s: float = 0.5  # a segment that ends later than this after its recording is a fault; less is cut off


LIMITS = AudioLimits()


@dataclass(frozen=True, slots=True)
class Sound:
    """What is to be checked: the sound of an utterance, and the text that is spoken in it, if CTC shall align it."""

    id: str
    ref: AudioRef
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What came out. `fault` is empty when the utterance is usable."""

    duration_s: float = 0.0
    fault: str = ""
    notes: tuple[str, ...] = ()
    overshoot_s: float = 0.0  # what a segment asked for beyond the end of its recording


def kind_of(message: str) -> str:
    """The kind of a fault or note: what stands before the first colon."""
    return message.partition(":")[0]


def check_sounds(
    sounds: Sequence[Sound],
    *,
    limits: AudioLimits = LIMITS,
    nj: int = 1,
    allow_pipes: bool = False,
    doing: str = "checking audio",
) -> list[Heard]:
    """Read every sound to its end, in `nj` processes; the answers are in the order of `sounds`.

    `doing` names the job where its progress is shown.
    """
    work = partial(_check_shard, limits=limits, allow_pipes=allow_pipes)
    n_shards = max(-(-len(sounds) // _SHARD), min(4 * nj, len(sounds) // _SMALL_SHARD))
    pieces = shards(sounds, n_shards) if sounds else []
    answers = map_shards(work, pieces, doing=doing, nj=nj, audio_s=_total_s)
    return [heard for answer in answers for heard in answer]


def _check_shard(sounds: Sequence[Sound], *, limits: AudioLimits, allow_pipes: bool) -> list[Heard]:
    return [check_sound(sound, limits, allow_pipes=allow_pipes) for sound in sounds]


def _total_s(answers: list[Heard]) -> float:
    return sum(heard.duration_s for heard in answers)


def check_sound(sound: Sound, limits: AudioLimits = LIMITS, *, allow_pipes: bool = False) -> Heard:
    """Read one sound and judge it."""
    if fault := _file_fault(sound.ref.source):
        return Heard(fault=fault)
    try:
        wave, rate = read_as_recorded(sound.ref, allow_pipes=allow_pipes)
    except DataError as error:
        return Heard(fault=f"unreadable audio: {error}")
    duration_s = len(wave) / rate
    overshoot_s = _overshoot_s(sound.ref, duration_s)
    fault = (
        _length_fault(sound.ref, duration_s, overshoot_s, limits)
        or _sample_fault(wave, limits)
        or _text_fault(sound.text, duration_s)
    )
    if fault:
        return Heard(duration_s, fault)
    notes = _format_notes(wave, rate) + _quality_notes(wave, limits)
    if overshoot_s:
        notes.append(f"segment cut at the end of its recording: by {overshoot_s:.2f} s")
    if sound.text and len(sound.text) / duration_s > limits.fast_chars_per_s:
        notes.append(f"fast: {len(sound.text) / duration_s:.0f} characters a second")
    return Heard(duration_s, "", tuple(notes), overshoot_s)


def _file_fault(source: str) -> str:
    """What can be said without opening the file."""
    if source.endswith("|") or is_archive(source):
        return ""
    path = Path(source)
    if not path.exists():
        return f"no such audio file: {source}"
    return f"empty audio file: {source} has 0 bytes" if path.stat().st_size == 0 else ""


def _length_fault(ref: AudioRef, duration_s: float, overshoot_s: float, limits: AudioLimits) -> str:
    if overshoot_s > limits.overshoot_s:
        return f"segment beyond its recording: {ref.start_s} s to {ref.end_s} s, {overshoot_s:.2f} s more than there is"
    if duration_s == 0:
        return f"no samples: {ref.source}"
    if duration_s < limits.min_seconds:
        return f"too short: {duration_s:.3f} s, at least {limits.min_seconds} s are needed"
    if limits.max_seconds is not None and duration_s > limits.max_seconds:
        return f"too long: {duration_s:.2f} s, at most {limits.max_seconds} s are allowed"
    return ""


def _overshoot_s(ref: AudioRef, duration_s: float) -> float:
    """Seconds that a segment asks for and its recording does not have; below 1 ms is rounding."""
    if ref.end_s is None:
        return 0.0
    missing_s = ref.end_s - ref.start_s - duration_s
    return missing_s if missing_s > 1e-3 else 0.0


def _sample_fault(wave: np.ndarray, limits: AudioLimits) -> str:
    if not np.isfinite(wave).all():
        return f"samples that are not finite: {np.count_nonzero(~np.isfinite(wave))} of {wave.size}"
    if (level_db := _level_db(wave)) < limits.silent_db:
        return f"silent: its peak is {level_db:.0f} dB of full scale, at least {limits.silent_db:.0f} dB are needed"
    return ""


def _level_db(wave: np.ndarray) -> float:
    """The peak of the mono sound, without its mean, in dB of full scale; -inf for digital silence."""
    one = mono(wave)
    peak = float(np.abs(one - one.mean()).max())
    return 20 * log10(peak) if peak > 0 else float("-inf")


def _text_fault(text: str | None, duration_s: float) -> str:
    n_frames = int(duration_s * _FRAMES_PER_S)
    if text is None or len(text) <= n_frames:
        return ""
    return (
        f"text too long for its audio: {len(text)} characters in {duration_s:.2f} s, which are {n_frames} frames; CTC "
        "needs one frame a character"
    )


def _format_notes(wave: np.ndarray, rate: int) -> list[str]:
    notes = []
    if rate != SAMPLE_RATE:
        notes.append(f"resampled from {rate} Hz")
    if wave.ndim == 2:
        notes.append(f"down-mixed from {wave.shape[1]} channels")
    return notes


def _quality_notes(wave: np.ndarray, limits: AudioLimits) -> list[str]:
    notes = []
    share = np.count_nonzero(np.abs(wave) >= _FULL_SCALE) / wave.size
    if share > limits.clipped_share:
        notes.append(f"clipped: {share:.1%} of the samples are at full scale")
    if (level_db := _level_db(wave)) < limits.faint_db:
        notes.append(f"faint: peak {level_db:.0f} dB")
    return notes
