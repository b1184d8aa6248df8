"""Measures that compare two waves sample by sample: STOI, ESTOI, SI-SDR and, where the package is there, PESQ."""

import math
import warnings
from importlib.util import find_spec

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE

LAG_S = 0.2  # the largest shift that is looked for
_FINE_S = 0.004
_ENVELOPE_S = 0.016
_LEAST = 1e-10  # ratio of powers that is told from none: 100 dB

SETTINGS = {
    "stoi": "0 to 1, pystoi at 16 kHz, after the one shift of the whole utterance that fits best: by the "
    f"cross-correlation of the envelopes within {LAG_S:g} s, then of the waves within {1000 * _FINE_S:g} ms; cut, or "
    "filled up with silence, to the length of the reference",
    "estoi": "as stoi, extended",
    "si_sdr": "dB, scale-invariant, mean removed, the waves as they are (no shift): a vocoder does not restore phases, "
    "so low values say little of what is heard",
    "si_sdr_shifted": "dB, as si_sdr, after the shift of stoi",
    "lag_ms": "milliseconds by which stoi's shift found the wave late",
    "pesq": "MOS-LQO of wideband PESQ (package pesq) on the shifted waves",
}


def pesq_is_here() -> bool:
    """Whether the optional package is installed."""
    return find_spec("pesq") is not None


def lag_samples(wave: np.ndarray, reference: np.ndarray) -> int:
    """By how many samples (n,) comes later than the reference (m,)."""
    coarse = _best_shift(_envelope(wave), _envelope(reference), 0, round(LAG_S * SAMPLE_RATE))
    return _best_shift(wave, reference, coarse, round(_FINE_S * SAMPLE_RATE))


def _envelope(wave: np.ndarray) -> np.ndarray:
    """Loudness around every sample, its mean removed."""
    from scipy.ndimage import uniform_filter1d

    power = uniform_filter1d(np.square(wave, dtype=np.float64), round(_ENVELOPE_S * SAMPLE_RATE), mode="constant")
    root = np.sqrt(np.maximum(power, 0.0))
    return root - root.mean()


def _best_shift(wave: np.ndarray, reference: np.ndarray, centre: int, reach: int) -> int:
    """The shift within `reach` of `centre` at which the two go together best; the smallest of equals."""
    from scipy.signal import correlate

    found = correlate(wave.astype(np.float64), reference.astype(np.float64), mode="full", method="fft")
    shifts = np.arange(len(found)) - (len(reference) - 1)
    near = np.flatnonzero(np.abs(shifts - centre) <= reach)
    if not len(near):
        return centre
    scores = np.round(found[near], 9)
    best = near[scores == scores.max()]
    return int(shifts[best[np.argmin(np.abs(shifts[best] - centre))]])


def shifted(wave: np.ndarray, lag: int, n_samples: int) -> np.ndarray:
    """The wave moved earlier by `lag` samples, cut or filled up with silence to (n_samples,)."""
    moved = wave[lag:] if lag >= 0 else np.concatenate([np.zeros(-lag, wave.dtype), wave])
    return np.pad(moved[:n_samples], (0, max(0, n_samples - len(moved))))


def si_sdr_db(wave: np.ndarray, reference: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio of (n,) against (m,), over their common part.

    Not a number where one of them is silent, 100 dB at most (a copy has no distortion).
    """
    n = min(len(wave), len(reference))
    heard, wanted = (part[:n].astype(np.float64) - part[:n].mean(dtype=np.float64) for part in (wave, reference))
    if not heard.any() or not wanted.any():
        return math.nan
    target = (heard @ wanted) / (wanted @ wanted) * wanted
    signal, distortion = np.square(target).sum(), np.square(heard - target).sum()
    return float(10 * np.log10(max(signal, _LEAST * distortion) / max(distortion, _LEAST * signal)))


def stoi(wave: np.ndarray, reference: np.ndarray, *, extended: bool = False) -> float:
    """Short-time objective intelligibility of (n,) against (n,); not a number where too little speech is heard."""
    from pystoi import stoi as measured

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(measured(reference, wave, SAMPLE_RATE, extended=extended))
        except (RuntimeWarning, ValueError):  # "not enough frames", which it would call 1e-5; no frame at all
            return math.nan


def pesq(wave: np.ndarray, reference: np.ndarray) -> float:
    """Wideband PESQ of (n,) against (n,); not a number below a quarter of a second, or without speech."""
    from pesq import PesqError
    from pesq import pesq as measured

    try:
        return float(measured(SAMPLE_RATE, reference, wave, "wb"))
    except PesqError:
        return math.nan
