"""Features -> unit labels: every frame's cluster, by shards, without features on disk where they are computed.

A finished shard lies in the data dir as a hidden file, whose first line says what it was made from, until all are
joined: a run that was interrupted goes on with the shards that are missing.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from speecht5_cli import __version__
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.feature_shards import ShardItem, feature_shards, read_shard
from speecht5_cli.data.feature_source import FeatureSource
from speecht5_cli.data.kmeans import KMeans
from speecht5_cli.data.units import UNITS, LabelChecks, Labelled, UnitInfo, check_same_utterances, parse_units
from speecht5_cli.files import atomic_write
from speecht5_cli.workers import map_shards

_UTTERANCES_AT_ONCE = 256  # in a shard: what an interruption may cost


def write_labels(
    kmeans: KMeans,
    source: FeatureSource,
    data_dir: DataDir,
    *,
    name: str = UNITS,
    where: Path | str = "the features",
    nj: int = 1,
    allow_pipes: bool = False,
    made_from: str | None = None,
) -> Labelled:
    """Assign every frame of the data dir to its cluster, and write the table and its description.

    `where` the features are from starts messages. `made_from` tells features from others, so that shards of an earlier
    run can be kept; None: none are. Raises DataError, and leaves what was there, when the features are of another kind
    than the k-means model's, are not of exactly the dir's utterances, or do not fit the length of the sound (by more
    than one frame).
    """
    kmeans.check_fits(source.info, where)
    check_same_utterances(source.utterances, data_dir, where)
    info = UnitInfo(source.info.rate_hz, kmeans.n_clusters, kmeans.info.hash)
    checks = LabelChecks(data_dir, info, name, allow_pipes=allow_pipes)
    shards = feature_shards(source, data_dir.utterances, at_once=_UTTERANCES_AT_ONCE, nj=nj)
    label = _LabelShard(kmeans, checks, data_dir.path / name, made_from)
    parts = map_shards(label, shards, doing="unit labels", nj=nj, audio_s=lambda part: part.audio_s)
    with atomic_write(data_dir.path / name) as out:
        for utterance, line in _joined(parts):
            checks.add(utterance, parse_units(line, info, utterance))
            out.write(f"{utterance} {line}\n")
        result = checks.result()
    info.save(data_dir.path, name)
    for part in data_dir.path.glob(f".{name}.*.part"):
        part.unlink()
    return result


@dataclass(frozen=True)
class _Part:
    """A finished shard on disk."""

    path: Path
    audio_s: float  # that was read for it; none where it was there


@dataclass(frozen=True)
class _LabelShard:
    """The work of one process: `map_shards` sends it there."""

    kmeans: KMeans
    checks: LabelChecks
    table: Path
    made_from: str | None

    def __call__(self, shard: Sequence[ShardItem]) -> _Part:
        path = self.table.with_name(f".{self.table.name}.{shard[0].shard}.part")
        key = f"{__version__} {self.kmeans.info.hash} {self.made_from} {[item.id for item in shard]}"
        stamp = hashlib.sha256(key.encode()).hexdigest()[:16]
        if self.made_from is not None and _stamp(path) == stamp:
            return _Part(path, 0.0)
        n_frames = 0
        with atomic_write(path) as out:
            out.write(f"{stamp}\n")
            for utterance, features in read_shard(shard):
                labels = self.kmeans.assign(features)
                self.checks.check_length(utterance, len(labels))
                out.write(f"{utterance} {' '.join(map(str, labels.tolist()))}\n")
                n_frames += len(labels)
        return _Part(path, n_frames / self.kmeans.info.features.rate_hz)


def _stamp(path: Path) -> str | None:
    """The first line of a shard; None where there is no shard."""
    try:
        with path.open(encoding="utf-8") as lines:
            return next(lines, "").rstrip()
    except FileNotFoundError:
        return None


def _joined(parts: Iterable[_Part]) -> Iterator[tuple[str, str]]:
    """(utterance, its labels) of all shards."""
    for part in parts:
        with part.path.open(encoding="utf-8") as lines:
            next(lines)  # the stamp
            for line in lines:
                utterance, _, labels = line.rstrip().partition(" ")
                yield utterance, labels
