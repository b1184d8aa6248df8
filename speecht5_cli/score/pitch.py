"""How far the melody of two utterances is apart, on frames that dynamic time warping brought together."""

import math

import numpy as np

from speecht5_cli.score.warping import Path

SETTINGS = {
    "log_f0_rmse": "root mean square difference of natural log F0, over warped frames that are voiced in both",
    "vuv_error": "per cent of warped frames that are voiced in one and not in the other",
}


def log_f0_rmse(left_hz: np.ndarray, right_hz: np.ndarray, path: Path) -> float:
    """F0 (n,) and (m,), 0 where unvoiced; not a number where no frame is voiced in both."""
    left, right = left_hz[path[0]], right_hz[path[1]]
    voiced = (left > 0) & (right > 0)
    if not voiced.any():
        return math.nan
    return float(np.sqrt(np.square(np.log(left[voiced] / right[voiced])).mean()))


def vuv_error(left_hz: np.ndarray, right_hz: np.ndarray, path: Path) -> float:
    """Per cent of the path on which one is voiced and the other is not."""
    return float(100 * ((left_hz[path[0]] > 0) != (right_hz[path[1]] > 0)).mean())
