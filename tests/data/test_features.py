"""Log-mel and MFCC: shapes, edges, and agreement with other implementations."""

import re
import sys

import numpy as np
import pytest

from speecht5_cli.data.features import LOG_MEL, MFCC_DIM, log_mel, mel_bank, mfcc
from speecht5_cli.data.frames import LOG_MEL_RATE_HZ, n_log_mel_frames, n_mfcc_frames
from speecht5_cli.errors import DataError, SpeechT5Error


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(n_samples) * 0.1).astype(np.float32)


@pytest.mark.parametrize("n_samples", [1, 2, 255, 256, 511, 512, 513, 1025, 5000, 33_000])
def test_log_mel_shape_and_edges(n_samples: int) -> None:
    mels = log_mel(noise(n_samples))
    assert mels.shape == (n_log_mel_frames(n_samples), 80)
    assert mels.dtype == np.float32
    assert np.isfinite(mels).all()


def test_log_mel_equals_torch() -> None:
    import torch

    wave = torch.from_numpy(noise(47_123))  # more frames than one block of spectra
    spectrum = torch.stft(wave, 1024, 256, window=torch.hann_window(1024), pad_mode="reflect", return_complex=True)
    expected = (torch.from_numpy(mel_bank()) @ spectrum.abs()).clamp_min(1e-10).log10().T
    np.testing.assert_allclose(log_mel(wave.numpy()), expected.numpy(), atol=1e-5)


def test_a_tone_is_loudest_in_its_band() -> None:
    wave = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    centres = (mel_bank() * np.arange(513)).sum(1) / mel_bank().sum(1) * 16_000 / 1024
    assert abs(centres[log_mel(wave)[30].argmax()] - 1000) < 60


def test_triangles_have_equal_area() -> None:
    areas = mel_bank().sum(1) * 16_000 / 1024
    np.testing.assert_allclose(areas[40:], 1.0, atol=0.02)  # narrow triangles fall between the bins
    assert LOG_MEL.rate_hz == LOG_MEL_RATE_HZ


def test_silence_is_the_floor() -> None:
    np.testing.assert_allclose(log_mel(np.zeros(3000, np.float32)), np.full((12, 80), -10.0), rtol=1e-6)


def test_an_empty_wave_is_refused() -> None:
    with pytest.raises(DataError, match="without samples"):
        log_mel(np.zeros(0, np.float32))


@pytest.mark.parametrize("n_samples", [400, 559, 560, 16_000])
def test_mfcc_shape(n_samples: int) -> None:
    features = mfcc(noise(n_samples))
    assert features.shape == (n_mfcc_frames(n_samples), MFCC_DIM)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, mfcc(noise(n_samples)))  # no dither


def test_mfcc_scale_moves_the_first_cepstrum_only() -> None:
    """The trap of 16-bit input, and the reason for a stated scale."""
    wave = noise(8000)
    shift = mfcc(wave * 32768) - mfcc(wave)
    expected = np.sqrt(23) * np.log(32768.0**2)  # an orthonormal DCT over 23 bands of log power
    np.testing.assert_allclose(shift[:, 0], expected, atol=0.01)
    np.testing.assert_allclose(shift[:, 1:], 0, atol=0.01)


def test_mfcc_slopes_are_kaldis_regression() -> None:
    features = mfcc(noise(8000))
    cepstra, slopes = features[:, :13], features[:, 13:26]
    t = 20
    by_hand = sum(k * (cepstra[t + k] - cepstra[t - k]) for k in (1, 2)) / 10
    np.testing.assert_allclose(slopes[t], by_hand, atol=1e-4)


def test_mfcc_of_a_click_is_refused() -> None:
    with pytest.raises(DataError, match="399 samples are too few"):
        mfcc(noise(399))


def test_a_torchaudio_that_does_not_import_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    with pytest.raises(SpeechT5Error, match=r"torchaudio \S+ does not import beside torch .*pip install") as error:
        mfcc(noise(400))
    assert re.search(r"'torch==\d+\.\d+\.\d+' 'torchaudio==\d+\.\d+\.\d+'$", str(error.value))  # no range of versions
