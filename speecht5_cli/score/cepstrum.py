"""Mel-cepstral distortion: how far two spectra are apart in shape, in dB, after dynamic time warping.

`mcd` follows the field's public scripts: WORLD's spectral envelope (pyworld) as mel-cepstra (pysptk), without the 0th.
`mel_mcd` is the same formula on cepstra of our own log-mel: always there, never to be compared with `mcd`.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE
from speecht5_cli.data.features import LOG_MEL, log_mel
from speecht5_cli.score.warping import BAND, Path, warping_path

ORDER = 24
ALPHA = 0.41  # all-pass constant for 16 kHz
SHIFT_MS = 5.0
F0_HZ = (71.0, 800.0)

_DB = 10 / np.log(10) * np.sqrt(2)
_MEL_FLOOR = 1e-5  # quieter than that, differences are of no meaning
_SHORTEST = 800  # samples; WORLD needs some periods


@dataclass(frozen=True)
class Analysis:
    """What WORLD hears."""

    f0_hz: np.ndarray  # (T,); 0 where unvoiced
    cepstra: np.ndarray  # (T, ORDER + 1)


def world_is_here() -> bool:
    """Whether the optional packages are installed."""
    return find_spec("pyworld") is not None and find_spec("pysptk") is not None


def analysed(wave: np.ndarray) -> Analysis:
    """(n,) at 16 kHz, float in [-1, 1] -> pitch and mel-cepstra every 5 ms; a shorter wave is filled up to 50 ms."""
    import pyworld

    samples = np.pad(wave.astype(np.float64), (0, max(0, _SHORTEST - len(wave))))
    low, high = F0_HZ
    coarse, times = pyworld.dio(samples, SAMPLE_RATE, f0_floor=low, f0_ceil=high, frame_period=SHIFT_MS)
    f0_hz = pyworld.stonemask(samples, coarse, times, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(samples, f0_hz, times, SAMPLE_RATE, f0_floor=low)  # (T, bins), power
    return Analysis(f0_hz, np.log(envelope) @ _to_mel_cepstra(envelope.shape[1]))


@cache
def _to_mel_cepstra(n_bins: int) -> np.ndarray:
    """(bins, ORDER + 1): pysptk's sp2mc, which is linear in the log spectrum; frame by frame it is slow."""
    import pysptk

    return pysptk.sp2mc(np.exp(np.eye(n_bins)), ORDER, ALPHA)


def mel_cepstra(wave: np.ndarray) -> np.ndarray:
    """(n,) -> (T, ORDER + 1) every 16 ms: cosine series of the natural log-mel, scaled as a minimum-phase cepstrum."""
    from scipy.fft import dct

    mels = np.maximum(log_mel(wave), np.log10(_MEL_FLOOR)) * np.log(10)  # (T, M)
    cepstra = dct(mels, type=2, axis=1)[:, : ORDER + 1] / mels.shape[1]
    cepstra[:, 0] /= 2
    return cepstra


def in_step(left: np.ndarray, right: np.ndarray) -> Path:
    """The warping path of two rows of cepstra, the 0th left out."""
    return warping_path(np.ascontiguousarray(left[:, 1:]), np.ascontiguousarray(right[:, 1:]))


def distortion_db(left: np.ndarray, right: np.ndarray, path: Path) -> float:
    """Mean over the path of 10 / ln 10 * sqrt(2 * sum of squared differences), the 0th left out."""
    difference = left[path[0], 1:] - right[path[1], 1:]
    return float(_DB * np.sqrt(np.square(difference).sum(axis=1)).mean())


def mcd_setting() -> str:
    """How `mcd` is computed."""
    return (
        f"dB, WORLD (dio with stonemask, {F0_HZ[0]:g} to {F0_HZ[1]:g} Hz, cheaptrick; frames of {SHIFT_MS:g} ms), "
        f"mel-cepstra of order {ORDER}, alpha {ALPHA}, 0th left out, {_warping_setting(SHIFT_MS)}, all frames"
    )


def mel_mcd_setting() -> str:
    """How `mel_mcd` is computed."""
    return (
        f"dB, as mcd on {ORDER} cosine coefficients of our log-mel ({LOG_MEL.n_mels} bands, floor {_MEL_FLOOR:g}), "
        f"{_warping_setting(1000 / LOG_MEL.rate_hz)}; not comparable with mcd"
    )


def _warping_setting(frame_ms: float) -> str:
    return f"exact dynamic time warping (within {BAND * frame_ms / 1000:g} s of the straight line)"
