"""Two sequences brought into step: dynamic time warping, exact, a diagonal at a time."""

import numpy as np

BAND = 800  # frames that a path may stray from the straight line: 4 s at 5 ms; below that the path is exact

Path = tuple[np.ndarray, np.ndarray]  # (P,) places in the left sequence, (P,) in the right one


def warping_path(left: np.ndarray, right: np.ndarray, *, band: int = BAND) -> Path:
    """The path through (n, D) and (m, D) whose summed Euclidean distances are least; it steps by one in one or both.

    Of equally good steps the one in both is taken. Raises ValueError for an empty sequence.
    """
    n, m = len(left), len(right)
    if not n or not m:
        raise ValueError(f"sequences of {n} and {m} frames; there is no path through nothing")
    reversed_right = right[::-1]
    # Least sums that end on a diagonal, by place in the left sequence shifted by one: guards of infinity on both sides.
    former, last, new = (np.full(n + 2, np.inf) for _ in range(3))
    former[0] = 0.0  # the step into the first pair
    steps, starts = [], []
    for k in range(n + m - 1):
        low, high = _reach(k, n, m, band)
        costs = _distances(left[low : high + 1], reversed_right[m - 1 - k + low : m - k + high])
        both, one, other = former[low : high + 1], last[low : high + 1], last[low + 1 : high + 2]
        best = np.minimum(both, np.minimum(one, other))
        step = (both > best).astype(np.int8) * (1 + (one > best))  # 0: in both, 1: in the left one, 2: in the right one
        new[low + 1 : high + 2] = costs + best
        new[low] = new[high + 2] = np.inf
        steps.append(step)
        starts.append(low)
        if k == 0:
            former[0] = np.inf
        former, last, new = last, new, former
    return _traced(steps, starts, n, m)


def _reach(k: int, n: int, m: int, band: int) -> tuple[int, int]:
    """First and last place in the left sequence on diagonal k, inside of the band."""
    middle = k * n // (n + m)
    return max(0, k - m + 1, middle - band), min(n - 1, k, middle + band)


def _distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    difference = left - right
    return np.sqrt(np.einsum("ij,ij->i", difference, difference))


def _traced(steps: list[np.ndarray], starts: list[int], n: int, m: int) -> Path:
    i, j, pairs = n - 1, m - 1, []
    while True:
        pairs.append((i, j))
        if i == j == 0:
            break
        step = steps[i + j][i - starts[i + j]]
        i, j = i - (step != 2), j - (step != 1)
    places = np.array(pairs[::-1])
    return places[:, 0], places[:, 1]
