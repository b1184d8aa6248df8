"""The frames that k-means is fitted on: as many as fit into memory, whatever the size of the corpus.

Only the utterances that frames are taken from are read or computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from speecht5_cli.data.feature_shards import ShardItem, feature_shards, read_shard
from speecht5_cli.data.feature_source import FeatureSource
from speecht5_cli.errors import DataError
from speecht5_cli.workers import map_shards

_UTTERANCES_AT_ONCE = 64  # in a shard: at most about 120 MB at 768 values a frame
# One frame of so many is taken: neighbours are much alike, other voices are not. On MFCCs of 200 voices, 50,000 frames
# of 40 whole utterances give an inertia 3 to 5 % higher on others than 50,000 frames of all 200.
_ONE_OF = 4


def sample(
    source: FeatureSource, *, max_frames: int, percent: float | None, seed: int, nj: int = 1
) -> tuple[np.ndarray, int]:
    """(n, D) float32 frames, at most `max_frames`, and the number of utterances that they are taken from.

    The utterances are drawn at random: `percent` of all, or else as many as hold four times `max_frames`. Of their
    frames, all are taken or, where they are too many, every so manyth. What is taken does not depend on the shards.
    Raises DataError when there is no utterance.
    """
    chosen, n_frames = _chosen(source, max_frames, percent, np.random.default_rng(seed))
    draw = _Draw(min(1.0, max_frames / max(1, n_frames)), seed, source.info.rate_hz)
    drawn = map_shards(
        draw,
        feature_shards(source, chosen, at_once=_UTTERANCES_AT_ONCE, nj=nj),
        doing=f"{source.info.kind} features to fit on",
        nj=nj,
        audio_s=lambda shard: shard.audio_s,
    )
    frames = np.empty((min(max_frames, sum(len(shard.frames) for shard in drawn)), source.info.dim), np.float32)
    n_filled = 0
    while drawn:  # shard by shard, so that nothing is in memory twice
        some = drawn.pop(0).frames[: len(frames) - n_filled]
        frames[n_filled : n_filled + len(some)] = some
        n_filled += len(some)
    return frames, len(chosen)


def _chosen(
    source: FeatureSource, max_frames: int, percent: float | None, rng: np.random.Generator
) -> tuple[list[str], int]:
    """The utterances to take frames from, sorted, and how many frames they have."""
    utterances = source.utterances
    if not utterances:
        raise DataError("no features to fit on: the source has no utterance")
    order = [utterances[i] for i in rng.permutation(len(utterances))]
    if percent is not None:
        order = order[: ceil(len(order) * percent / 100)]
    chosen, n_frames = [], 0
    for utterance in order:
        if percent is None and n_frames >= _ONE_OF * max_frames:
            break
        chosen.append(utterance)
        n_frames += source.n_frames(utterance)
    return sorted(chosen), n_frames


@dataclass(frozen=True)
class _Drawn:
    """What a worker sends back."""

    frames: np.ndarray  # (n, D)
    audio_s: float  # that was read


@dataclass(frozen=True)
class _Draw:
    """The work of one process: `map_shards` sends it there."""

    share: float  # of the frames
    seed: int
    rate_hz: float

    def __call__(self, shard: Sequence[ShardItem]) -> _Drawn:
        drawn, n_read = [], 0
        for utterance, features in read_shard(shard):
            rng = np.random.default_rng([self.seed, *utterance.encode()])
            drawn.append(features[_spread(len(features), self.share, rng.random())])
            n_read += len(features)
        return _Drawn(np.concatenate(drawn), n_read / self.rate_hz)


def _spread(n: int, share: float, phase: float) -> np.ndarray:
    """The places of a share of n things, evenly spaced; with a random phase in [0, 1) each has the same chance."""
    return np.minimum(np.arange(phase, n * share) / share, n - 1).astype(np.int64)
