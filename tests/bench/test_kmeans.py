"""Our k-means beside scikit-learn's."""

import numpy as np
import pytest

from speecht5_cli.bench.kmeans import Pair, compare_kmeans, speech_like_frames


@pytest.mark.parametrize(("n", "dim", "clusters"), [(20_000, 39, 50), (6_000, 140, 40)])
def test_it_reaches_what_scikit_learn_reaches(n: int, dim: int, clusters: int) -> None:
    """In the middle of three seeds; and both find the same nearest centroids."""
    frames = speech_like_frames(n, dim)
    found = compare_kmeans(frames, clusters, rounds=3)
    assert found.inertia.ratio > 1 / 1.005
    assert max(found.inertia.ours) < 1.03 * min(found.inertia.peer)
    assert found.agreement > 0.999
    assert (found.n_frames, found.dim, found.clusters, found.restarts) == (n, dim, clusters, 1)
    assert all(len(pair.ours) == len(pair.peer) == 3 for pair in (found.fit_s, found.assign_s, found.inertia))
    assert found.inertia.ours[0] < 0.7 * float(frames.var(0).sum())


def test_a_pair_is_compared_by_its_medians() -> None:
    assert Pair([1.0, 2.0, 9.0], [4.0, 8.0, 5.0]).ratio == 2.5


def test_speech_like_frames_are_uneven() -> None:
    frames = speech_like_frames(5000, 40)
    assert frames.dtype == np.float32
    spread = np.sort(frames.var(0))
    assert spread[-4:].mean() > 20 * spread[:4].mean()
    np.testing.assert_array_equal(frames, speech_like_frames(5000, 40))
