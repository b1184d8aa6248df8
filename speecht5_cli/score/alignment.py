"""Which reference token stands against which hypothesis token: jiwer's least number of edits, counted and shown.

The tables and the aligned lines are laid out as NIST's sclite does it, because people read them so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Literal

Unit = Literal["word", "character"]
Tokens = Sequence[str]
Column = tuple[str | None, str | None]

_COLUMNS = ("Corr", "Sub", "Del", "Ins", "Err", "S.Err")


@dataclass(frozen=True, slots=True)
class Alignment:
    """One utterance: columns of (reference token, hypothesis token); None stands for a gap."""

    columns: tuple[Column, ...]

    def marks(self) -> list[str]:
        """A letter a column: S, D, I, or C for correct."""
        return [
            "I" if reference is None else "D" if hypothesis is None else "C" if reference == hypothesis else "S"
            for reference, hypothesis in self.columns
        ]

    def counts(self) -> "Counts":
        """Correct, substituted, deleted and inserted tokens of this utterance."""
        marks = self.marks()
        n_correct, n_substituted, n_deleted, n_inserted = (marks.count(mark) for mark in "CSDI")
        return Counts(1, n_correct, n_substituted, n_deleted, n_inserted, n_correct < len(marks))


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over utterances."""

    n_utterances: int = 0
    n_correct: int = 0
    n_substituted: int = 0
    n_deleted: int = 0
    n_inserted: int = 0
    n_wrong_utterances: int = 0  # with at least one error

    @property
    def n_tokens(self) -> int:
        """Of the reference."""
        return self.n_correct + self.n_substituted + self.n_deleted

    @property
    def n_errors(self) -> int:
        """Tokens that were substituted, deleted or inserted."""
        return self.n_substituted + self.n_deleted + self.n_inserted

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other))))


def align(references: Mapping[str, str], hypotheses: Mapping[str, str], unit: Unit) -> dict[str, Alignment]:
    """Utterance -> alignment of its two texts. Both mappings have the same keys.

    Words are split at white space. Characters include the single blanks between words, as in jiwer and ESPnet.
    Against an empty reference every token is an insertion.
    """
    from jiwer import process_characters, process_words

    process = process_words if unit == "word" else process_characters
    texts = {name: (" ".join(text.split()), " ".join(hypotheses[name].split())) for name, text in references.items()}
    # jiwer before 4.0 refuses empty references
    alignments = {name: _inserted(hypothesis, unit) for name, (text, hypothesis) in texts.items() if not text}
    spoken = [name for name in texts if name not in alignments]
    if spoken:
        found = process([texts[name][0] for name in spoken], [texts[name][1] for name in spoken])
        for name, chunks, reference, said in zip(spoken, found.alignments, found.references, found.hypotheses):
            alignments[name] = Alignment(tuple(_columns(chunks, reference, said)))
    return {name: alignments[name] for name in references}


def _inserted(text: str, unit: Unit) -> Alignment:
    return Alignment(tuple((None, token) for token in (text.split() if unit == "word" else text)))


def _columns(chunks: Iterable[Any], reference: Tokens, said: Tokens) -> Iterable[Column]:
    for chunk in chunks:
        left = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        right = said[chunk.hyp_start_idx : chunk.hyp_end_idx]
        length = max(len(left), len(right))
        yield from zip([*left, *[None] * (length - len(left))], [*right, *[None] * (length - len(right))])


def aligned_text(alignments: Mapping[str, Alignment]) -> str:
    """REF, HYP and Eval lines of every utterance, tokens below each other."""
    blocks = []
    for name, alignment in alignments.items():
        counts = alignment.counts()
        blocks.append(
            f"id: ({name})\nScores: (#C #S #D #I) {counts.n_correct} {counts.n_substituted} {counts.n_deleted} "
            f"{counts.n_inserted}\n" + "\n".join(_lines(alignment))
        )
    return "\n\n".join(blocks) + "\n"


def _lines(alignment: Alignment) -> list[str]:
    from rich.cells import cell_len  # a Chinese character takes two columns of a terminal

    rows: list[list[str]] = [["REF: "], ["HYP: "], ["Eval:"]]
    for (reference, said), mark in zip(alignment.columns, alignment.marks()):
        width = max(cell_len(reference or ""), cell_len(said or ""))
        cells = ("*" * width if reference is None else reference, "*" * width if said is None else said)
        for row, cell in zip(rows, (*cells, "" if mark == "C" else mark)):
            row.append(cell + " " * (width - cell_len(cell)))
    return [" ".join(row).rstrip() for row in rows]


def summary_table(title: str, speakers: Mapping[str, Counts], unit: Unit) -> str:
    """sclite's table: a line a speaker and the sum; first in per cent of the reference tokens, then in numbers."""
    total = sum(speakers.values(), Counts())
    width = max(len("Sum/Avg"), *(len(name) for name in speakers), 0)
    token = "Wrd" if unit == "word" else "Chr"
    head = (
        f"| {'SPKR':<{width}} | {'# Snt':>6} {'# ' + token:>8} | " + "".join(f"{name:>8}" for name in _COLUMNS) + " |"
    )
    rule = "|" + "-" * (len(head) - 2) + "|"
    lines = [title, rule, head, rule]
    lines += [_percent_row(name, counts, width) for name, counts in speakers.items()]
    lines += [rule, _percent_row("Sum/Avg", total, width), rule]
    lines += [_number_row(name, counts, width) for name, counts in speakers.items()]
    lines += [rule, _number_row("Sum", total, width), rule]
    return "\n".join(lines) + "\n"


def _percent_row(name: str, counts: Counts, width: int) -> str:
    cells = [f"{_percent(part, counts.n_tokens):>8}" for part in _parts(counts)]
    return _row(name, counts, width, [*cells, f"{_percent(counts.n_wrong_utterances, counts.n_utterances):>8}"])


def _number_row(name: str, counts: Counts, width: int) -> str:
    return _row(name, counts, width, [f"{part:>8}" for part in (*_parts(counts), counts.n_wrong_utterances)])


def _row(name: str, counts: Counts, width: int, cells: list[str]) -> str:
    return f"| {name:<{width}} | {counts.n_utterances:>6} {counts.n_tokens:>8} | {''.join(cells)} |"


def _parts(counts: Counts) -> tuple[int, ...]:
    return counts.n_correct, counts.n_substituted, counts.n_deleted, counts.n_inserted, counts.n_errors


def _percent(part: int, whole: int) -> str:
    """One decimal, as sclite; nothing of nothing has no rate."""
    return f"{100 * part / whole:.1f}" if whole else "-"
