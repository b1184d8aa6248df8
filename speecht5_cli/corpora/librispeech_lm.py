"""LibriSpeech's text for language models (openslr.org/11): the unpaired text of pre-training."""

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.corpora.written_text import TEXT, TextReport
from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_write

FILES = ("librispeech-lm-norm.txt.gz", "librispeech-lm-norm.txt")
PUBLISHED_LINES = 40_418_261  # one of them empty; 803,288,729 words
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz' ")
_PLAIN_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ' \n"
_AS_A = bytes.maketrans(b"BCDEFGHIJKLMNOPQRSTUVWXYZ'", b"A" * 26)
_ODD_BLANKS = (b"  ", b" \n", b"\n ", b"\n\n")
_BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 20
_LOWER = "with letters in lower case, which all of them become"
_BLANKS = "with unusual blanks, which became plain ones"


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    longest_line: int = 5_000,
    longest_word: int = 100,
) -> list[TextReport]:
    """LibriSpeech's LM text, lower-cased, a sentence a line: `out`/text/train.txt.

    `source` is librispeech-lm-norm.txt.gz (or the same unpacked), or the folder that holds it. A line ends at a newline
    and nowhere else; blanks are folded. Left out, counted and listed: empty lines, lines that are not UTF-8, that hold
    anything but letters, the apostrophe and blanks, that have more than `longest_line` characters or a word of more
    than `longest_word`. Repeated lines stay, as in the corpus.

    Raises DataError for a file that is damaged, ends early, or has no usable line; then nothing is written.
    """
    chosen_parts(parts, [TEXT])
    file = _found(source)
    report = TextReport(out / TEXT / "train.txt")
    normaliser = _Normaliser(report, longest_line, longest_word)
    with _opened(file) as text, atomic_write(report.out, "wb") as written:
        for block in _whole_lines(text):
            written.write(normaliser.normalised(block))
        if not report.n_lines:
            reasons = ", ".join(f"{number} x {kind}" for kind, number in report.rejected.most_common(3))
            raise DataError(f"{file}: no usable line, so {report.out} is not written: {reasons or 'the file is empty'}")
    report.remarks += normaliser.remarks()
    report.write_rejected()
    return [report]


def _found(source: Path) -> Path:
    if source.is_file():
        return source
    for name in FILES:
        if (source / name).is_file():
            return source / name
    raise DataError(f"{source}: neither a file nor a folder with {FILES[0]}; get it from openslr.org/11")


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """The text's bytes. Raises DataError when the file is no gzip or does not come to its proper end."""
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as text:
            yield text  # type: ignore[misc]
    except EOFError:
        raise DataError(f"{file}: ends early; the download was cut off, get the rest of it (curl -C -)") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{file}: not readable as gzip: {error}; get it again") from None


def _whole_lines(text: IO[bytes]) -> Iterator[bytes]:
    """Blocks of about a megabyte, each of whole lines with their newlines; a missing last newline is added."""
    rest = text.read(len(_BOM)).removeprefix(_BOM)
    while block := text.read(_BLOCK):
        head, newline, tail = block.rpartition(b"\n")
        if newline:
            yield rest + head + newline
            rest = tail
        else:
            rest += block
    if rest:
        yield rest if rest.endswith(b"\n") else rest + b"\n"


class _Normaliser:
    """Turns the corpus's lines into ours, and keeps the report."""

    def __init__(self, report: TextReport, longest_line: int, longest_word: int) -> None:
        self.report = report
        self.longest_line, self.longest_word = longest_line, longest_word
        self._long_word = b"A" * (longest_word + 1)
        self._n_seen = 0
        self._notes: Counter[str] = Counter()

    def normalised(self, block: bytes) -> bytes:
        """A block of lines in lower case, without those that are of no use."""
        if self._is_plain(block):
            n_lines = block.count(b"\n")
            self._n_seen += n_lines
            self.report.n_lines += n_lines
            self.report.n_words += n_lines + block.count(b" ")
            return block.lower()
        return "".join(map(self._line, block[:-1].split(b"\n"))).encode()

    def remarks(self) -> Iterator[str]:
        """What there is to say about the whole file."""
        for note, number in sorted(self._notes.items()):
            yield f"{number} lines {note}"
        if self._n_seen != PUBLISHED_LINES:
            yield f"{self._n_seen} lines are here, {PUBLISHED_LINES} were published; is all of it there?"

    def _is_plain(self, block: bytes) -> bool:
        """Whether the block is as the corpus promises, so that nobody needs to look at its single lines."""
        return not (
            block.translate(None, _PLAIN_BYTES)
            or block[:1] in (b" ", b"\n")
            or any(blanks in block for blanks in _ODD_BLANKS)
            or max(map(len, block.split(b"\n"))) > self.longest_line
            or self._long_word in block.translate(_AS_A)
        )

    def _line(self, raw: bytes) -> str:
        """The line with its newline, or nothing."""
        self._n_seen += 1
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            self.report.reject(self._n_seen, "not UTF-8", f"{error.reason} at byte {error.start}")
            return ""
        words = text.lower().split()
        line = " ".join(words)
        if fault := self._fault(line, words):
            self.report.reject(self._n_seen, *fault)
            return ""
        if text != text.upper():
            self._notes[_LOWER] += 1
        if not text.rstrip("\r").replace("\t", " ").isprintable():
            self._notes[_BLANKS] += 1
        self.report.n_lines += 1
        self.report.n_words += len(words)
        return f"{line}\n"

    def _fault(self, line: str, words: list[str]) -> tuple[str, str] | None:
        if not words:
            return "empty", ""
        if strange := set(line) - _LETTERS:
            shown = ", ".join(f"{char} (U+{ord(char):04X})" for char in sorted(strange)[:5])
            return "foreign characters", shown if shown.isprintable() else ascii(shown)
        if len(line) > self.longest_line:
            return "too long a line", f"{len(line)} characters"
        longest = max(map(len, words))
        return ("too long a word", f"{longest} letters") if longest > self.longest_word else None
