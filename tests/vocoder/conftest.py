"""Small nets on a shared machine, and a data dir of vowels."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.tables import inverted, write_table


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """One thread is faster than two that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


Vowel = Callable[..., np.ndarray]


@pytest.fixture(scope="session")
def vowel() -> Vowel:
    return _vowel


def _vowel(duration_s: float, f0_hz: float = 120.0) -> np.ndarray:
    """Harmonics under two formants, with a little noise; (n_samples,) float32."""
    time_s = np.arange(round(duration_s * 16_000)) / 16_000
    wave = np.zeros(len(time_s))
    for k in range(1, 40):
        hz = k * f0_hz
        gain = np.exp(-(((hz - 700) / 200) ** 2)) + 0.5 * np.exp(-(((hz - 1700) / 300) ** 2)) + 0.01
        wave += gain * np.sin(2 * np.pi * hz * time_s + k)
    noise = np.random.default_rng(0).normal(size=len(time_s))
    return (0.1 * wave + 0.001 * noise).astype(np.float32)


@pytest.fixture(scope="session")
def vowels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data dir of twenty vowels by two speakers."""
    folder = tmp_path_factory.mktemp("vowels")
    ids = [f"{speaker}-{number:02d}" for speaker in ("ann", "bob") for number in range(10)]
    for number, name in enumerate(ids):
        write_audio(folder / f"wav/{name}.wav", _vowel(0.4 + 0.03 * number, 90 + 8 * number))
    write_table(folder / "wav.scp", {name: str(folder / f"wav/{name}.wav") for name in ids})
    write_table(folder / "utt2spk", {name: name[:3] for name in ids})
    write_table(folder / "spk2utt", inverted({name: name[:3] for name in ids}))
    write_table(folder / "text", dict.fromkeys(ids, "a"))
    return folder
