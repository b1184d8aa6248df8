"""k-means beside scikit-learn's with HuBERT's settings: the same frames, clusters and restarts, turn by turn."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from speecht5_cli.bench.measure import Effort, Row, Times, in_turns
from speecht5_cli.data.centroids import Nearest, fit
from speecht5_cli.data.kmeans import squared_distances

CASES = [(100_000, 39, 100, 1), (100_000, 768, 500, 1)]  # frames, values of one, clusters, starts
QUICK = [(20_000, 39, 50, 1)]
UTTERANCES, UTTERANCE = 40, 500  # frames of one, as of 10 s of sound
PEER = "scikit-learn"


def rows(effort: Effort) -> Iterator[Row]:
    """Fitting and assigning MFCCs as in the first iteration, and a layer of the base model as in the second."""
    for n_frames, dim, clusters, restarts in QUICK if effort.quick else CASES:
        found = compare_kmeans(speech_like_frames(n_frames, dim), clusters, restarts=restarts, rounds=effort.rounds)
        what = f"{n_frames:,} x {dim}, {clusters} clusters"
        inertia = found.inertia.ours.median / found.inertia.peer.median
        note = f"inertia {inertia - 1:+.2%} of theirs"
        yield Row("kmeans", f"fit {what}", "", found.fit_s.ours, found.fit_s.peer, PEER, note=note)
        note = f"{found.agreement:.2%} of the frames alike"
        yield Row("kmeans", f"assign {what}", "", found.assign_s.ours, found.assign_s.peer, PEER, note=note)
        yield _by_utterance(dim, clusters, effort)


def _by_utterance(dim: int, clusters: int, effort: Effort) -> Row:
    """Assignment as data jobs do it: ten seconds at a time."""
    frames = speech_like_frames(UTTERANCES * UTTERANCE, dim)
    peer = fit_peer(frames, clusters, restarts=1, seed=0)
    nearest = Nearest(peer.cluster_centers_)

    def all_of(assign: Callable[[np.ndarray], np.ndarray]) -> None:
        for first in range(0, len(frames), UTTERANCE):
            assign(frames[first : first + UTTERANCE])

    mine, other = in_turns(lambda: all_of(nearest), lambda: all_of(peer.predict), effort, units=UTTERANCES)
    return Row("kmeans", f"assign {UTTERANCE} x {dim}, {clusters} clusters", "", mine, other, PEER)


@dataclass(frozen=True)
class Pair:
    """A quantity on both sides."""

    ours: Times
    peer: Times


@dataclass(frozen=True)
class KMeansComparison:
    """What `compare_kmeans` found."""

    fit_s: Pair
    inertia: Pair  # mean squared distance of a frame to its centroid, over all frames
    assign_s: Pair  # of all frames to the same centroids
    agreement: float  # share of the frames that both sides give to the same one of them


def compare_kmeans(
    frames: np.ndarray, clusters: int, *, restarts: int = 1, rounds: int = 3, seed: int = 0
) -> KMeansComparison:
    """Fit and assign (N, D) float32 frames on both sides; every round has its own seed."""
    _warm_up(frames)
    fit_s, assign_s, inertia = _Turns(), _Turns(), _Turns()
    same = 0
    for number in range(rounds):
        centroids = _timed(fit_s.ours, fit, frames, clusters, restarts=restarts, seed=seed + number)
        peer = _timed(fit_s.peer, fit_peer, frames, clusters, restarts=restarts, seed=seed + number)
        labels = _timed(assign_s.ours, Nearest(peer.cluster_centers_), frames)
        same += int((labels == _timed(assign_s.peer, peer.predict, frames)).sum())
        inertia.ours.append(_inertia(frames, centroids))
        inertia.peer.append(_inertia(frames, peer.cluster_centers_))
    return KMeansComparison(fit_s.pair(), inertia.pair(), assign_s.pair(), agreement=same / (rounds * len(frames)))


class _Turns:
    """A quantity, measured several times in turn."""

    def __init__(self) -> None:
        self.ours: list[float] = []
        self.peer: list[float] = []

    def pair(self) -> Pair:
        return Pair(Times.of(self.ours, 1.0), Times.of(self.peer, 1.0))


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
