"""k-means beside scikit-learn's with HuBERT's settings: the same frames, clusters and restarts, turn by turn."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from speecht5_cli.data.centroids import Nearest, fit
from speecht5_cli.data.kmeans import squared_distances


@dataclass(frozen=True)
class Pair:
    """A quantity on both sides, measured several times in turn."""

    ours: list[float]
    peer: list[float]

    @property
    def ratio(self) -> float:
        """Median of the peer by ours: above 1, ours is the smaller one."""
        return median(self.peer) / median(self.ours)


@dataclass(frozen=True)
class KMeansComparison:
    """What `compare_kmeans` found."""

    n_frames: int
    dim: int
    clusters: int
    restarts: int
    fit_s: Pair
    inertia: Pair  # mean squared distance of a frame to its centroid, over all frames
    assign_s: Pair  # of all frames to the same centroids
    agreement: float  # share of the frames that both sides give to the same one of them


def compare_kmeans(
    frames: np.ndarray, clusters: int, *, restarts: int = 1, rounds: int = 3, seed: int = 0
) -> KMeansComparison:
    """Fit and assign (N, D) float32 frames on both sides; every round has its own seed."""
    n_frames, dim = frames.shape
    _warm_up(frames)
    fit_s, assign_s, inertia = Pair([], []), Pair([], []), Pair([], [])
    same = 0
    for number in range(rounds):
        centroids = _timed(fit_s.ours, fit, frames, clusters, restarts=restarts, seed=seed + number)
        peer = _timed(fit_s.peer, fit_peer, frames, clusters, restarts=restarts, seed=seed + number)
        labels = _timed(assign_s.ours, Nearest(peer.cluster_centers_), frames)
        same += int((labels == _timed(assign_s.peer, peer.predict, frames)).sum())
        inertia.ours.append(_inertia(frames, centroids))
        inertia.peer.append(_inertia(frames, peer.cluster_centers_))
    return KMeansComparison(
        n_frames, dim, clusters, restarts, fit_s, inertia, assign_s, agreement=same / (rounds * len(frames))
    )


def fit_peer(frames: np.ndarray, clusters: int, *, restarts: int, seed: int) -> Any:
    """scikit-learn's mini-batch k-means, with the numbers of fairseq's examples/hubert/simple_kmeans."""
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(
        clusters,
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
    return model.fit(frames)


def speech_like_frames(n: int, dim: int, *, seed: int = 0) -> np.ndarray:
    """(n, dim) float32 for where no corpus is at hand: what k-means finds hard about the layers of a speech encoder.

    Many more sounds than clusters, from very frequent to very rare; sounds of different spread; a few dimensions that
    vary much and many that vary little.
    """
    rng = np.random.default_rng(seed)
    n_sounds = max(2, min(800, n // 20))
    shares = rng.pareto(1.0, n_sounds) + 0.05
    falling = np.exp(-6.0 * np.arange(dim) / dim)  # how much the dimensions vary
    sounds = rng.standard_normal((n_sounds, dim)) * falling * 6
    spreads = rng.lognormal(0.0, 0.5, n_sounds) * 1.5
    which = rng.choice(n_sounds, n, p=shares / shares.sum())
    frames = rng.standard_normal((n, dim), dtype=np.float32)
    frames *= np.sqrt(falling)[None] * spreads[which, None]
    return (frames + sounds[which]).astype(np.float32)


def _warm_up(frames: np.ndarray) -> None:
    """Load the libraries of both sides, and let their threads start."""
    few = frames[:1000]
    Nearest(fit(few, 2, restarts=1, seed=0))(few)
    fit_peer(few, 2, restarts=1, seed=0).predict(few)


def _timed(seconds: list[float], call: Callable[..., Any], *words: Any, **options: Any) -> Any:
    """What the call returns; how long that took is added to `seconds`."""
    started = time.perf_counter()
    result = call(*words, **options)
    seconds.append(time.perf_counter() - started)
    return result


def _inertia(frames: np.ndarray, centroids: np.ndarray) -> float:
    return squared_distances(frames, centroids, Nearest(centroids)(frames)) / len(frames)
