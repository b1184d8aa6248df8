"""Generated noise, mixing at a signal-to-noise ratio, levelling and joining of waves.

All waves are mono float32 at 16 kHz. Everything random comes from the generator that is handed in, so the same seed
makes the same sound.
"""

from collections.abc import Sequence

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE
from speecht5_cli.errors import DataError

NOISE_KINDS = ("white", "pink", "hum", "babble")
N_TALKERS = 5  # of babble
LEVEL = 0.05  # root mean square of levelled speech: leaves room for noise of the same power
FLOOR = 3e-4  # root mean square of faint noise for generated speech: a room is never digitally silent
_HUM_HZ = (50.0, 60.0)
_HUM_PARTIALS = 20
_LOWEST_HZ = 20.0  # pink noise is flat below


def white_noise(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """(n_samples,) of equal power at all frequencies, with a power of 1."""
    return rng.standard_normal(n_samples, dtype=np.float32)


def pink_noise(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """(n_samples,) whose power falls by 3 dB an octave, with a power of 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    hz = np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE)
    return _with_power_1(np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, _LOWEST_HZ)), n_samples))


def hum(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """(n_samples,) of mains hum: partials of 50 or 60 Hz whose strength falls with their number, in slow waves."""
    seconds = np.arange(n_samples) / SAMPLE_RATE
    mains_hz = rng.choice(_HUM_HZ)
    phases = rng.uniform(0, 2 * np.pi, _HUM_PARTIALS)
    strengths = rng.uniform(0.2, 1.0, _HUM_PARTIALS) / np.arange(1, _HUM_PARTIALS + 1)
    partials = np.zeros(n_samples)
    for number, (strength, phase) in enumerate(zip(strengths, phases), 1):
        partials += strength * np.sin(2 * np.pi * mains_hz * number * seconds + phase)
    swelling = 1 + 0.3 * np.sin(2 * np.pi * rng.uniform(0.5, 3.0) * seconds + rng.uniform(0, 2 * np.pi))
    return _with_power_1(partials * swelling)


def babble(n_samples: int, rng: np.random.Generator, talkers: Sequence[np.ndarray]) -> np.ndarray:
    """(n_samples,) of several talkers at once, equally loud; each is repeated from a random place on."""
    if not talkers:
        raise DataError("babble is made of speech, and there is none to make it of")
    voices = [repeated(_with_power_1(talker), n_samples, rng) for talker in talkers]
    return _with_power_1(np.sum(voices, axis=0))


def noise(kind: str, n_samples: int, rng: np.random.Generator, talkers: Sequence[np.ndarray] = ()) -> np.ndarray:
    """(n_samples,) of one of NOISE_KINDS; only babble needs `talkers`."""
    if kind == "babble":
        return babble(n_samples, rng, talkers)
    return {"white": white_noise, "pink": pink_noise, "hum": hum}[kind](n_samples, rng)


def mixed(clean: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """`clean` plus `noise` (same length), the noise scaled so that the ratio of the two powers is `snr_db`.

    The power is that of the whole wave. Raises DataError for a silent wave, which has no such ratio.
    """
    if clean.shape != noise.shape:
        raise DataError(f"speech of {len(clean)} samples cannot be mixed with noise of {len(noise)}")
    clean_power, noise_power = _power(clean), _power(noise)
    if clean_power == 0 or noise_power == 0:
        raise DataError("a signal-to-noise ratio needs speech and noise that are not silent")
    gain = np.sqrt(clean_power / noise_power / 10 ** (snr_db / 10))
    return (clean + gain * noise).astype(np.float32)


def joined(waves: Sequence[np.ndarray], gaps_s: Sequence[float]) -> np.ndarray:
    """The waves one after the other, with `gaps_s` seconds of silence between them (one fewer than waves)."""
    pieces = [waves[0]]
    for wave, gap_s in zip(waves[1:], gaps_s, strict=True):
        pieces += [np.zeros(round(gap_s * SAMPLE_RATE), np.float32), wave]
    return np.concatenate(pieces)


def levelled(wave: np.ndarray) -> np.ndarray:
    """The wave with a root mean square of LEVEL; silence stays as it is."""
    return np.float32(LEVEL) * _with_power_1(wave)


def named_rng(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for whatever is called `name`, so that no sound depends on which others are made."""
    return np.random.default_rng([seed, *name.encode()])


def repeated(wave: np.ndarray, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """(n_samples,) of the wave from a random place on, over and over."""
    return np.resize(np.roll(wave, -int(rng.integers(len(wave)))), n_samples)


def _power(wave: np.ndarray) -> float:
    return float(np.mean(np.square(wave, dtype=np.float64))) if wave.size else 0.0


def _with_power_1(wave: np.ndarray) -> np.ndarray:
    power = _power(wave)
    return (wave / np.sqrt(power)).astype(np.float32) if power else wave.astype(np.float32)
