"""Log-mel spectrograms and MFCCs as pure functions of a 16 kHz wave.

The log-mel is what the model predicts and the vocoder reads, so its settings travel with features and vocoders and are
compared. It is computed with scipy: no torch in the way of data-loader workers, and faster than `torch.stft` here.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE
from speecht5_cli.data.frames import LOG_MEL_HOP_SAMPLES, MFCC_WINDOW_SAMPLES
from speecht5_cli.data.torchaudio_pair import torchaudio
from speecht5_cli.errors import DataError

N_CEPSTRA = 13
MFCC_DIM = 3 * N_CEPSTRA  # cepstra, their slopes, the slopes of the slopes

# Slaney's scale: linear up to 1000 Hz (15 mel), logarithmic above, where 27 mel are a factor of 6.4.
_LINEAR_HZ = 200 / 3  # width of one mel below the break
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27

_SPECTRA_AT_ONCE = 128  # of 1024 float32 each: half a megabyte, which stays in the cache


@dataclass(frozen=True)
class LogMelSettings:
    """Every number of the spectrogram (SpeechT5's, which are ParallelWaveGAN's)."""

    sample_rate: int = SAMPLE_RATE
    fft_samples: int = 1024  # 64 ms; the periodic Hann window is as long
    hop_samples: int = LOG_MEL_HOP_SAMPLES  # 16 ms: 62.5 frames a second
    n_mels: int = 80
    low_hz: float = 80.0
    high_hz: float = 7600.0
    floor: float = 1e-10  # magnitudes below it count as this: log10 is -10

    @property
    def n_bins(self) -> int:
        """Frequencies of a spectrum."""
        return self.fft_samples // 2 + 1

    @property
    def rate_hz(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.hop_samples


LOG_MEL = LogMelSettings()


def log_mel(wave: np.ndarray, settings: LogMelSettings = LOG_MEL) -> np.ndarray:
    """(n_samples,) float in [-1, 1] -> (1 + n_samples // hop, n_mels) float32: log10 of mel-filtered magnitudes.

    Frame t is centred on sample t * hop; beyond its ends the wave is mirrored (as often as it takes, where it is
    shorter than half a window). Raises DataError for an empty wave.
    """
    from scipy import fft

    if not len(wave):
        raise DataError("a wave without samples has no spectrogram")
    padded = np.pad(np.asarray(wave, np.float32), settings.fft_samples // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, settings.fft_samples)[:: settings.hop_samples]
    hann, bank = _hann(settings.fft_samples), mel_bank(settings).T  # (fft,), (bins, mels)
    mels = np.empty((len(windows), settings.n_mels), np.float32)
    for start in range(0, len(windows), _SPECTRA_AT_ONCE):
        part = slice(start, start + _SPECTRA_AT_ONCE)
        magnitudes = np.abs(fft.rfft(windows[part] * hann, axis=1))  # (frames, bins)
        np.matmul(magnitudes, bank, out=mels[part])
    return np.log10(np.maximum(mels, np.float32(settings.floor)))


def mfcc(wave: np.ndarray) -> np.ndarray:
    """(n_samples,) float in [-1, 1] -> (frames, 39) float32 at 100 Hz: 13 cepstra, deltas, deltas of the deltas.

    The features of HuBERT's first iteration: Kaldi's MFCC with 25 ms windows every 10 ms, 23 mel bands, no energy, no
    dither, only whole windows. The scale matters: 16-bit integers instead of floats in [-1, 1] would move the first
    cepstrum by a constant. Raises DataError below 400 samples.
    """
    if len(wave) < MFCC_WINDOW_SAMPLES:
        raise DataError(f"{len(wave)} samples are too few for an MFCC, which needs {MFCC_WINDOW_SAMPLES} (25 ms)")
    audio = torchaudio()
    import torch

    samples = torch.from_numpy(np.array(wave, np.float32))[None]  # (1, n_samples)
    cepstra = audio.compliance.kaldi.mfcc(
        samples, sample_frequency=SAMPLE_RATE, num_ceps=N_CEPSTRA, use_energy=False, dither=0.0
    ).T  # (13, frames)
    slopes = audio.functional.compute_deltas(cepstra)
    return torch.cat([cepstra, slopes, audio.functional.compute_deltas(slopes)]).T.contiguous().numpy()


@cache
def _hann(n_samples: int) -> np.ndarray:
    """The periodic Hann window (n_samples,): one sample more would repeat the first."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_samples) / n_samples)).astype(np.float32)


@cache
def mel_bank(settings: LogMelSettings = LOG_MEL) -> np.ndarray:
    """(n_mels, n_bins) float32: triangles of equal area, spaced evenly on Slaney's mel scale."""
    edges_mel = np.linspace(_mel(settings.low_hz), _mel(settings.high_hz), settings.n_mels + 2)
    edges = np.array([_hz(mel) for mel in edges_mel])  # (mels + 2,): where each triangle starts, peaks and ends
    bins = np.arange(settings.n_bins) * settings.sample_rate / settings.fft_samples  # Hz
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    height = 2.0 / (edges[2:] - edges[:-2])
    return (np.clip(np.minimum(rising, falling), 0, None) * height[:, None]).astype(np.float32)


def _mel(hz: float) -> float:
    return hz / _LINEAR_HZ if hz < _BREAK_HZ else _BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP


def _hz(mel: float) -> float:
    return mel * _LINEAR_HZ if mel < _BREAK_MEL else _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
