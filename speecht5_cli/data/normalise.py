"""Text normalisers for scoring: one name, one function str -> str.

A score always comes raw as well; the normaliser only takes away what is a matter of writing. It is applied to
reference and hypothesis alike, and never knows a vocabulary.
"""

import unicodedata
from collections.abc import Callable
from difflib import get_close_matches

from speecht5_cli.data.numerals import numbers_read
from speecht5_cli.errors import ConfigError

_APOSTROPHES = {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'"}


def unchanged(text: str) -> str:
    """The text as it stands, with its blanks folded."""
    return " ".join(text.split())


def lower(text: str) -> str:
    """NFKC, lower case, no punctuation or symbols except apostrophes inside words, blanks folded."""
    return _without_punctuation(_lowered(text))


def english(text: str) -> str:
    """As `lower`, and numbers as words."""
    return _without_punctuation(numbers_read(_lowered(text)))


NORMALISERS: dict[str, Callable[[str], str]] = {"none": unchanged, "lower": lower, "english": english}


def normaliser(name: str) -> Callable[[str], str]:
    """The normaliser of that name. Raises ConfigError that lists the known ones."""
    if name not in NORMALISERS:
        near = get_close_matches(name, NORMALISERS, 1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ConfigError(f"no text normaliser '{name}'; {hint}known: {', '.join(NORMALISERS)}")
    return NORMALISERS[name]


def _lowered(text: str) -> str:
    """Compatibility characters folded, lower case; one kind of apostrophe, no invisible characters."""
    text = "".join(_APOSTROPHES.get(char, char) for char in text)  # before NFKC, which splits the acute accent
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def _without_punctuation(text: str) -> str:
    """Punctuation and symbols become blanks; an apostrophe inside a word stays."""
    kept = []
    for i, char in enumerate(text):
        inside = 0 < i < len(text) - 1 and _is_of_word(text[i - 1]) and _is_of_word(text[i + 1])
        kept.append(char if _is_of_word(char) or (char == "'" and inside) else " ")
    return " ".join("".join(kept).split())


def _is_of_word(char: str) -> bool:
    """Letters, their marks, and digits."""
    return unicodedata.category(char)[0] in "LMN"
