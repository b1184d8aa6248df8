"""Names from a corpus as parts of utterance ids and as speakers."""

from urllib.parse import quote


def escaped(name: str) -> str:
    """A name for the part of an id behind the speaker: blanks, slashes and what does not print as %20 and the like."""
    if name.isprintable() and " " not in name and "/" not in name and "%" not in name:
        return name
    return "".join(char if char.isprintable() and char not in " /%" else quote(char, safe="") for char in name)


class SpeakerNames:
    """Speaker -> a name of letters, digits and '_', different for each; the first ones keep theirs.

    With these characters alone, and '-' behind them, Kaldi's two rules of sorting hold together.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()

    def __getitem__(self, speaker: str) -> str:
        if speaker not in self._names:
            plain = "".join(char if char.isalnum() or char == "_" else "_" for char in speaker) or "_"
            name, number = plain, 1
            while name in self._taken:
                number += 1
                name = f"{plain}_{number}"
            self._taken.add(name)
            self._names[speaker] = name
        return self._names[speaker]

    def changed(self) -> dict[str, str]:
        """Speaker -> name, of those whose name is another."""
        return {speaker: name for speaker, name in self._names.items() if speaker != name}
