"""k-means over features: the clusters that speech pre-training predicts.

A k-means model is a folder: `centroids.npy` (K, D) float32, and `kmeans.json`, which says what it was fitted on.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from speecht5_cli.data.centroids import Nearest, fit
from speecht5_cli.data.feature_source import FeatureInfo, FeatureSource
from speecht5_cli.data.frame_sample import sample
from speecht5_cli.data.metadata import read_metadata, write_metadata
from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_write

CENTROIDS = "centroids.npy"
KMEANS_JSON = "kmeans.json"

_ROWS_AT_ONCE = 1 << 14  # frames whose differences from their centroids are in memory at the same time


@dataclass(frozen=True)
class FitSettings:
    """How to fit."""

    clusters: int
    restarts: int = 20  # random starts, the best of which is gone on with (HuBERT's; one start is 1 % worse at most)
    percent: float | None = None  # of the utterances to look at (HuBERT: 10); None: as many as `sample` takes
    max_frames: int = 1_000_000  # in memory: 3 GB at 768 values a frame, 160 MB at 39
    seed: int = 0

    def __post_init__(self) -> None:
        if self.clusters < 2:
            raise ValueError(f"{self.clusters} clusters: expected at least 2")
        if self.percent is not None and not 0 < self.percent <= 100:
            raise ValueError(f"percent {self.percent}: expected more than 0 and at most 100")


@dataclass(frozen=True)
class KMeansInfo:
    """The content of kmeans.json."""

    hash: str  # of the centroids
    settings: FitSettings
    features: FeatureInfo
    n_utterances: int  # in the sample
    n_frames: int  # in the sample
    n_used: int  # clusters that a frame of the sample falls into
    inertia: float  # mean squared distance of a frame of the sample to its centroid


class KMeans:
    """Centroids, and what they were fitted on."""

    def __init__(self, centroids: np.ndarray, info: KMeansInfo) -> None:
        self.centroids = centroids  # (K, D) float32
        self.info = info

    @classmethod
    def load(cls, folder: Path) -> "KMeans":
        """Raises DataError when the folder holds no k-means model, or files that do not belong together."""
        info = read_metadata(KMeansInfo, folder / KMEANS_JSON, "`speecht5 units fit` makes it")
        try:
            centroids = np.load(folder / CENTROIDS, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{folder / CENTROIDS}: not readable: {error}") from None
        if _hash(centroids) != info.hash:
            raise DataError(f"{folder}: {CENTROIDS} is not the file that {KMEANS_JSON} describes; fit again")
        return cls(centroids, info)

    def save(self, folder: Path) -> None:
        """Write the model folder."""
        with atomic_write(folder / CENTROIDS, "wb") as out:
            np.save(out, self.centroids)
        write_metadata(folder / KMEANS_JSON, self.info)

    @property
    def n_clusters(self) -> int:
        """How many there are, empty ones counted."""
        return len(self.centroids)

    def assign(self, features: np.ndarray) -> np.ndarray:
        """(T, D) -> (T,) int64: the nearest centroid of each frame."""
        return self._nearest(features)

    @cached_property
    def _nearest(self) -> Nearest:
        return Nearest(self.centroids)

    def check_fits(self, features: FeatureInfo, where: Path | str) -> None:
        """Raises DataError when features are not of the kind that the model was fitted on; `where` they are from."""
        expected = self.info.features
        if features.rate_hz != expected.rate_hz:
            raise DataError(
                f"{where}: features at {features.rate_hz:g} Hz, but the k-means model was fitted at "
                f"{expected.rate_hz:g} Hz"
            )
        if features != expected:
            raise DataError(
                f"{where}: {features}, but the k-means model was fitted on {expected}; "
                "compute the features in the same way, or fit again"
            )


def squared_distances(features: np.ndarray, centroids: np.ndarray, labels: np.ndarray) -> float:
    """The sum of |x - c|^2 over the frames (T, D), with the labels (T,) of their centroids."""
    total = 0.0
    for start in range(0, len(features), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        total += float(np.square(features[rows] - centroids[labels[rows]]).sum(dtype=np.float64))
    return total


def fit_kmeans(source: FeatureSource, settings: FitSettings, *, nj: int = 1) -> KMeans:
    """Fit on a sample of the source's frames, which `nj` processes read or compute.

    Raises DataError when there are fewer frames than clusters, or when all of them fall into one cluster.
    """
    frames, n_utterances = sample(
        source, max_frames=settings.max_frames, percent=settings.percent, seed=settings.seed, nj=nj
    )
    if len(frames) < settings.clusters:
        raise DataError(
            f"{len(frames)} frames of {n_utterances} utterances are too few for {settings.clusters} clusters"
        )
    centroids = fit(frames, settings.clusters, restarts=settings.restarts, seed=settings.seed)
    labels = Nearest(centroids)(frames)
    n_used = len(np.unique(labels))
    if n_used < 2:
        raise DataError(f"all {len(frames)} frames fall into one cluster: the features are constant")
    return KMeans(
        centroids,
        KMeansInfo(
            hash=_hash(centroids),
            settings=settings,
            features=source.info,
            n_utterances=n_utterances,
            n_frames=len(frames),
            n_used=n_used,
            inertia=squared_distances(frames, centroids, labels) / len(frames),
        ),
    )


def _hash(centroids: np.ndarray) -> str:
    return hashlib.sha256(centroids.astype("<f4").tobytes()).hexdigest()[:16]
