"""Masks and noise at the edges, and again; their statistics are compared with the original's in tests/golden."""

from collections.abc import Callable

import numpy as np
import pytest

from speecht5_cli.data.corruption import SpanMask, TextNoise, infilled, span_mask

MASK, N_SYMBOLS = 99, 90
SPANS = SpanMask(prob=0.8, length=10, min_spans=2)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def noisy(tokens: list[int], rng: np.random.Generator, **noise: float) -> list[int]:
    return infilled(np.array(tokens), TextNoise(**noise), mask=MASK, n_symbols=N_SYMBOLS, rng=rng).tolist()


def test_nothing_to_hide(rng: np.random.Generator) -> None:
    assert span_mask(np.array([50, 40]), SpanMask(prob=0.0, length=10, min_spans=2), rng) is None


@pytest.mark.parametrize("lens", [[0], [1], [1, 50], [0, 0]])
def test_a_row_of_at_most_one_position_hides_nothing_in_the_whole_batch(
    lens: list[int], rng: np.random.Generator
) -> None:
    """Equally many in every row, and its own only position must stay."""
    mask = span_mask(np.array(lens), SPANS, rng)
    assert mask is not None
    assert mask.shape == (len(lens), max(lens))
    assert not mask.any()


@pytest.mark.parametrize("n", [2, 3, 9, 10, 11, 12, 13, 25])
def test_rows_hardly_longer_than_a_span(n: int, rng: np.random.Generator) -> None:
    for _ in range(50):
        mask = span_mask(np.array([n]), SPANS, rng)
        assert mask is not None and mask.shape == (1, n)
        assert mask.any()


def test_every_row_hides_equally_many_and_no_pad(rng: np.random.Generator) -> None:
    lens = np.array([100, 60, 35])
    for _ in range(50):
        mask = span_mask(lens, SPANS, rng)
        assert mask is not None
        assert len(set(mask.sum(1).tolist())) == 1
        assert not any(row[n:].any() for row, n in zip(mask, lens))


def test_least_number_of_spans(rng: np.random.Generator) -> None:
    """prob asks for none in so short a row."""
    rare = SpanMask(prob=0.001, length=3, min_spans=2)
    counts = {int(mask.sum()) for _ in range(100) if (mask := span_mask(np.array([40]), rare, rng)) is not None}
    assert counts <= {4, 5, 6} and 6 in counts  # two spans of 3, which may overlap
    none = SpanMask(prob=0.001, length=3)
    drawn = [span_mask(np.array([40]), none, rng) for _ in range(20)]
    assert sum(int(mask.sum()) for mask in drawn if mask is not None) <= 3


@pytest.mark.parametrize("tokens", [[0, 2], [0, 5, 2]])
def test_the_shortest_texts(tokens: list[int], rng: np.random.Generator) -> None:
    for _ in range(50):
        result = noisy(tokens, rng)
        assert (result[0], result[-1]) == (0, 2)
        assert len(result) <= len(tokens) + 1
    assert noisy([0, 2], rng) == [0, 2]
    assert any(noisy([0, 5, 2], rng) == [0, MASK, 2] for _ in range(50))


def test_without_noise_the_text_stays_and_is_a_copy(rng: np.random.Generator) -> None:
    tokens = np.array([0, 5, 6, 7, 2])
    result = infilled(tokens, TextNoise(share=0.0), mask=MASK, n_symbols=N_SYMBOLS, rng=rng)
    assert result.tolist() == tokens.tolist()
    result[1] = 50
    assert tokens[1] == 5


def test_everything_may_be_hidden(rng: np.random.Generator) -> None:
    for _ in range(50):
        result = noisy([0, *range(4, 24), 2], rng, share=1.0, random_share=0.0)
        assert (result[0], result[-1]) == (0, 2)
        assert MASK in result


def test_what_is_not_hidden_keeps_its_order(rng: np.random.Generator) -> None:
    clean = list(range(4, 64))
    for _ in range(100):
        result = noisy([0, *clean, 2], rng, random_share=0.0)
        kept = [symbol for symbol in result[1:-1] if symbol != MASK]
        assert kept == sorted(set(kept) & set(clean))
        assert len(kept) < len(clean)


def test_random_symbols_are_any_but_the_first(rng: np.random.Generator) -> None:
    strangers = {symbol for _ in range(300) for symbol in noisy([0, *[70] * 20, 2], rng, random_share=1.0)[1:-1]}
    assert MASK not in strangers
    assert min(strangers) >= 1 and max(strangers) < N_SYMBOLS
    assert len(strangers) > 60


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: span_mask(np.array([90, 80]), SPANS, rng),
        lambda rng: infilled(np.arange(60), TextNoise(), mask=MASK, n_symbols=N_SYMBOLS, rng=rng),
    ],
)
def test_a_function_of_the_generator(draw: Callable[[np.random.Generator], np.ndarray]) -> None:
    first, again, other = (draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
