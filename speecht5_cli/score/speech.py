"""Scores of speech: files against files, whatever made them.

What needs a model comes as files beside the waves: `xvector.scp` (from `speecht5 speakers embed`) and `asr/text` (from
`speecht5 decode`); without them their scores are left out. docs/scoring.md lists the commands.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE, AudioRef, read_audio
from speecht5_cli.data.datadir import DataDir, shards
from speecht5_cli.data.hypotheses import check_ids, read_hypotheses, read_values
from speecht5_cli.data.speaker_vectors import read_vectors, speakers_of
from speecht5_cli.plugins import Scores
from speecht5_cli.score import cepstrum, enhancement, pitch, voice_similarity
from speecht5_cli.score.groups import mean, means_by, table
from speecht5_cli.score.judged import Reading, readings
from speecht5_cli.score.voice_similarity import Voices, similarities
from speecht5_cli.workers import map_shards, sensible_nj

Numbers = dict[str, float]

_FEW = 24  # utterances that are scored faster in this process than in new ones
_SHARDS_A_PROCESS = 8
_GAINS = ("stoi", "estoi", "si_sdr", "pesq")  # of what came in, subtracted
_MISSING_WORLD = "left out: pyworld and pysptk are not installed (pip install 'speecht5[world]')"
_MISSING_PESQ = "left out: pesq is not installed (pip install 'speecht5[pesq]')"


def score_speech(
    hyp_dir: Path,
    ref_dir: Path,
    *,
    references: Literal["wav.scp", "target.scp"],
    aligned: bool = False,
    normalise: str = "english",
    nj: int = 0,
) -> Scores:
    """Compare the waves of a folder of hypotheses with recordings of a data dir.

    `references` is the table that holds what should be heard. With target.scp, what came in (wav.scp) is scored as
    well, under names that end in `_source`; if source and target are `aligned` sample by sample, as noisy and clean
    speech are, it is called `_noisy`, and the measures that need such a pair join in, with the gain over it.
    `normalise` is the second normaliser of the error rates. `nj` 0 takes as many processes as cores and memory allow.

    Raises DataError when hypotheses and references are not of the same utterances.
    """
    data = DataDir(ref_dir)
    pairs = _pairs(hyp_dir, data, references, aligned)
    numbers = _measured(pairs, nj or (1 if len(pairs) <= _FEW else sensible_nj()))
    heard_by = _readings(hyp_dir, data, normalise)
    _add(numbers, _voices(hyp_dir, data, references))
    _add(numbers, _endings(hyp_dir))
    values = {**_means(numbers), **{name: value for reading in heard_by for name, value in reading.values.items()}}
    values |= _gains(values)
    for reading in heard_by:
        _add(numbers, _errors(reading))
    by_speaker = means_by(speakers_of(data, "source" if references == "wav.scp" else "target"), numbers)
    parts = {"SNR in dB": means_by(data.table("utt2snr"), numbers)} if data.has("utt2snr") else {}
    tables = [table(title, means) for title, means in {"speaker": by_speaker, **parts}.items()]
    return Scores(
        values=values,
        settings=_settings(values, heard_by, aligned=aligned),
        aligned="\n".join([*tables, *(reading.scores.aligned for reading in heard_by[:1])]),
        per_utterance=numbers,
        counts={"utterances": len(pairs)},
        parts=parts,
    )


@dataclass(frozen=True)
class _Pair:
    """An utterance on its way to a worker."""

    id: str
    heard: str  # path
    wanted: AudioRef
    source: AudioRef | None  # what came in, where it is scored as well
    aligned: bool


def _pairs(hyp_dir: Path, data: DataDir, references: str, aligned: bool) -> list[_Pair]:
    heard = read_values(hyp_dir, "speech", data.utterances)
    wanted = data.audio(references)
    sources = data.audio() if references != "wav.scp" else {}
    return [_Pair(name, path, wanted[name], sources.get(name), aligned) for name, path in heard.items()]


def _measured(pairs: Sequence[_Pair], nj: int) -> dict[str, Numbers]:
    """Utterance -> what its own waves give."""
    pieces = shards(pairs, _SHARDS_A_PROCESS * nj)
    results = map_shards(_measure_shard, pieces, doing="compare waves", nj=nj)
    return {name: numbers for result in results for name, numbers in result.items()}


def _measure_shard(pairs: Sequence[_Pair]) -> dict[str, Numbers]:
    return {pair.id: _measure(pair) for pair in pairs}


def _measure(pair: _Pair) -> Numbers:
    heard, wanted = AudioRef(pair.heard), pair.wanted
    numbers = _shape(heard, wanted)
    numbers["duration_ratio"] = len(_wave(heard)) / len(_wave(wanted))
    if pair.source is not None:
        end = "_noisy" if pair.aligned else "_source"
        numbers |= {f"{name}{end}": value for name, value in _shape(pair.source, wanted).items() if "mcd" in name}
        if pair.aligned:
            numbers |= _sample_by_sample(_wave(heard), _wave(wanted), find_lag=True)
            noisy = _sample_by_sample(_wave(pair.source), _wave(wanted), find_lag=False)
            numbers |= {f"{name}{end}": value for name, value in noisy.items()}
    return numbers


@lru_cache(maxsize=64)  # targets are shared by pairs, and each sound is looked at several times
def _wave(ref: AudioRef) -> np.ndarray:
    return read_audio(ref)


@lru_cache(maxsize=64)
def _mel_cepstra(ref: AudioRef) -> np.ndarray:
    return cepstrum.mel_cepstra(_wave(ref))


@lru_cache(maxsize=64)
def _analysis(ref: AudioRef) -> cepstrum.Analysis:
    return cepstrum.analysed(_wave(ref))


def _shape(heard: AudioRef, wanted: AudioRef) -> Numbers:
    """Spectral shape and melody, which need no common time."""
    left, right = _mel_cepstra(heard), _mel_cepstra(wanted)
    numbers = {"mel_mcd": cepstrum.distortion_db(left, right, cepstrum.in_step(left, right))}
    if cepstrum.world_is_here():
        one, other = _analysis(heard), _analysis(wanted)
        path = cepstrum.in_step(one.cepstra, other.cepstra)
        numbers["mcd"] = cepstrum.distortion_db(one.cepstra, other.cepstra, path)
        numbers["log_f0_rmse"] = pitch.log_f0_rmse(one.f0_hz, other.f0_hz, path)
        numbers["vuv_error"] = pitch.vuv_error(one.f0_hz, other.f0_hz, path)
    return numbers


def _sample_by_sample(heard: np.ndarray, wanted: np.ndarray, *, find_lag: bool) -> Numbers:
    lag = enhancement.lag_samples(heard, wanted) if find_lag else 0
    moved = enhancement.shifted(heard, lag, len(wanted))
    numbers = {
        "stoi": enhancement.stoi(moved, wanted),
        "estoi": enhancement.stoi(moved, wanted, extended=True),
        "si_sdr": enhancement.si_sdr_db(heard, wanted),
    }
    if find_lag:
        numbers["si_sdr_shifted"] = enhancement.si_sdr_db(moved, wanted)
        numbers["lag_ms"] = 1000 * lag / SAMPLE_RATE
    if enhancement.pesq_is_here():
        numbers["pesq"] = enhancement.pesq(moved, wanted)
    return numbers


def _readings(hyp_dir: Path, data: DataDir, normalise: str) -> list[Reading]:
    if not data.has("text"):
        return []
    return readings(hyp_dir, data.table("text"), data.table("utt2spk"), normalise=normalise)


def _voices(hyp_dir: Path, data: DataDir, references: str) -> dict[str, Numbers]:
    """Similarities, where hypotheses and speakers have vectors."""
    heard, speakers = hyp_dir / "xvector.scp", data.path / "spk_xvector.scp"
    if not heard.exists() or not speakers.exists():
        return {}
    vectors = read_vectors(heard)
    check_ids(vectors, data.utterances, heard)
    target = speakers_of(data, "source" if references == "wav.scp" else "target")
    return similarities(Voices(vectors, read_vectors(speakers), target, data.table("utt2spk")))


def _endings(hyp_dir: Path) -> dict[str, Numbers]:
    """Which utterances the limit of length ended, where hyp.jsonl says why they ended."""
    if not (hyp_dir / "hyp.jsonl").exists():
        return {}
    said = read_hypotheses(hyp_dir)
    return {name: {"stopped_by_length": 100.0 * (one.stopped == "length")} for name, one in said.items()}


def _errors(reading: Reading) -> dict[str, Numbers]:
    """Words and errors of each utterance, for tables by group."""
    return {
        name: {f"words{reading.suffix}": numbers["words"], f"errors{reading.suffix}": numbers["errors"]}
        for name, numbers in (reading.scores.per_utterance or {}).items()
    }


def _add(numbers: dict[str, Numbers], further: Mapping[str, Numbers]) -> None:
    for name, values in further.items():
        if name in numbers:
            numbers[name] |= values


def _means(numbers: Mapping[str, Numbers]) -> Numbers:
    """The mean of each number over the utterances that have it."""
    names = dict.fromkeys(name for values in numbers.values() for name in values)
    rows = list(numbers.values())
    return {name: mean([values.get(name, math.nan) for values in rows]) for name in sorted(names, key=_rank)}


def _gains(values: Mapping[str, float]) -> Numbers:
    """By how much the output is better than what came in."""
    gains = {f"{name}_gain": values[name] - values[f"{name}_noisy"] for name in _GAINS if f"{name}_noisy" in values}
    if "wer" in values and "wer_noisy" in values:
        gains["wer_gain"] = values["wer_noisy"] - values["wer"]
    return gains


_SETTINGS = {
    **pitch.SETTINGS,
    **enhancement.SETTINGS,
    **voice_similarity.SETTINGS,
    "duration_ratio": "seconds of the hypothesis for one of the reference, mean over utterances",
    "stopped_by_length": "per cent of utterances that the limit of length ended, and not the model",
}


def _rank(name: str) -> int:
    """What is looked at first stands first."""
    first = ["mcd", "mel_mcd", *_SETTINGS]
    stem = name.removesuffix("_noisy").removesuffix("_source")
    return first.index(stem) if stem in first else len(first)


def _settings(values: Mapping[str, float], heard_by: Sequence[Reading], *, aligned: bool) -> dict[str, str]:
    """How each value was computed; what stands for something else than its name says; what is missing, and why."""
    known = {"mcd": cepstrum.mcd_setting(), "mel_mcd": cepstrum.mel_mcd_setting(), **_SETTINGS}
    settings = {name: text for name, text in known.items() if name in values}
    for reading in heard_by:
        settings |= reading.settings
    if "mcd" not in values:
        settings |= {"mcd, log_f0_rmse, vuv_error": _MISSING_WORLD}
    if aligned and "pesq" not in values:
        settings["pesq"] = _MISSING_PESQ
    endings = {
        "_source": "of what came in, as it is",
        "_noisy": "of what came in, as it is",
        "_gain": "by how much the output is better than what came in",
    }
    settings |= {f"...{end}": text for end, text in endings.items() if any(name.endswith(end) for name in values)}
    return settings
