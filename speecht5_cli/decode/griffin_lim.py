"""A wave from a log-mel without any trained model: the mel filters inverted, then phases by Griffin and Lim.

Filters: the least squares under the condition that no magnitude is negative, approached by multiplicative updates
(Lee and Seung 2001); from a smooth start they stay smooth, where an exact solution is made of single peaks. Phases: the
fast Griffin-Lim algorithm (Perraudin, Balazs, Sondergaard 2013), whose momentum saves two thirds of the rounds.

Copies of read speech have a STOI of about 0.94 by it: the bound of what a prediction can reach without a vocoder.
"""

import numpy as np

from speecht5_cli.data.features import LOG_MEL, LogMelSettings, mel_bank
from speecht5_cli.errors import DataError

N_ITER = 60  # STOI on read speech: 0.9413 after 32 rounds, 0.9428 after 60, 0.9434 after 100

_MOMENTUM = 0.99
_FILTER_ROUNDS = 20
_LOUDEST = 3.0  # log10; no wave in [-1, 1] comes near, but an untrained model may
_TINY = 1e-30  # keeps 0 / 0 out, far below every magnitude
_SEED = 0  # of the phases to start from: the same wave in every call


def griffin_lim(log_mel: np.ndarray, n_iter: int = N_ITER, *, settings: LogMelSettings = LOG_MEL) -> np.ndarray:
    """(L, n_mels) log10 magnitudes -> (L * hop,) float32 wave; frame t is centred on sample t * hop.

    Deterministic, and each utterance for itself. Raises DataError for no frames, another number of mels, or values
    that are not finite.
    """
    check_log_mel(log_mel, settings)
    magnitudes = _unfiltered(10.0 ** np.minimum(log_mel, _LOUDEST).astype(np.float32), mel_bank(settings))
    frames = _Frames(len(magnitudes), settings)
    turns = np.random.default_rng(_SEED).random(magnitudes.shape, np.float32)
    phases = np.exp(np.complex64(2j * np.pi) * turns)
    former: np.ndarray | None = None
    for _ in range(n_iter):
        found = frames.split(frames.joined(magnitudes * phases))
        phases = found if former is None else found + np.float32(_MOMENTUM) * (found - former)
        phases /= np.maximum(np.abs(phases), np.float32(_TINY))
        former = found
    return frames.joined(magnitudes * phases)


def check_log_mel(log_mel: np.ndarray, settings: LogMelSettings) -> None:
    """Raise DataError unless the array is a log-mel (L, n_mels) of finite values."""
    if log_mel.ndim != 2 or log_mel.shape[1] != settings.n_mels:
        raise DataError(f"a log-mel of shape {log_mel.shape}; expected (frames, {settings.n_mels})")
    if not len(log_mel):
        raise DataError("a log-mel without frames has no wave")
    if not np.isfinite(log_mel).all():
        raise DataError(f"a log-mel of {len(log_mel)} frames holds values that are not finite; the model has diverged")


def _unfiltered(mels: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """(L, mels) magnitudes behind the filters (mels, bins) -> (L, bins), float32, such that filtering gives them."""
    from scipy.sparse import csr_array

    filters, spread = csr_array(bank), csr_array((bank / bank.sum(axis=1, keepdims=True)).T)  # two filters a bin
    columns = np.ascontiguousarray(mels.T)  # (mels, L)
    magnitudes = spread @ columns / np.maximum(spread.sum(axis=1), np.float32(_TINY))[:, None]  # (bins, L)
    wanted = filters.T @ columns
    for _ in range(_FILTER_ROUNDS):
        magnitudes *= wanted / np.maximum(filters.T @ (filters @ magnitudes), np.float32(_TINY))
    return np.ascontiguousarray(magnitudes.T)


class _Frames:
    """L windowed frames <-> a wave of L * hop samples."""

    def __init__(self, n_frames: int, settings: LogMelSettings) -> None:
        from scipy.signal import get_window

        self.n_frames, self.n_fft, self.hop = n_frames, settings.fft_samples, settings.hop_samples
        self.window = get_window("hann", self.n_fft).astype(np.float32)
        self.overlap = self.n_fft // self.hop
        cover = self._added(np.broadcast_to(self.window**2, (n_frames, self.n_fft)))
        self.cover = np.maximum(cover, np.float32(1e-3))  # what all windows together give to a sample

    def joined(self, spectra: np.ndarray) -> np.ndarray:
        """(L, bins) complex64 -> (L * hop,): the wave whose frames are nearest to the spectra."""
        from scipy import fft

        wave = self._added(fft.irfft(spectra, self.n_fft, axis=1) * self.window) / self.cover
        start = self.n_fft // 2  # the first frame is centred on the first sample
        return wave[start : start + self.n_frames * self.hop]

    def split(self, wave: np.ndarray) -> np.ndarray:
        """(L * hop,) -> (L, bins) complex64."""
        from scipy import fft

        padded = np.pad(wave, self.n_fft // 2, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)[:: self.hop][: self.n_frames]
        return fft.rfft(frames * self.window, axis=1)

    def _added(self, frames: np.ndarray) -> np.ndarray:
        """(L, n_fft) -> ((L + overlap - 1) * hop,): frames added where they lie over each other."""
        hops = frames.reshape(self.n_frames, self.overlap, self.hop)
        wave = np.zeros((self.n_frames + self.overlap - 1, self.hop), np.float32)
        for place in range(self.overlap):
            wave[place : place + self.n_frames] += hops[:, place]
        return wave.reshape(-1)
