"""Our k-means beside scikit-learn's."""

import numpy as np
import pytest

from speecht5_cli.bench.kmeans import compare_kmeans, speech_like_frames
from speecht5_cli.bench.kmeans import rows as kmeans_rows
from speecht5_cli.bench.measure import Effort


@pytest.mark.parametrize(("n", "dim", "clusters"), [(20_000, 39, 50), (6_000, 140, 40)])
def test_it_reaches_what_scikit_learn_reaches(n: int, dim: int, clusters: int) -> None:
    """In the middle of three seeds; and both find the same nearest centroids."""
    frames = speech_like_frames(n, dim)
    found = compare_kmeans(frames, clusters, rounds=3)
    assert found.inertia.ours.median < 1.005 * found.inertia.peer.median
    assert found.inertia.ours.slowest < 1.03 * found.inertia.peer.fastest
    assert found.agreement > 0.999
    assert found.inertia.ours.slowest < 0.7 * float(frames.var(0).sum())


def test_its_lines_in_the_table() -> None:
    rows = list(kmeans_rows(Effort(rounds=1, quick=True)))
    assert [row.name.split()[0] for row in rows] == ["fit", "assign", "assign"]
    assert all(row.peer_name == "scikit-learn" and row.ratio is not None for row in rows)


def test_speech_like_frames_are_uneven() -> None:
    frames = speech_like_frames(5000, 40)
    assert frames.dtype == np.float32
    spread = np.sort(frames.var(0))
    assert spread[-4:].mean() > 20 * spread[:4].mean()
    np.testing.assert_array_equal(frames, speech_like_frames(5000, 40))
