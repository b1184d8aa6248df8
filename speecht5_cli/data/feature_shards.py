"""Utterances cut into shards for `map_shards`, each with what a worker needs to get at its features."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from speecht5_cli.data.datadir import shards
from speecht5_cli.data.feature_source import FeatureSource

_SHARDS_PER_JOB = 4  # at least, so that no process waits for long in the end


@dataclass(frozen=True)
class ShardItem:
    """An utterance on its way to a worker."""

    id: str
    shard: int  # its number, from 1
    features: FeatureSource  # those of the whole shard, which are sent once


def feature_shards(
    source: FeatureSource, utterances: Sequence[str], *, at_once: int, nj: int
) -> list[Sequence[ShardItem]]:
    """Contiguous pieces of at most `at_once` utterances, and a few of them for each of `nj` processes."""
    pieces = shards(utterances, max(ceil(len(utterances) / at_once), _SHARDS_PER_JOB * nj))
    return [_items(piece, number, source.part(piece)) for number, piece in enumerate(pieces, 1)]


def _items(piece: Sequence[str], shard: int, features: FeatureSource) -> list[ShardItem]:
    return [ShardItem(id_, shard, features) for id_ in piece]


def read_shard(shard: Sequence[ShardItem]) -> Iterator[tuple[str, np.ndarray]]:
    """(id, (T, D) float32) of all its utterances."""
    return shard[0].features.read(item.id for item in shard)
