"""Long speech in pieces: cut where it is quiet, joined again with a cross-fade."""

from collections.abc import Sequence

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE

_WINDOW_S = 0.1  # over which loudness is measured
_LEAST_SHARE = 0.25  # of the longest: no piece is shorter, as a model needs something to hear
_FADE_S = 0.02


def split_at_silence(wave: np.ndarray, longest_s: float) -> list[np.ndarray]:
    """(n,) at 16 kHz -> consecutive pieces of at most `longest_s`, which together are the wave.

    Each cut lies at the quietest place that leaves neither a longer piece nor, where it can be helped, a shred.
    """
    longest, pieces, start = round(longest_s * SAMPLE_RATE), [], 0
    if longest < 2:
        raise ValueError(f"pieces of at most {longest_s} s cannot be; give more")
    while len(wave) - start > longest:
        left = len(wave) - start
        first = max(int(longest * _LEAST_SHARE), left - longest if left < 2 * longest else longest // 2, 1)
        last = max(first, min(longest, left - int(longest * _LEAST_SHARE)))
        cut = start + first + quietest(wave[start + first : start + last + 1])
        pieces.append(wave[start:cut])
        start = cut
    return [*pieces, wave[start:]]


def quietest(wave: np.ndarray) -> int:
    """The sample (of a wave with at least one) in whose surroundings of 0.1 s the power is least."""
    width = min(len(wave), round(_WINDOW_S * SAMPLE_RATE))
    power = np.concatenate([[0.0], np.cumsum(np.square(wave, dtype=np.float64))])
    return int(np.argmin(power[width:] - power[:-width])) + (width - 1) // 2


def joined(waves: Sequence[np.ndarray], fade_s: float = _FADE_S) -> np.ndarray:
    """The waves one after the other, each overlapping the next by `fade_s` (half of the shorter one at most).

    The first fades out while the second fades in; their gains add up to one.
    """
    whole = np.zeros(0, np.float32)
    for wave in waves:
        n = min(round(fade_s * SAMPLE_RATE), len(wave) // 2, len(whole) // 2)
        gain = (np.arange(n, dtype=np.float32) + 1) / (n + 1)
        faded = whole[len(whole) - n :] * (1 - gain) + wave[:n] * gain
        whole = np.concatenate([whole[: len(whole) - n], faded, wave[n:]]).astype(np.float32)
    return whole


def windows(n_samples: int, *, longest: int, overlap: int) -> list[tuple[int, int]]:
    """Start and end, in samples, of windows that cover a recording; neighbours share `overlap` samples at least.

    One window if it is short enough; else windows of equal length.
    """
    if n_samples <= longest:
        return [(0, n_samples)]
    step = longest - overlap
    n = -(-(n_samples - overlap) // step)
    starts = [round(k * (n_samples - longest) / (n - 1)) for k in range(n)]
    return [(start, start + longest) for start in starts]
