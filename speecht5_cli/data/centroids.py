"""Where centroids come from: k-means++ on a part of the frames, then Lloyd's steps on ever more of them, in torch.

The start decides what k-means reaches, so it is made with care: every further centroid is the best one of several
frames that are drawn by their distance from the centroids so far (greedy k-means++, section 6 of Arthur and
Vassilvitskii 2007), among as many frames as scikit-learn looks at. Starts are made and compared in the few directions
in which frames differ most, where they cost little; the best one is gone on with in all dimensions.

Work is shared among threads by pieces of frames and by starts, not within operations: small ones would have threads
wait for each other (beside other programs a start took twenty times as long), and results depend on their number.

The score of a frame x for a centroid c, seen from an origin o, is (|x - o|^2 - |x - c|^2) / 2 = x.(c - o) + const(c):
one matrix product for all centroids, whose precision does not suffer where all frames share an offset.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import inf, log
from typing import TYPE_CHECKING, Any

import numpy as np

from speecht5_cli.device import best_device

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Share = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]  # as the built-in `map`

_SEEDING_FRAMES = 30_000  # that a start is chosen from (scikit-learn, with HuBERT's settings)
_SEEDING_FRAMES_EACH = 60  # for a cluster, where there are many
_SEEDING_DIM = 64  # directions: starts as good as in all 768, in a tenth of the time
_SEEDING_STEPS = 4  # Lloyd's, after which starts are compared: before, the better one is not the one that ends better
_FRAMES_EACH = 200  # for a cluster; on fewer, the last step but few would fit them and not the others
_LITTLE_GAIN = 2e-4  # of the mean squared distance: a step that gains less is the last one
_MAX_STEPS = 100
_ROWS_AT_ONCE = 1 << 12  # frames whose scores are in memory at the same time


def fit(frames: np.ndarray, k: int, *, restarts: int, seed: int) -> np.ndarray:
    """(N, D) float32, N >= k -> (k, D) float32 centroids, from the best of `restarts` starts.

    The centroid of a cluster that loses all its frames stays where it is.
    """
    import torch

    rng = np.random.default_rng(seed)
    rows = _tensor(frames)
    n = min(len(rows), max(_SEEDING_FRAMES, _SEEDING_FRAMES_EACH * k))
    looked_at = rows[torch.from_numpy(np.sort(rng.choice(len(rows), n, replace=False)))].to(best_device())
    with _threads() as share:
        seen = _main_directions(looked_at, share)
        starts = share(lambda own: _start(seen, k, own), rng.spawn(restarts))
        _, chosen, labels = min(starts, key=lambda start: start[0])
        centroids = _means(*_sums(looked_at, labels, k), otherwise=looked_at[chosen])
        for stride in _strides(len(rows), k):
            centroids, _ = _settled(rows[stride // 2 :: stride], centroids, steps=_MAX_STEPS, share=share)
    return centroids.cpu().numpy()


class Nearest:
    """Frames -> the centroids that are nearest to them."""

    def __init__(self, centroids: np.ndarray) -> None:
        """(K, D) float32."""
        self._centroids = centroids
        there = _tensor(centroids).to(best_device())
        self._scores = _Scores(there, there.mean(0))

    def __reduce__(self) -> tuple[type, tuple[np.ndarray]]:
        """In another process it is made anew, on that one's device."""
        return Nearest, (self._centroids,)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """(T, D) float32 -> (T,) int64."""
        with _threads() as share:
            labels = [labels.cpu().numpy() for labels in share(self._scores.labels, _parts(_tensor(frames)))]
        return np.concatenate(labels) if labels else np.empty(0, np.int64)


class _Scores:
    """Frames, wherever they are -> their scores for centroids."""

    def __init__(self, centroids: "Tensor", origin: "Tensor") -> None:
        """(K, D), (D,)."""
        from speecht5_cli.products import product_with

        c, o = centroids.double(), origin.double()
        offsets = -0.5 * ((c - o) * (c + o)).sum(1).float()  # (K,)
        self._device = centroids.device
        self._product = product_with((c - o).float(), offsets)

    def best(self, frames: "Tensor") -> tuple["Tensor", "Tensor"]:
        """(T, D) -> each frame's best score (T,) float32, and whose it is (T,) int64."""
        scores = self._of(frames)
        labels = _argmax(scores)
        return scores.gather(1, labels[:, None])[:, 0], labels

    def labels(self, frames: "Tensor") -> "Tensor":
        """(T, D) -> (T,) int64."""
        return _argmax(self._of(frames))

    def _of(self, frames: "Tensor") -> "Tensor":
        return self._product(frames.to(self._device))  # (T, K)


def _argmax(scores: "Tensor") -> "Tensor":
    """(T, K) -> (T,) int64. On the CPU by numpy, which takes a sixth of torch's time: half of it all for MFCCs."""
    import torch

    return torch.from_numpy(scores.numpy().argmax(1)) if scores.is_cpu else scores.argmax(1)


def _main_directions(frames: "Tensor", share: Share) -> "Tensor":
    """(n, D) -> (n, min(D, 64)): the frames from their mean, along the directions in which they differ most."""
    import torch

    frames = frames - frames.mean(0)
    if frames.shape[1] <= _SEEDING_DIM:
        return frames
    products = share(lambda part: (part.T @ part).double(), _parts(frames))
    _, directions = torch.linalg.eigh(sum(products))  # by ascending spread
    main = directions[:, -_SEEDING_DIM:].float()
    return torch.cat(list(share(lambda part: part @ main, _parts(frames))))


