"""Griffin-Lim: the wave's own spectrogram comes back, deterministic, each utterance for itself."""

from collections.abc import Callable

import numpy as np
import pytest

from speecht5_cli.data.features import LOG_MEL, log_mel
from speecht5_cli.decode.griffin_lim import griffin_lim
from speecht5_cli.decode.waveform import load_vocoder
from speecht5_cli.errors import CheckpointError, DataError

Vowel = Callable[..., np.ndarray]


def distance(left: np.ndarray, right: np.ndarray) -> float:
    """Mean difference of two log-mels over their common frames."""
    n = min(len(left), len(right))
    return float(np.abs(left[:n] - right[:n]).mean())


def test_the_spectrogram_comes_back(vowel: Vowel) -> None:
    target = log_mel(vowel(1.0))
    wave = griffin_lim(target)
    assert wave.shape == (len(target) * LOG_MEL.hop_samples,)
    assert wave.dtype == np.float32
    assert distance(log_mel(wave), target) < 0.08
    assert distance(log_mel(griffin_lim(target, 0)), target) > 2 * distance(log_mel(wave), target)


def test_sound_stays_in_its_place(vowel: Vowel) -> None:
    wave = np.zeros(16_000, np.float32)
    wave[8_000:10_000] = vowel(0.125)
    copy = griffin_lim(log_mel(wave))
    inside = np.abs(copy[8_000:10_000]).mean()
    assert inside > 20 * np.abs(copy[:7_400]).mean()
    assert inside > 20 * np.abs(copy[10_600:]).mean()


def test_the_same_wave_in_every_call_and_company(vowel: Vowel) -> None:
    long, short = log_mel(vowel(0.7)), log_mel(vowel(0.3, 200.0))
    vocode = load_vocoder("griffin-lim")
    together, alone = vocode([long, short]), vocode([short])
    np.testing.assert_array_equal(together[1], alone[0])
    np.testing.assert_array_equal(together[0], vocode([long])[0])


@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_few_frames_are_enough(n_frames: int, vowel: Vowel) -> None:
    wave = griffin_lim(log_mel(vowel(0.1))[:n_frames])
    assert wave.shape == (n_frames * 256,)
    assert np.isfinite(wave).all()


def test_silence_and_a_diverged_model_give_finite_waves() -> None:
    assert np.abs(griffin_lim(np.full((20, 80), -10.0, np.float32))).max() < 1e-6
    assert np.isfinite(griffin_lim(np.full((20, 80), 30.0, np.float32))).all()


@pytest.mark.parametrize(
    ("log_mels", "what"),
    [
        (np.zeros((5, 40)), "expected .frames, 80."),
        (np.zeros((0, 80)), "without frames"),
        (np.full((5, 80), np.nan), "not finite"),
    ],
)
def test_what_is_no_log_mel_is_refused(log_mels: np.ndarray, what: str) -> None:
    with pytest.raises(DataError, match=what):
        griffin_lim(log_mels)


def test_an_unknown_vocoder_is_refused() -> None:
    with pytest.raises(CheckpointError, match="expected 'griffin-lim'"):
        load_vocoder("nowhere/vocoder")
