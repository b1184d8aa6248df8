"""WSJ0 (LDC93S6A): where an utterance's recording lies, and what was said in it."""

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from speecht5_cli.errors import DataError

_SUFFIXES = (".wav", ".wv1", ".flac")
_DOT_LINE = re.compile(r"(.*)\((\w{8})\)\s*")
_NO_WORDS = re.compile(r"\[[^\]]*\]|(?<!\S)[.~\-]+(?!\S)")  # noises, pauses, cut-off and hesitation marks
_NAMED_SIGN = re.compile(r"^[^\w\s']+(?=[A-Za-z])")  # ,COMMA is read out as COMMA


class Wsj0:
    """The corpus in a folder that holds si_tr_s and the like, or `wsj0` with them."""

    def __init__(self, root: Path) -> None:
        self.root = root / "wsj0" if (root / "wsj0").is_dir() else root
        if not any(self.root.glob("si_*")):
            raise DataError(f"{root}: no WSJ0: expected folders such as si_tr_s or wsj0/si_tr_s")

    def recording(self, listed: str) -> Path | None:
        """The file of a path as WHAM!'s lists have it (wsj0/si_tr_s/011/011a0101.wav), whatever its format here."""
        relative = Path(listed.removeprefix("wsj0/"))
        candidates = (self.root / relative.with_suffix(suffix) for suffix in _SUFFIXES)
        return next((path for path in candidates if path.is_file()), None)

    @cached_property
    def texts(self) -> dict[str, str]:
        """Utterance -> words in lower case, from the .dot files, wherever they are below the corpus; empty without."""
        return {name: text for file in sorted(self.root.rglob("*.dot")) for name, text in _dot_lines(file)}


def _dot_lines(file: Path) -> Iterator[tuple[str, str]]:
    for line in file.read_text(encoding="latin-1").splitlines():
        if match := _DOT_LINE.fullmatch(line):
            yield match[2].lower(), spoken_words(match[1])


def spoken_words(transcript: str) -> str:
    """The words of a detailed transcript, without noises in brackets and marks of stress, deletion and the like."""
    plain = _NO_WORDS.sub(" ", transcript.replace("\\", ""))
    plain = re.sub(r"[*<>!;:]", "", plain)
    words = (_NAMED_SIGN.sub("", word) if not word[0].isalnum() else word for word in plain.split())
    return " ".join(word.strip('"`()?,.') for word in words).lower()
