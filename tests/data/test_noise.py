"""Noise: its colour, its power against the speech, and that it repeats."""

from pathlib import Path

import numpy as np
import pytest
from speecht5_recipes.se import Mixing, made_noisy

from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.datadir import write_tables
from speecht5_cli.data.noise import NOISE_KINDS, babble, hum, joined, mixed, named_rng, noise, pink_noise
from speecht5_cli.data.rows import Row
from speecht5_cli.errors import DataError

RATE = 16_000


def speech(n_samples: int = RATE, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (np.sin(np.arange(n_samples) * rng.uniform(0.05, 0.2)) * rng.uniform(0, 0.1, n_samples)).astype(np.float32)


def power_between(wave: np.ndarray, low_hz: float, high_hz: float) -> float:
    hz = np.fft.rfftfreq(len(wave), 1 / RATE)
    return float((np.abs(np.fft.rfft(wave)) ** 2)[(hz >= low_hz) & (hz < high_hz)].sum())


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_every_kind_has_power_1_and_repeats(kind: str) -> None:
    talkers = [speech(9000, 1), speech(30_000, 2)]
    wave = noise(kind, 20_000, named_rng(0, "a"), talkers)
    assert (wave.shape, wave.dtype) == ((20_000,), np.float32)
    assert np.mean(wave**2) == pytest.approx(1.0, abs=0.05)
    np.testing.assert_array_equal(wave, noise(kind, 20_000, named_rng(0, "a"), talkers))
    assert np.abs(wave - noise(kind, 20_000, named_rng(0, "b"), talkers)).max() > 0.1


def test_pink_noise_has_equal_power_in_every_octave() -> None:
    wave = pink_noise(20 * RATE, np.random.default_rng(0))
    octaves = [power_between(wave, low, 2 * low) for low in (125, 250, 500, 1000, 2000, 4000)]
    assert max(octaves) / min(octaves) < 1.2


def test_hum_is_low() -> None:
    wave = hum(4 * RATE, np.random.default_rng(0))
    assert power_between(wave, 40, 1300) / power_between(wave, 0, 8000) > 0.999


@pytest.mark.parametrize("snr_db", [-5, 0, 5.5, 20])
def test_the_ratio_of_powers_is_the_stated_one(snr_db: float) -> None:
    clean, disturbance = speech(), 17 * pink_noise(RATE, np.random.default_rng(1))
    added = mixed(clean, disturbance, snr_db) - clean
    assert 10 * np.log10(np.mean(clean**2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.01)
    assert np.corrcoef(added, disturbance)[0, 1] == pytest.approx(1.0, abs=1e-4)


def test_silence_has_no_ratio() -> None:
    with pytest.raises(DataError, match="not silent"):
        mixed(np.zeros(9, np.float32), np.ones(9, np.float32), 0)


def test_lengths_must_agree() -> None:
    with pytest.raises(DataError, match="9 samples cannot be mixed with noise of 8"):
        mixed(np.ones(9, np.float32), np.ones(8, np.float32), 0)


def test_babble_needs_speech() -> None:
    with pytest.raises(DataError, match="made of speech"):
        babble(10, np.random.default_rng(0), [])


def test_joined_waves_keep_their_gaps() -> None:
    wave = joined([np.ones(3, np.float32), np.full(2, 2.0, np.float32)], [0.001])
    assert wave.tolist() == [1] * 3 + [0] * 16 + [2] * 2


def tone(hz: float, n_samples: int) -> np.ndarray:
    return (0.1 * np.sin(2 * np.pi * hz * np.arange(n_samples) / RATE)).astype(np.float32)


def test_babble_while_training(tmp_path: Path) -> None:
    """Of the recordings that are named, anew every time; nobody talks over himself."""
    pitches = {"a": 500.0, "b": 1000.0, "c": 2000.0}
    for name, hz in pitches.items():
        write_audio(tmp_path / f"{name}.wav", tone(hz, RATE))
    tables = {"wav.scp": {name: str(tmp_path / f"{name}.wav") for name in pitches}, "utt2spk": {n: n for n in pitches}}
    write_tables(tmp_path / "talkers", tables)
    mixing = Mixing(share=1.0, kinds=("babble",), talkers=(tmp_path / "talkers",), snr_db=(5.0, 5.0))
    rng, clean = np.random.default_rng(1), tone(300.0, RATE)
    row = Row("u", {"utt2spk": "b"}, {})
    sounds = [made_noisy(row, clean, mixing, rng) - clean for _ in range(2)]
    assert not np.allclose(*sounds)
    for sound in sounds:
        assert 10 * np.log10(np.square(clean).sum() / np.square(sound).sum()) == pytest.approx(5.0, abs=0.01)
        power = np.square(np.abs(np.fft.rfft(sound)))
        heard = {name: power[round(hz) - 5 : round(hz) + 6].sum() / power.sum() for name, hz in pitches.items()}
        assert heard["a"] == pytest.approx(0.5, abs=0.05) and heard["c"] == pytest.approx(0.5, abs=0.05)
        assert heard["b"] < 0.01
    with pytest.raises(DataError, match=r"utterance u: babble is made of the speech of others; se\.mixing\.talkers"):
        alone = {name: {"b": table["b"]} for name, table in tables.items()}
        write_tables(tmp_path / "alone", alone)
        made_noisy(row, clean, Mixing(share=1.0, kinds=("babble",), talkers=(tmp_path / "alone",)), rng)


def test_recorded_noise_with_pauses(tmp_path: Path) -> None:
    """Where it is silent for as long as the speech, it is drawn again; noise that is silent throughout is an error."""
    recordings = {"a": np.concatenate([np.zeros(4 * RATE), speech()]), "b": np.zeros(RATE)}
    for name, wave in recordings.items():
        write_audio(tmp_path / f"{name}.wav", wave)
        write_tables(tmp_path / name, {"wav.scp": {name: str(tmp_path / f"{name}.wav")}, "utt2spk": {name: name}})
    (tmp_path / "a" / "utt2spk").unlink()  # nobody speaks in it
    rng, clean = np.random.default_rng(1), speech(RATE // 2)
    for _ in range(50):
        assert np.abs(made_noisy(Row("u", {}, {}), clean, Mixing(noises=(tmp_path / "a",)), rng) - clean).max() > 0
    with pytest.raises(DataError, match=r"^utterance u: a signal-to-noise ratio needs speech and noise that are not"):
        made_noisy(Row("u", {}, {}), clean, Mixing(noises=(tmp_path / "b",)), rng)
