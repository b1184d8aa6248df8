"""The measures of speech, each by itself, on waves whose answer is known."""

import math

import numpy as np
import pytest

from speecht5_cli.errors import DataError
from speecht5_cli.score import cepstrum, enhancement, pitch
from speecht5_cli.score.groups import means_by, table
from speecht5_cli.score.voice_similarity import Voices, similarities

RATE = 16_000


def vowel(duration_s: float, f0_hz: float = 120.0, formant_hz: float = 700.0) -> np.ndarray:
    time_s = np.arange(round(duration_s * RATE)) / RATE
    wave = np.zeros(len(time_s))
    for k in range(1, 40):
        gain = np.exp(-(((k * f0_hz - formant_hz) / 200) ** 2)) + 0.01
        wave += gain * np.sin(2 * np.pi * k * f0_hz * time_s + k)
    return 0.1 * wave + 0.001 * np.random.default_rng(0).normal(size=len(time_s))


def syllables(seed: int = 0) -> np.ndarray:
    """Two seconds of vowels with pauses."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(8):
        parts += [vowel(0.2, rng.uniform(100, 200), rng.uniform(400, 1500)), np.zeros(800)]
    return np.concatenate(parts)


def world() -> None:
    pytest.importorskip("pyworld")
    pytest.importorskip("pysptk")


def mcd(left: np.ndarray, right: np.ndarray) -> float:
    one, other = cepstrum.analysed(left).cepstra, cepstrum.analysed(right).cepstra
    return cepstrum.distortion_db(one, other, cepstrum.in_step(one, other))


@pytest.mark.filterwarnings("ignore:pkg_resources")
def test_world_cepstra_are_those_of_pysptk() -> None:
    world()
    import pysptk
    import pyworld

    wave = vowel(0.3)
    f0_hz, times = pyworld.dio(wave, RATE, f0_floor=71.0, f0_ceil=800.0, frame_period=5.0)
    f0_hz = pyworld.stonemask(wave, f0_hz, times, RATE)
    envelope = pyworld.cheaptrick(wave, f0_hz, times, RATE, f0_floor=71.0)
    found = cepstrum.analysed(wave)
    np.testing.assert_allclose(found.cepstra, pysptk.sp2mc(envelope, 24, 0.41), atol=1e-9)
    np.testing.assert_array_equal(found.f0_hz, f0_hz)


@pytest.mark.filterwarnings("ignore:pkg_resources")
def test_mcd_hears_shape_and_neither_loudness_nor_speed() -> None:
    world()
    wave = vowel(0.4)
    assert mcd(wave, wave) == 0
    assert mcd(wave, 0.5 * wave) < 0.05
    assert mcd(wave, vowel(0.8)) < 2
    assert mcd(wave, vowel(0.4, formant_hz=1400.0)) > 4
    assert cepstrum.analysed(np.zeros(10)).cepstra.shape == (11, 25)


def test_the_formula_of_distortion() -> None:
    left, right = np.zeros((3, 25)), np.zeros((3, 25))
    right[:, 0], right[:, 5] = 9.0, 1.0  # the 0th does not count
    path = (np.arange(3), np.arange(3))
    assert cepstrum.distortion_db(left, right, path) == pytest.approx(10 / math.log(10) * math.sqrt(2))


def test_built_in_cepstra_are_those_of_the_log_mel() -> None:
    """A ripple of 1 dB over the mel bands is 1 dB of amplitude at its crests: root mean square 1 / sqrt(2)."""
    wave = vowel(0.4)
    one = cepstrum.mel_cepstra(wave)
    assert one.shape == (1 + len(wave) // 256, 25)
    louder = cepstrum.mel_cepstra(2 * wave)
    np.testing.assert_allclose(louder[:, 0] - one[:, 0], np.log(2), atol=1e-3)
    np.testing.assert_allclose(louder[:, 1:], one[:, 1:], atol=1e-3)
    ripple = np.zeros((1, 25))
    ripple[0, 3] = np.log(10) / 20  # the log amplitude's coefficient of 1 dB
    assert cepstrum.distortion_db(ripple, 0 * ripple, (np.zeros(1, int), np.zeros(1, int))) == pytest.approx(2**-0.5)


def test_pitch_on_the_path() -> None:
    left, right = np.array([0.0, 100.0, 200.0, 0.0]), np.array([0.0, 110.0, 0.0, 90.0])
    path = (np.array([0, 1, 1, 2, 3]), np.array([0, 1, 1, 2, 3]))
    assert pitch.log_f0_rmse(left, right, path) == pytest.approx(math.log(1.1))
    assert pitch.vuv_error(left, right, path) == pytest.approx(40.0)
    assert math.isnan(pitch.log_f0_rmse(left, 0 * right, path))


@pytest.mark.parametrize("lag", [0, 37, -1200, 3000])
def test_the_shift_is_found_to_the_sample(lag: int) -> None:
    reference = syllables()
    late = enhancement.shifted(reference, -lag, len(reference) + 500)
    late = late + 0.01 * np.random.default_rng(1).normal(size=len(late))
    assert enhancement.lag_samples(late, reference) == lag
    moved = enhancement.shifted(late, lag, len(reference))
    assert moved.shape == reference.shape
    assert enhancement.si_sdr_db(moved[3000:-3000], reference[3000:-3000]) > 10


def test_si_sdr_is_the_ratio_whatever_the_scale() -> None:
    rng = np.random.default_rng(0)
    clean, noise = rng.normal(size=RATE), rng.normal(size=RATE)
    noise -= clean * (noise @ clean) / (clean @ clean)
    noise -= noise.mean()
    noise *= 0.1 * np.linalg.norm(clean - clean.mean()) / np.linalg.norm(noise)
    assert enhancement.si_sdr_db(clean + noise, clean) == pytest.approx(20, abs=0.01)
    assert enhancement.si_sdr_db(-3 * (clean + noise) + 5, clean) == pytest.approx(20, abs=0.01)
    assert math.isnan(enhancement.si_sdr_db(np.zeros(9), clean))
    assert enhancement.si_sdr_db(clean, clean) == pytest.approx(100)


def test_stoi_falls_with_noise_and_says_when_it_heard_too_little() -> None:
    clean = syllables()
    noise = np.random.default_rng(0).normal(size=len(clean))
    found = [enhancement.stoi(clean + level * noise, clean) for level in (0.0, 0.02, 0.2)]
    assert found[0] == pytest.approx(1.0, abs=1e-3)
    assert found[0] > found[1] > found[2]
    assert enhancement.stoi(clean + 0.02 * noise, clean, extended=True) < found[1]
    for n in (300, 3000):
        assert math.isnan(enhancement.stoi(clean[:n], clean[:n]))


def test_pesq_where_it_is_there() -> None:
    if not enhancement.pesq_is_here():
        pytest.skip("pesq is not installed")
    clean = syllables()
    noisy = clean + 0.05 * np.random.default_rng(0).normal(size=len(clean))
    assert 1.0 < enhancement.pesq(noisy, clean) < enhancement.pesq(clean, clean) < 4.7
    assert math.isnan(enhancement.pesq(clean[:300], clean[:300]))


def voices(**changes: object) -> Voices:
    speakers = {"ann": np.array([2.0, 0.0]), "bob": np.array([0.0, 1.0]), "eve": np.array([-1.0, 0.0])}
    heard = {"u1": np.array([0.6, 0.8]), "u2": np.array([3.0, 0.0])}
    tables = {"target": {"u1": "ann", "u2": "ann"}, "source": {"u1": "bob", "u2": "ann"}}
    return Voices(**{"heard": heard, "speakers": speakers, **tables, **changes})  # type: ignore[arg-type]


def test_similarities() -> None:
    found = similarities(voices())
    assert found["u1"] == pytest.approx(
        {"similarity": 0.6, "similarity_source": 0.8, "nearer_to_target": 0.0, "voice_named": 0.0}
    )
    assert found["u2"] == pytest.approx({"similarity": 1.0, "voice_named": 100.0})


def test_a_speaker_without_a_vector_and_vectors_of_two_nets() -> None:
    with pytest.raises(DataError, match=r"u1: no vector of its speaker 'zoe' in spk_xvector\.scp"):
        similarities(voices(target={"u1": "zoe", "u2": "ann"}))
    with pytest.raises(DataError, match="3 values, the speakers' have 2"):
        similarities(voices(heard={"u1": np.ones(3)}))


def test_means_of_groups() -> None:
    numbers = {
        "a": {"stoi": 0.5, "words": 4.0, "errors": 1.0},
        "b": {"stoi": math.nan, "words": 6.0, "errors": 4.0},
        "c": {"stoi": 1.0, "words": 1.0, "errors": 1.0},
    }
    means = means_by({"a": "10", "b": "10", "c": "5"}, numbers)
    assert means == {
        "5": {"utterances": 1, "wer": 100.0, "stoi": 1.0},
        "10": {"utterances": 2, "wer": 50.0, "stoi": 0.5},
    }
    rows = [line.split() for line in table("SNR", means).splitlines()]
    assert rows == [
        ["Means", "by", "SNR"],
        ["5", "10"],
        ["utterances", "1", "2"],
        ["wer", "100.00", "50.00"],
        ["stoi", "1.00", "0.50"],
    ]
