"""Long speech is cut where it is quiet, and joined without a click."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speecht5_cli.data.silence import joined, split_at_silence

RATE = 16_000


def speech_with_pauses(duration_s: float, pauses_s: list[float]) -> np.ndarray:
    wave = np.random.default_rng(0).normal(0, 0.1, round(duration_s * RATE)).astype(np.float32)
    for pause_s in pauses_s:
        wave[round((pause_s - 0.1) * RATE) : round((pause_s + 0.1) * RATE)] *= 0.01
    return wave


def test_cuts_lie_in_pauses() -> None:
    wave = speech_with_pauses(12.0, [1.0, 4.2, 7.5, 9.5])
    pieces = split_at_silence(wave, 5.0)
    cuts_s = np.cumsum([len(piece) for piece in pieces])[:-1] / RATE
    assert cuts_s == pytest.approx([4.2, 7.5], abs=0.06)
    np.testing.assert_array_equal(np.concatenate(pieces), wave)


def test_what_is_short_enough_stays_whole() -> None:
    wave = speech_with_pauses(2.0, [1.0])
    (piece,) = split_at_silence(wave, 2.0)
    np.testing.assert_array_equal(piece, wave)


def test_no_shred_is_left() -> None:
    wave = speech_with_pauses(10.2, [9.95])  # the only pause would leave a quarter of a second
    assert all(len(piece) > 2.4 * RATE for piece in split_at_silence(wave, 10.0))


@given(st.integers(0, 3 * RATE), st.floats(0.05, 1.0), st.booleans())
def test_pieces_are_the_wave_and_short_enough(n: int, longest_s: float, silent: bool) -> None:
    wave = np.zeros(n, np.float32) if silent else np.random.default_rng(n).normal(size=n).astype(np.float32)
    pieces = split_at_silence(wave, longest_s)
    np.testing.assert_array_equal(np.concatenate(pieces), wave)
    assert all(len(piece) <= round(longest_s * RATE) for piece in pieces)
    assert n == 0 or all(len(piece) for piece in pieces)


def test_a_longest_piece_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be"):
        split_at_silence(np.zeros(100, np.float32), 0.0)


def test_joining_fades_one_into_the_next() -> None:
    ones = np.ones(RATE, np.float32)
    whole = joined([ones, 3 * ones], 0.01)
    assert len(whole) == 2 * RATE - 160
    np.testing.assert_array_equal(whole[: RATE - 160], 1)
    np.testing.assert_array_equal(whole[RATE:], 3)
    assert np.all(np.diff(whole[RATE - 161 : RATE + 1]) > 0)
    np.testing.assert_allclose(joined([ones, ones], 0.01), 1, atol=1e-6)


def test_joining_little_or_nothing() -> None:
    assert joined([]).shape == (0,)
    np.testing.assert_array_equal(joined([np.ones(5, np.float32), np.zeros(0, np.float32)]), 1)
    assert len(joined([np.ones(4, np.float32)] * 3, 1.0)) == 12 - 2 - 2


def test_no_more_pieces_than_needed() -> None:
    wave = speech_with_pauses(1.9, [0.55])  # a pause so early that two cuts would have to follow
    assert len(split_at_silence(wave, 1.0)) == 2
