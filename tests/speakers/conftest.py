"""Speakers out of a noise generator: a voice is a spectrum."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from speecht5_cli.data.audio import SAMPLE_RATE, write_audio
from speecht5_cli.data.datadir import DataDir, write_tables

MakeDir = Callable[..., DataDir]


def voice(centre_hz: float, duration_s: float, rng: np.random.Generator) -> np.ndarray:
    """Noise whose energy lies around `centre_hz`, with a slow beat: (n_samples,) float32."""
    noise = rng.standard_normal(round(duration_s * SAMPLE_RATE))
    frequency = np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    spectrum = np.fft.rfft(noise) * np.exp(-np.abs(frequency - centre_hz) / 400)
    wave = np.fft.irfft(spectrum, len(noise)) * (1.1 + np.sin(np.arange(len(noise)) / 1500 + rng.uniform(0, 6)))
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """These nets are so small that threads would only wait for each other."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def make_dir(tmp_path_factory: pytest.TempPathFactory) -> MakeDir:
    """make_dir(name, n_speakers=4, n_each=8) -> a new data dir of utterances of 0.4 to 0.7 s."""

    def make(name: str, *, n_speakers: int = 4, n_each: int = 8, seed: int = 0) -> DataDir:
        folder = tmp_path_factory.mktemp(name)
        rng = np.random.default_rng(seed)
        wav, utt2spk = {}, {}
        for speaker in range(n_speakers):
            for number in range(n_each):
                utterance = f"s{speaker}-{number:02d}"
                path: Path = folder / "wav" / f"{utterance}.wav"
                write_audio(path, voice(500 + 900 * speaker, rng.uniform(0.4, 0.7), rng))
                wav[utterance], utt2spk[utterance] = str(path), f"s{speaker}"
        return write_tables(folder / "data", {"wav.scp": wav, "utt2spk": utt2spk})

    return make
