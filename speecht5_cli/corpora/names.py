"""Names from a corpus as parts of utterance ids and as speakers."""

from collections.abc import Iterable
from urllib.parse import quote


def escaped(name: str) -> str:
    """A name for the part of an id behind the speaker: blanks, slashes and what does not print as %20 and the like."""
    if name.isprintable() and " " not in name and "/" not in name and "%" not in name:
        return name
    return "".join(char if char.isprintable() and char not in " /%" else quote(char, safe="") for char in name)


def speaker_names(speakers: Iterable[str]) -> dict[str, str]:
    """Speaker -> a name of letters, digits and '_', different for each.

    With these characters alone, and '-' behind them, Kaldi's two rules of sorting hold together.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for speaker in sorted(set(speakers)):
        plain = "".join(char if char.isalnum() or char == "_" else "_" for char in speaker) or "_"
        name, number = plain, 1
        while name in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name)
        names[speaker] = name
    return names
