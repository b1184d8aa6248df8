"""Hiding parts of speech and text, as pure functions of a random generator (spec 2.1.1 and 3.7).

B rows   n positions of a row
"""

from dataclasses import dataclass
from functools import cache
from math import ceil, exp

import numpy as np


@dataclass(frozen=True, kw_only=True)
class SpanMask:
    """Spans to hide: about prob * n / length of them in n positions, drawn with overlap. prob 0: none."""

    prob: float
    length: int
    min_spans: int = 0


def span_mask(lens: np.ndarray, spans: SpanMask, rng: np.random.Generator) -> np.ndarray | None:
    """Valid lengths (B,) -> (B, max length) bool, True where hidden; None when nothing is to be hidden.

    As the original code does, every row is thinned at random to the smallest count of the batch.
    """
    if spans.prob == 0:
        return None
    rows = [_hidden(int(n), spans, rng) for n in lens]
    fewest = min(map(len, rows))
    mask = np.zeros((len(lens), int(max(lens))), bool)
    for row, hidden in zip(mask, rows):
        row[hidden if len(hidden) == fewest else rng.choice(hidden, fewest, replace=False)] = True
    return mask


def _hidden(n: int, spans: SpanMask, rng: np.random.Generator) -> np.ndarray:
    """Hidden positions of a row of n."""
    n_spans = max(spans.min_spans, int(spans.prob * n / spans.length + rng.random()))
    if n_spans == 0 or n < 2:
        return np.empty(0, int)
    starts = n - spans.length
    if starts <= n_spans:  # a short row: start anywhere, cut at the end
        starts = n_spans + 1
    chosen = rng.choice(starts, n_spans, replace=False)
    positions = np.unique(chosen[:, None] + np.arange(spans.length))
    return positions[positions < n]


@dataclass(frozen=True, kw_only=True)
class TextNoise:
    """BART's text infilling: a share of the tokens, in Poisson-long spans, each replaced by one mask."""

    share: float = 0.3
    mean_span: float = 3.5
    random_share: float = 0.1  # of the masks that are random tokens instead


@cache
def _span_law(mean: float) -> np.ndarray:
    """Probabilities of span lengths 0, 1, ...: Poisson, cut where it falls below 1e-7."""
    p = exp(-mean)
    law: list[float] = []
    while p >= 1e-7 or len(law) < mean:
        law.append(p)
        p *= mean / len(law)
    return np.asarray(law) / sum(law)


def infilled(
    tokens: np.ndarray, noise: TextNoise, *, mask: int, n_symbols: int, rng: np.random.Generator
) -> np.ndarray:
    """tokens (n,), its first and last a mark that stays -> the tokens with spans replaced by masks (m,)."""
    inner = len(tokens) - 2
    budget = ceil(np.float32(noise.share) * np.float32(inner))  # as the original rounds: 61 of 200, not 60
    if inner < 1 or budget == 0:
        return tokens.copy()
    lengths = _span_lengths(budget, noise.mean_span, rng)
    spans = lengths[lengths > 0]
    starts = 1 + rng.permutation(inner)[: len(spans)]
    keep = np.ones(len(tokens), bool)
    for start, length in zip(starts, spans):
        keep[start + 1 : min(start + length, len(tokens) - 1)] = False
    result = tokens.copy()
    result[starts] = _masks(rng.random(len(starts)) < noise.random_share, mask, n_symbols, rng)
    return _with_insertions(result[keep], len(lengths) - len(spans), noise, mask=mask, n_symbols=n_symbols, rng=rng)


def _span_lengths(budget: int, mean: float, rng: np.random.Generator) -> np.ndarray:
    """Span lengths that sum to the budget; zeros among them stand for insertions."""
    law = _span_law(mean)
    lengths = rng.choice(len(law), budget, p=law)
    while lengths.sum() < budget:
        lengths = np.append(lengths, rng.choice(len(law), budget, p=law))
    sums = lengths.cumsum()
    last = int(np.searchsorted(sums, budget))
    lengths[last] -= sums[last] - budget
    return lengths[: last + 1]


def _masks(random: np.ndarray, mask: int, n_symbols: int, rng: np.random.Generator) -> np.ndarray:
    """A mask for each place, or a random token (any but the first symbol) where `random`."""
    return np.where(random, rng.integers(1, n_symbols, len(random)), mask)


def _with_insertions(
    tokens: np.ndarray, n: int, noise: TextNoise, *, mask: int, n_symbols: int, rng: np.random.Generator
) -> np.ndarray:
    """The tokens with n masks (a share of them random, rounded up) at random inner places."""
    if n == 0:
        return tokens
    places = 1 + rng.permutation(len(tokens) + n - 2)[:n]
    result = np.empty(len(tokens) + n, tokens.dtype)
    old = np.ones(len(result), bool)
    old[places] = False
    result[places] = _masks(np.arange(n) < ceil(noise.random_share * n), mask, n_symbols, rng)
    result[old] = tokens
    return result
