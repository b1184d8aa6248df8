"""k-means over features: the clusters that speech pre-training predicts.

A k-means model is a folder: `centroids.npy` (K, D) float32, and `kmeans.json`, which says what it was fitted on. It is
fitted on a sample of frames that fits into memory, whatever the size of the corpus. The frame that is nearest to a
centroid by squared distance |x - c|^2 is the one with the largest x.c - |c|^2 / 2: one matrix product.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path

import numpy as np

from speecht5_cli.data.feature_source import FeatureInfo, FeatureSource
from speecht5_cli.data.metadata import read_metadata, write_metadata
from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_write

CENTROIDS = "centroids.npy"
KMEANS_JSON = "kmeans.json"

_ROWS_AT_ONCE = 1 << 14  # frames whose distances to all centroids are in memory at the same time


@dataclass(frozen=True)
class FitSettings:
    """How to fit. The numbers of the mini-batches are HuBERT's and stand in `fit`."""

    clusters: int
    restarts: int = 20  # random starts, the best of which is gone on with (HuBERT's number; 1 is hardly worse)
    percent: float = 100.0  # of the utterances that are looked at (HuBERT: 10)
    max_frames: int = 1_000_000  # in memory: 3 GB at 768 values a frame, 160 MB at 39
    seed: int = 0

    def __post_init__(self) -> None:
        if self.clusters < 2:
            raise ValueError(f"{self.clusters} clusters: expected at least 2")
        if not 0 < self.percent <= 100:
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
        return nearest(features, self.centroids, self._half_norms)

    @cached_property
    def _half_norms(self) -> np.ndarray:
        return half_norms(self.centroids)

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


def half_norms(centroids: np.ndarray) -> np.ndarray:
    """(K, D) -> (K,): |c|^2 / 2."""
    return 0.5 * np.einsum("kd,kd->k", centroids, centroids)


def nearest(features: np.ndarray, centroids: np.ndarray, half: np.ndarray) -> np.ndarray:
    """(T, D), (K, D) and its half norms (K,) -> (T,) int64."""
    labels = np.empty(len(features), np.int64)
    for start in range(0, len(features), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        np.argmax(features[rows] @ centroids.T - half, axis=1, out=labels[rows])
    return labels


def squared_distances(features: np.ndarray, centroids: np.ndarray, labels: np.ndarray) -> float:
    """The sum of |x - c|^2 over the frames (T, D), with the labels (T,) of their centroids."""
    total = 0.0
    for start in range(0, len(features), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        total += float(np.square(features[rows] - centroids[labels[rows]]).sum(dtype=np.float64))
    return total


def fit_kmeans(source: FeatureSource, settings: FitSettings) -> KMeans:
    """Fit on a sample of the source's frames.

    Raises DataError when there are fewer frames than clusters, or when all of them fall into one cluster.
    """
    frames, n_utterances = sample(source, settings)
    if len(frames) < settings.clusters:
        raise DataError(
            f"{len(frames)} frames of {n_utterances} utterances are too few for {settings.clusters} clusters"
        )
    centroids = fit(frames, settings.clusters, restarts=settings.restarts, seed=settings.seed)
    labels = nearest(frames, centroids, half_norms(centroids))
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


def fit(frames: np.ndarray, k: int, *, restarts: int, seed: int) -> np.ndarray:
    """(N, D) float32 -> (K, D) float32 centroids, by mini-batches as in HuBERT's recipe (fairseq's simple_kmeans)."""
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(
        k,
        init="k-means++",
        n_init=restarts,
        max_iter=100,
        batch_size=10_000,
        tol=0.0,
        max_no_improvement=100,
        reassignment_ratio=0.0,
        compute_labels=False,
        random_state=seed,
    )
    return np.ascontiguousarray(model.fit(frames).cluster_centers_, dtype=np.float32)


def sample(source: FeatureSource, settings: FitSettings) -> tuple[np.ndarray, int]:
    """(n, D) float32 frames, at most `max_frames`, and the number of utterances that they are drawn from.

    Of the chosen utterances every frame has the same chance (reservoir sampling), and none is in memory for longer
    than its turn.
    """
    rng = np.random.default_rng(settings.seed)
    utterances = source.utterances
    if not utterances:
        raise DataError("no features to fit on: the source has no utterance")
    n_chosen = ceil(len(utterances) * settings.percent / 100)
    chosen = [utterances[i] for i in np.sort(rng.choice(len(utterances), n_chosen, replace=False))]
    frames = np.empty((settings.max_frames, source.info.dim), np.float32)  # takes memory only as it fills
    n_seen = 0
    for _, features in source.read(chosen):
        n_new = min(settings.max_frames - n_seen, len(features)) if n_seen < settings.max_frames else 0
        frames[n_seen : n_seen + n_new] = features[:n_new]
        late = features[n_new:]  # frame number i of the corpus takes a random place of i, where there is one
        places = rng.integers(0, np.arange(n_seen + n_new, n_seen + len(features)) + 1)
        frames[places[places < settings.max_frames]] = late[places < settings.max_frames]
        n_seen += len(features)
    return frames[:n_seen], n_chosen


def _hash(centroids: np.ndarray) -> str:
    return hashlib.sha256(centroids.astype("<f4").tobytes()).hexdigest()[:16]
