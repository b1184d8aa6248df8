"""Speaker verification trials: pairs of utterances, and whether one person speaks both."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from speecht5_cli.data.tables import read_lines
from speecht5_cli.errors import DataError

_ANSWERS = {"target": True, "nontarget": False}


class Trials(NamedTuple):
    """N pairs."""

    first: list[str]
    second: list[str]
    same: np.ndarray  # (N,) bool


def read_trials(path: Path) -> Trials:
    """Lines `utterance utterance target|nontarget`. Raises DataError with file and line."""
    first, second, same = [], [], []
    for number, line in enumerate(read_lines(path), 1):
        parts = line.split()
        if len(parts) != 3 or parts[2] not in _ANSWERS:
            raise DataError(f"{path}:{number}: expected 'utterance utterance target' or '... nontarget', got '{line}'")
        first.append(parts[0])
        second.append(parts[1])
        same.append(_ANSWERS[parts[2]])
    return Trials(first, second, np.array(same, dtype=bool))


def make_trials(utt2spk: Mapping[str, str], rng: np.random.Generator, *, limit: int) -> Trials:
    """All pairs of utterances; where they are more than `limit`, that many drawn, half of them of one speaker.

    Drawn pairs may repeat; each pair of a kind is equally likely. Without two speakers, or without a speaker who has
    two utterances, one kind is missing.
    """
    utterances = sorted(utt2spk, key=lambda utterance: (utt2spk[utterance], utterance))  # a speaker's side by side
    names = [utt2spk[utterance] for utterance in utterances]
    _, speaker, counts = np.unique(names, return_inverse=True, return_counts=True)
    if len(utterances) * (len(utterances) - 1) // 2 <= limit:
        one, other = np.triu_indices(len(utterances), k=1)
    else:
        first, n_own = np.searchsorted(speaker, speaker), counts[speaker]  # of each utterance's speaker
        alike = _alike(first, n_own, rng, limit // 2)
        unlike = _unlike(first, n_own, rng, limit // 2)
        one, other = np.concatenate([alike, unlike], axis=1)
    return Trials([utterances[i] for i in one], [utterances[i] for i in other], speaker[one] == speaker[other])


def _alike(first: np.ndarray, n_own: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """(2, n) different utterances of one speaker; the speaker of utterance i has `n_own[i]`, from `first[i]` on."""
    partners = n_own - 1
    if not partners.any():
        return np.empty((2, 0), dtype=int)
    one = rng.choice(len(first), n, p=partners / partners.sum())
    step = rng.integers(1, n_own[one])
    return np.stack([one, first[one] + (one - first[one] + step) % n_own[one]])


def _unlike(first: np.ndarray, n_own: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """(2, n) utterances of two speakers."""
    partners = len(first) - n_own
    if not partners.any():
        return np.empty((2, 0), dtype=int)
    one = rng.choice(len(first), n, p=partners / partners.sum())
    step = rng.integers(partners[one])
    return np.stack([one, (first[one] + n_own[one] + step) % len(first)])


def cosines(trials: Trials, vectors: Mapping[str, np.ndarray]) -> np.ndarray:
    """(N,) cosine of each pair's vectors. Raises DataError for an utterance without a vector."""
    rows = {utterance: i for i, utterance in enumerate(vectors)}
    lengths_one = np.stack([vector / np.linalg.norm(vector) for vector in vectors.values()])  # (V, D)
    try:
        one = lengths_one[[rows[utterance] for utterance in trials.first]]
        other = lengths_one[[rows[utterance] for utterance in trials.second]]
    except KeyError as error:
        raise DataError(f"trials: the utterance {error} has no vector; embed the data dir that holds it") from None
    return np.einsum("nd,nd->n", one, other)


def equal_error_rate(scores: np.ndarray, same: np.ndarray) -> float:
    """The rate at which as many target trials are rejected as nontarget trials accepted, between two thresholds on a
    straight line. (N,) scores, higher for "same"; (N,) bool. Raises DataError when a kind of trial is missing.
    """
    if not same.any() or same.all():
        raise DataError(f"{len(same)} trials, {int(same.sum())} of them target: an error rate needs both kinds")
    order = np.argsort(scores)
    ordered, same = scores[order], same[order]
    cuts = np.flatnonzero(np.r_[True, np.diff(ordered) > 0, True])  # reject the lowest 0, ..., N; equal scores together
    misses = np.r_[0, np.cumsum(same)][cuts] / same.sum()
    false_alarms = 1 - np.r_[0, np.cumsum(~same)][cuts] / (~same).sum()
    gap = misses - false_alarms  # from -1 up to 1
    after = int(np.argmax(gap >= 0))
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(misses[after - 1] + share * (misses[after] - misses[after - 1]))