def _start(frames: "Tensor", k: int, rng: np.random.Generator) -> tuple[float, list[int], "Tensor"]:
    """What squared distances a start leaves in sum, which of the frames (n, D) it began with, and its labels (n,)."""
    import torch

    chosen = _spread_out(frames, k, rng)
    centroids, distance = _settled(frames, frames[chosen], steps=_SEEDING_STEPS, share=map)
    score = _Scores(centroids, centroids.mean(0))
    return distance, chosen, torch.cat([score.labels(part) for part in _parts(frames)])


def _spread_out(frames: "Tensor", k: int, rng: np.random.Generator) -> list[int]:
    """k of the frames (n, D), by greedy k-means++."""
    import torch

    norms = frames.square().sum(1)
    n_candidates = 2 + int(log(k))  # as in scikit-learn
    chosen = [int(rng.integers(len(frames)))]
    near = (frames - frames[chosen]).square_().sum(1)  # (n,): squared distance to the nearest of the chosen
    while len(chosen) < k:
        cumulative = np.cumsum(near.cpu().numpy(), dtype=np.float64)
        drawn = np.searchsorted(cumulative, rng.random(n_candidates) * cumulative[-1])
        candidates = torch.from_numpy(np.minimum(drawn, len(frames) - 1)).to(frames.device)
        distances = (norms + norms[candidates, None]).addmm_(frames[candidates], frames.T, alpha=-2)
        left = distances.clamp_(min=0).minimum(near)  # (candidates, n): were one of them chosen
        best = int(left.sum(1).argmin())
        chosen.append(int(candidates[best]))
        near = left[best]
    return chosen


def _strides(n: int, k: int) -> Iterator[int]:
    """..., 4, 2, 1: for steps that look at a part of n frames and then at all."""
    stride = 1
    while n // (2 * stride) >= _FRAMES_EACH * k:
        stride *= 2
    while stride:
        yield stride
        stride //= 2


def _settled(rows: "Tensor", centroids: "Tensor", *, steps: int, share: Share) -> tuple["Tensor", float]:
    """Lloyd's steps over the frames (N, D) until they gain little: centroids (K, D), and the distance before the last.

    At most so many steps. The distance is the sum of the squared distances of all frames.
    """
    origin, spread = _mean_and_spread(rows, centroids.device, share)
    before = inf
    for _ in range(steps):
        sums, counts, scores = _step(rows, centroids, origin, share)
        centroids = _means(sums, counts, otherwise=centroids)
        distance = spread - 2 * scores
        if before - distance <= _LITTLE_GAIN * distance:
            break
        before = distance
    return centroids, distance


def _mean_and_spread(rows: "Tensor", device: "torch.device", share: Share) -> tuple["Tensor", float]:
    """The mean (D,) of the frames (N, D), and the sum of their squared distances to it."""
    import torch

    sums = torch.stack(list(share(lambda part: part.sum(0, dtype=torch.float64), _parts(rows))))  # (parts, D)
    mean = (sums.sum(0) / len(rows)).float()
    spread = sum(share(lambda part: float((part - mean).square_().sum(dtype=torch.float64)), _parts(rows)))
    return mean.to(device), spread


def _step(rows: "Tensor", centroids: "Tensor", origin: "Tensor", share: Share) -> tuple["Tensor", "Tensor", float]:
    """Sums (K, D) and counts (K,) of the frames of each centroid, and the sum of all scores."""
    import torch

    score = _Scores(centroids, origin)

    def summed(part: "Tensor") -> tuple["Tensor", "Tensor", float]:
        part = part.to(centroids.device)
        scores, labels = score.best(part)
        return *_sums(part, labels, len(centroids)), float(scores.sum(dtype=torch.float64))

    sums = torch.zeros_like(centroids, dtype=torch.float64)
    counts = torch.zeros(len(centroids), dtype=torch.int64, device=centroids.device)
    total = 0.0
    for more, found, scores in share(summed, _parts(rows)):
        sums += more
        counts += found
        total += scores
    return sums, counts, total


def _sums(frames: "Tensor", labels: "Tensor", k: int) -> tuple["Tensor", "Tensor"]:
    """The sum (k, D) and number (k,) of the frames of each label.

    As bags of rows, which are summed in their order: alike on any number of threads, and on a GPU.
    """
    from torch.nn.functional import embedding_bag

    counts = labels.bincount(minlength=k)
    return embedding_bag(labels.argsort(stable=True), frames, counts.cumsum(0) - counts, mode="sum"), counts


def _means(sums: "Tensor", counts: "Tensor", *, otherwise: "Tensor") -> "Tensor":
    """(K, D) float32; `otherwise` where there is nothing to take the mean of."""
    return (sums / counts.clamp(min=1)[:, None]).float().where(counts[:, None] > 0, otherwise)


def _parts(rows: "Tensor") -> Iterator["Tensor"]:
    """The frames in pieces whose scores fit into memory."""
    return (rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE))


@contextmanager
def _threads() -> Iterator[Share]:
    """A `map` over as many threads as torch would use; within the block every operation is on one thread.

    A single item stays on this thread: on another one, 500 MFCCs took 0.78 ms to assign instead of 0.22 ms.
    """
    import torch

    def share(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
        several = list(items)
        return pool.map(work, several) if len(several) > 1 else map(work, several)

    n = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(n) as pool:
            yield share
    finally:
        torch.set_num_threads(n)


def _tensor(frames: np.ndarray) -> "Tensor":
    """The same memory, unless it is read-only (a matrix in the bytes of a file): torch would warn."""
    import torch

    return torch.from_numpy(np.require(frames, np.float32, "W"))
