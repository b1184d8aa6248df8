"""k-means in torch: what it finds, that it finds it again, and what it makes of strange frames."""

import numpy as np
import pytest
import torch

from speecht5_cli import products
from speecht5_cli.data import centroids as module
from speecht5_cli.data.centroids import Nearest, fit


def blobs(n: int, dim: int, *, seed: int = 0, n_blobs: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Frames around points that lie far apart, the first ones far more often; and which each is of."""
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, n_blobs + 1)
    which = rng.choice(n_blobs, n, p=shares / shares.sum())
    points = rng.normal(0, 10, (n_blobs, dim))
    return (points[which] + rng.normal(0, 0.1, (n, dim))).astype(np.float32), which


def same_parts(labels: np.ndarray, which: np.ndarray) -> bool:
    """Whether two labellings cut the frames into the same clusters."""
    pairs = len(np.unique(labels * (which.max() + 1) + which))
    return pairs == len(np.unique(labels)) == len(np.unique(which))


@pytest.mark.parametrize("dim", [3, 39, 200])
@pytest.mark.parametrize("offset", [0, 1000])
def test_what_is_apart_is_kept_apart(dim: int, offset: int) -> None:
    """Rare clusters as well as frequent ones, and wherever the frames lie."""
    frames, which = blobs(6000, dim)
    frames += np.float32(offset)
    centroids = fit(frames, 40, restarts=1, seed=1)
    assert same_parts(Nearest(centroids)(frames), which)
    assert centroids.dtype == np.float32


def test_centroids_are_the_means_of_their_frames() -> None:
    frames = np.random.default_rng(0).standard_normal((5000, 20)).astype(np.float32)
    centroids = fit(frames, 10, restarts=1, seed=0)
    labels = Nearest(centroids)(frames)
    means = np.stack([frames[labels == cluster].mean(0) for cluster in range(10)])
    np.testing.assert_allclose(centroids, means, atol=0.05)  # the last step gains little


@pytest.mark.parametrize("laid_out", [False, True])
def test_a_seed_gives_the_same_centroids(laid_out: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On any number of threads, and with centroids in either order in memory (products.py)."""
    monkeypatch.setattr(products, "LEAST_WEIGHTS", 1)
    monkeypatch.setattr(products, "has_onednn_on_amd", lambda: laid_out and torch.backends.mkldnn.is_available())
    frames = np.random.default_rng(0).standard_normal((10_000, 150)).astype(np.float32)
    threads = torch.get_num_threads()
    try:
        found = []
        for n in (1, 2, 2):
            torch.set_num_threads(n)
            found.append(fit(frames, 10, restarts=2, seed=3))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[1], found[2])
    assert not np.array_equal(found[0], fit(frames, 10, restarts=2, seed=4))


def test_frames_that_are_spread_out() -> None:
    """Every blob gets one before any gets two, although some are rare."""
    frames, which = blobs(3000, 5)
    chosen = module._spread_out(torch.from_numpy(frames), 40, np.random.default_rng(0))
    assert sorted(which[chosen]) == list(range(40))


def test_the_best_start_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, _ = blobs(2000, 80, n_blobs=200)
    starts = []
    start = module._start

    def noted(*words: object) -> tuple[float, list[int], torch.Tensor]:
        starts.append(start(*words))  # type: ignore[arg-type]
        return starts[-1]

    monkeypatch.setattr(module, "_start", noted)
    monkeypatch.setattr(module, "_MAX_STEPS", 1)
    centroids = fit(frames, 30, restarts=5, seed=0)
    assert len({left for left, *_ in starts}) == 5
    labels = min(starts, key=lambda one: one[0])[2].numpy()
    means = np.stack([frames[labels == cluster].mean(0) for cluster in range(30)])
    assert inertia(frames, centroids) <= inertia(frames, means)
    np.testing.assert_allclose(inertia(frames, centroids), inertia(frames, means), rtol=0.02)


def inertia(frames: np.ndarray, centroids: np.ndarray) -> float:
    return float(((frames - centroids[Nearest(centroids)(frames)]) ** 2).sum())


def test_many_frames_are_looked_at_in_part_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(module._strides(2000, 10)) == [1]
    assert list(module._strides(3999, 10)) == [1]
    assert list(module._strides(4000, 10)) == [2, 1]
    assert list(module._strides(1_000_000, 500)) == [8, 4, 2, 1]
    seen = []
    settled = module._settled

    def noted(rows: torch.Tensor, *words: object, **options: object) -> object:
        seen.append(len(rows))
        return settled(rows, *words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_settled", noted)
    fit(np.random.default_rng(0).standard_normal((4000, 3)).astype(np.float32), 5, restarts=1, seed=0)
    assert seen[1:] == [1000, 2000, 4000]  # behind the start


def test_fewer_different_frames_than_clusters() -> None:
    """Nothing is divided by nothing; the clusters that are left over stay empty."""
    frames = np.repeat(np.eye(3, dtype=np.float32), 50, axis=0)
    centroids = fit(frames, 8, restarts=2, seed=0)
    assert np.isfinite(centroids).all()
    labels = Nearest(centroids)(frames)
    assert same_parts(labels, np.repeat(np.arange(3), 50))
    np.testing.assert_allclose(centroids[labels], frames, atol=1e-6)


def test_as_many_clusters_as_frames() -> None:
    frames = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    centroids = fit(frames, 7, restarts=1, seed=0)
    assert sorted(Nearest(centroids)(frames)) == list(range(7))


def test_a_cluster_that_loses_its_frames_stays() -> None:
    frames = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    centroids, distance = module._settled(frames, torch.tensor([[0.0], [5.0], [99.0]]), steps=9, share=map)
    assert distance == pytest.approx(4 * 0.05**2, rel=1e-3)
    np.testing.assert_allclose(centroids.numpy(), [[0.05], [5.05], [99.0]], atol=1e-6)


def test_frames_are_left_as_they_were() -> None:
    """Also where they are the bytes of a file."""
    frames = np.frombuffer(np.arange(300, dtype=np.float32).tobytes(), np.float32).reshape(100, 3)
    before = frames.copy()
    labels = Nearest(fit(frames, 4, restarts=1, seed=0))(frames)
    np.testing.assert_array_equal(frames, before)
    assert len(np.unique(labels)) == 4
    assert Nearest(frames[:4])(frames[:0]).shape == (0,)
