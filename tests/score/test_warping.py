"""Dynamic time warping against the textbook's loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speecht5_cli.score.warping import warping_path


def least_sum(distances: np.ndarray) -> float:
    n, m = distances.shape
    sums = np.full((n + 1, m + 1), np.inf)
    sums[0, 0] = 0
    for i in range(n):
        for j in range(m):
            sums[i + 1, j + 1] = distances[i, j] + min(sums[i, j], sums[i, j + 1], sums[i + 1, j])
    return float(sums[n, m])


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000))
def test_the_path_is_the_best_one(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
    distances = np.linalg.norm(left[:, None] - right, axis=2)
    i, j = warping_path(left, right)
    assert distances[i, j].sum() == pytest.approx(least_sum(distances))
    assert (i[0], j[0], i[-1], j[-1]) == (0, 0, n - 1, m - 1)
    steps = set(zip(np.diff(i).tolist(), np.diff(j).tolist()))
    assert steps <= {(1, 1), (1, 0), (0, 1)}


def test_a_slower_copy_fits_exactly() -> None:
    left = np.random.default_rng(0).normal(size=(50, 3))
    i, j = warping_path(left, np.repeat(left, 3, axis=0))
    np.testing.assert_array_equal(i, j // 3)


def test_of_equals_the_straight_step_is_taken() -> None:
    same = np.zeros((6, 2))
    i, j = warping_path(same, same)
    np.testing.assert_array_equal(i, j)


@pytest.mark.parametrize(("n", "m"), [(40, 40), (60, 20), (7, 90), (90, 2)])
def test_a_band_keeps_the_path_near_the_straight_line(n: int, m: int) -> None:
    rng = np.random.default_rng(1)
    i, j = warping_path(rng.normal(size=(n, 2)), rng.normal(size=(m, 2)), band=2)
    assert np.abs(i - (i + j) * n // (n + m)).max() <= 2
    assert (i[-1], j[-1]) == (n - 1, m - 1)


def test_nothing_has_no_path() -> None:
    with pytest.raises(ValueError, match="0 and 3 frames"):
        warping_path(np.zeros((0, 2)), np.zeros((3, 2)))
