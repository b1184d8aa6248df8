"""Features on disk, as Kaldi keeps them: feats.scp, feats.<shard>.ark, utt2num_frames; and feats.json.

Every shard is written in one step and then stamped with what it was made from, so that a run that was interrupted goes
on with the shards that are missing. `feats.scp` comes last, sorted by id.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from speecht5_cli import __version__
from speecht5_cli.data.archives import read_matrix, write_archive
from speecht5_cli.data.audio import AudioRef
from speecht5_cli.data.datadir import DataDir, shards
from speecht5_cli.data.feature_source import ComputedFeatures, Extract, FeatureInfo, FeatureSource
from speecht5_cli.data.metadata import read_metadata, write_metadata
from speecht5_cli.data.tables import read_table, write_table
from speecht5_cli.errors import DataError
from speecht5_cli.workers import map_shards

FEATS_SCP = "feats.scp"
FEATS_JSON = "feats.json"
NUM_FRAMES = "utt2num_frames"

_SHARDS_PER_JOB = 4  # progress and resuming go by shards


class FeatureFolder:
    """The features that `write_features` wrote, as a FeatureSource. Raises DataError when the folder has none."""

    def __init__(self, path: Path, *, scp: Mapping[str, str] | None = None) -> None:
        """`scp` stands for the content of feats.scp."""
        self.path = path
        self.info = read_metadata(FeatureInfo, path / FEATS_JSON, "`speecht5 features` makes it")
        self._scp = read_table(path / FEATS_SCP) if scp is None else scp

    @property
    def utterances(self) -> list[str]:
        """The ids of feats.scp, sorted."""
        return sorted(self._scp)

    def n_frames(self, utterance: str) -> int:
        """See FeatureSource. Raises DataError where utt2num_frames says nothing of use."""
        try:
            return int(self._num_frames[utterance])
        except (KeyError, ValueError):
            raise DataError(f"{self.path / NUM_FRAMES}: no number of frames for utterance '{utterance}'") from None

    @cached_property
    def _num_frames(self) -> dict[str, str]:
        return read_table(self.path / NUM_FRAMES)

    def part(self, utterances: Iterable[str]) -> FeatureSource:
        """See FeatureSource."""
        return FeatureFolder(self.path, scp={utterance: self._scp[utterance] for utterance in utterances})

    def read(self, utterances: Iterable[str]) -> Iterator[tuple[str, np.ndarray]]:
        """See FeatureSource. Raises DataError, with the utterance, for what is missing, unreadable or of other size."""
        for utterance in utterances:
            if utterance not in self._scp:
                raise DataError(f"{self.path / FEATS_SCP}: no utterance '{utterance}'")
            try:
                features = read_matrix(self._located(self._scp[utterance]))
            except DataError as error:
                raise DataError(f"utterance {utterance}: {error}") from None
            if features.shape[1] != self.info.dim:
                raise DataError(
                    f"utterance {utterance}: features of {features.shape[1]} values, but {self.path / FEATS_JSON} "
                    f"says {self.info.dim}"
                )
            yield utterance, features

    def _located(self, source: str) -> str:
        """An archive beside feats.scp is meant wherever the folder was moved to, and wherever we are called from."""
        archive, _, offset = source.rpartition(":")
        beside = self.path / Path(archive).name
        return f"{beside}:{offset}" if beside.exists() else source


def write_features(
    data_dir: DataDir,
    out: Path,
    info: FeatureInfo,
    make_extract: Callable[[], Extract],
    *,
    nj: int = 1,
    allow_pipes: bool = False,
    afresh: bool = False,
) -> int:
    """Compute the features of all utterances into the folder `out`, and return the number of frames.

    `make_extract` is called in each worker process and must be picklable. `afresh` redoes shards that are finished.
    """
    (out / FEATS_SCP).unlink(missing_ok=True)  # from here on, its offsets may be wrong
    refs = data_dir.audio()
    pieces = shards(data_dir.utterances, _SHARDS_PER_JOB * nj)
    items = [[_Item(id_, refs[id_], number) for id_ in piece] for number, piece in enumerate(pieces, 1)]
    write = _WriteShard(out, info, make_extract, allow_pipes, afresh)
    done = map_shards(write, items, nj=nj, doing=f"{info.kind} features", audio_s=lambda shard: shard.audio_s)
    for stale in set(out.glob("feats.*.ark")) - {out / shard.archive for shard in done}:
        stale.unlink()  # of an earlier run with more shards
    write_metadata(out / FEATS_JSON, info)
    write_table(out / NUM_FRAMES, {id_: str(n) for shard in done for id_, (_, n) in shard.places.items()})
    places = {id_: f"{out / shard.archive}:{at}" for shard in done for id_, (at, _) in shard.places.items()}
    write_table(out / FEATS_SCP, places)
    for stamp in out.glob(".feats.*.json"):
        stamp.unlink()
    return sum(n for shard in done for _, n in shard.places.values())


@dataclass(frozen=True)
class _Item:
    """An utterance on its way to a worker."""

    id: str
    ref: AudioRef
    shard: int


@dataclass(frozen=True)
class _Written:
    """What a shard's stamp says."""

    archive: str  # name of the file
    made_from: str  # hash of the sources and of what was computed
    places: dict[str, tuple[int, int]]  # utterance -> (byte offset, number of frames)
    audio_s: float


@dataclass(frozen=True)
class _WriteShard:
    """The work of one process: `map_shards` sends it there."""

    out: Path
    info: FeatureInfo
    make_extract: Callable[[], Extract]
    allow_pipes: bool
    afresh: bool

    def __call__(self, shard: Sequence[_Item]) -> _Written:
        archive = self.out / f"feats.{shard[0].shard}.ark"
        stamp = self.out / f".{archive.stem}.json"
        made_from = hashlib.sha256(f"{__version__} {self.info!r} {shard!r}".encode()).hexdigest()[:16]
        if not self.afresh and archive.exists() and (before := _stamped(stamp)) and before.made_from == made_from:
            return before
        stamp.unlink(missing_ok=True)
        refs = {item.id: item.ref for item in shard}
        source = ComputedFeatures(refs, self.info, self.make_extract, allow_pipes=self.allow_pipes)
        places = write_archive(archive, source.read(refs))
        audio_s = sum(n_frames for _, n_frames in places.values()) / self.info.rate_hz
        written = _Written(archive.name, made_from, places, audio_s)
        write_metadata(stamp, written)
        return written


def _stamped(stamp: Path) -> _Written | None:
    try:
        return read_metadata(_Written, stamp, "a finished shard leaves it")
    except DataError:  # not there, or of another version
        return None
