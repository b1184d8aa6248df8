"""Transcripts: which characters may stand in a line of `text`, and how the others are taken out."""

import re
from collections.abc import Iterable

# Kaldi's decoding graphs use these words themselves.
_RESERVED = re.compile(r"(?<!\w)(?:<s>|</s>|#0)(?!\w)", re.ASCII)
_JOINERS = "\u200c\u200d"  # not printable, but part of the spelling in Persian and in Indic scripts

UNUSUAL_BLANKS = "unusual blanks in the text"
UNPRINTABLE = "characters that do not print in the text"


def is_text_table(name: str) -> bool:
    """Whether a file of a data dir holds texts that people wrote: `text` or `text.<lang>`."""
    return name == "text" or name.startswith("text.")


def cleaned(text: str) -> tuple[str, tuple[str, ...]]:
    """The text with single plain blanks and without characters that do not print; and notes on what was changed.

    Every Unicode white space (U+2028, NEL, vertical tab, no-break space, ...) counts as a blank: programs that split
    lines at them would see two lines in one. Blanks at the ends and repeated blanks go without a note.
    """
    words = " ".join(text.split())
    notes = (UNUSUAL_BLANKS,) * bool(unusual_blanks(text))
    if words.isprintable():
        return words, notes
    kept = " ".join("".join(char for char in words if char.isprintable() or char in _JOINERS).split())
    notes += (UNPRINTABLE,) * bool(unprintable(words))
    return (kept if kept.strip(_JOINERS + " ") else ""), notes


def unusual_blanks(text: str) -> list[str]:
    """White space other than blank and tab, as code points: ["U+2028"]."""
    if text.isprintable():
        return []
    return _code_points(char for char in text if char.isspace() and char not in " \t")


def unprintable(text: str) -> list[str]:
    """Characters that are neither printable nor white space, as code points."""
    if text.isprintable():
        return []
    return _code_points(char for char in text if not (char.isprintable() or char.isspace() or char in _JOINERS))


def reserved(text: str) -> str | None:
    """The first word that Kaldi keeps for itself, if the text holds one."""
    found = _RESERVED.search(text) if "s>" in text or "#0" in text else None
    return found.group() if found else None


def _code_points(chars: Iterable[str]) -> list[str]:
    return [f"U+{ord(char):04X}" for char in dict.fromkeys(chars)]
