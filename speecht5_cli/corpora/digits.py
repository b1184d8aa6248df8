"""Digits in words, in three languages, and strings of them."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

WORDS = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "de": ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
    "fr": ("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"),
}
STRING_LENGTHS = range(3, 7)
_MOST_STRINGS = sum(10**length for length in STRING_LENGTHS) // 2  # half of all: drawing stays quick


def in_words(digits: Sequence[int], language: str) -> str:
    """(3, 1) -> "three one"."""
    return " ".join(WORDS[language][digit] for digit in digits)


def digit_strings(n: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """`n` (at most 555,500) different strings of 3 to 6 digits; the first ones are the same for every `n`."""
    return list(islice(_different_strings(rng), min(n, _MOST_STRINGS)))


def _different_strings(rng: np.random.Generator) -> Iterator[tuple[int, ...]]:
    seen: set[tuple[int, ...]] = set()
    while True:
        length = int(rng.integers(STRING_LENGTHS.start, STRING_LENGTHS.stop))
        digits = tuple(int(digit) for digit in rng.integers(10, size=length))
        if digits not in seen:
            seen.add(digits)
            yield digits
