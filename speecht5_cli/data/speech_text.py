"""Text as it is spoken: numbers, dates, times, amounts, abbreviations and signs as words; long texts in parts.

A language's reader is a function in READERS; for another language that num2words knows, whole and decimal numbers are
read. Text without any of these stays as it is, so that a model sees the words it was trained on.
"""

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches

from speecht5_cli.data.english_reading import read_english
from speecht5_cli.errors import ConfigError, DataError

READERS: dict[str, Callable[[str], str]] = {"en": read_english}

_NUMBER = re.compile(r"(?<![\w.,])\d+(?:\.\d+)?(?![\w]|[.,]\d)")
# A part ends behind these and what closes a quotation; Chinese and Japanese put no blank behind their full stops.
_SENTENCE_END = re.compile(r"""(?<=[.!?…])["'”’)\]]*\s+|(?<=[。！？])""")
_CLAUSE_END = re.compile(r"(?<=[,;:—–])\s+|(?<=[、，；：])(?=.)")
_INITIAL = re.compile(r"(?:^|\s)\w\.$")  # as in "J. Smith", which is no end of a sentence


def spoken(text: str, language: str = "en") -> str:
    """The text in words, with its blanks folded; for "none" as it is.

    Raises ConfigError for a language that nothing can read.
    """
    if language == "none":
        return text
    reader = READERS.get(language) or _by_num2words(language)
    return " ".join(reader(text).split())


def _by_num2words(language: str) -> Callable[[str], str]:
    """Numbers read in any language of num2words'."""
    from num2words import CONVERTER_CLASSES, num2words

    if language not in CONVERTER_CLASSES:
        near = get_close_matches(language, [*READERS, *CONVERTER_CLASSES], 1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(sorted({*READERS, *CONVERTER_CLASSES}))}"
        raise ConfigError(f"no reader for the language '{language}'; {hint}")
    return lambda text: _NUMBER.sub(lambda match: num2words(match[0], lang=language), text)


def sentences(text: str, limit: int) -> list[str]:
    """The text in parts of at most `limit` characters: whole sentences where they fit, else clauses, else words.

    As much goes into a part as fits. A text without words has no part. Raises DataError for a word that is too long.
    """
    return _packed(_sentences(" ".join(text.split())), limit, [_clauses, _words])


def _packed(parts: Iterator[str], limit: int, finer: list[Callable[[str], Iterator[str]]]) -> list[str]:
    """Neighbouring parts joined as far as they fit; those that do not fit alone, cut more finely."""
    packed: list[str] = []
    for part in parts:
        if packed and len(packed[-1]) + 1 + len(part) <= limit:
            packed[-1] = f"{packed[-1]} {part}"
        elif len(part) <= limit:
            packed.append(part)
        elif finer:
            packed += _packed(finer[0](part), limit, finer[1:])
        else:
            raise DataError(f"the word '{part[:40]}...' has {len(part)} characters; at most {limit} are spoken at once")
    return packed


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for end in _SENTENCE_END.finditer(text):
        if not _INITIAL.search(text[start : end.start()]):
            yield text[start : end.end()].strip()
            start = end.end()
    yield from filter(None, [text[start:].strip()])


def _clauses(text: str) -> Iterator[str]:
    return (part.strip() for part in _CLAUSE_END.split(text))


def _words(text: str) -> Iterator[str]:
    return iter(text.split())
