"""Small corpora, made on the spot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture
def write_sound() -> Callable[..., Path]:
    """A function that writes noise of a speech-like level, different for every path."""

    def write(path: Path, seconds: float = 0.8, *, rate: int = 16_000, level: float = 0.1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(list(path.name.encode()))
        soundfile.write(path, rng.uniform(-level, level, round(seconds * rate)), rate)
        return path

    return write
