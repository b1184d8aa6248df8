"""How often the right class was said, and which classes are taken for which (error rates of trials: data/trials)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from speecht5_cli.errors import DataError
from speecht5_cli.plugins import Scores

_FULL_TABLE = 40  # classes; a wider table is of no use to anybody
_N_CONFUSIONS = 50  # that are listed
_TOP = 5

Pairs = Counter[tuple[str, str]]  # (class, what was said) -> utterances


def class_scores(
    references: Mapping[str, str], hypotheses: Mapping[str, str], nbest: Mapping[str, Sequence[str]] | None = None
) -> Scores:
    """Accuracy in per cent of `hypotheses` (utterance -> class, with the keys of `references`).

    With `nbest` (utterance -> classes, best first, for every utterance) also the share of utterances whose class is
    among the first five. Raises DataError when there is nothing to score.
    """
    if not references:
        raise DataError("no reference, so there is nothing to score")
    right = {utterance: hypotheses[utterance] == label for utterance, label in references.items()}
    values = {"accuracy": _percent(right.values())}
    settings = {"accuracy": "per cent of utterances whose class is right"}
    if nbest:
        values["top5_accuracy"] = _percent(label in nbest[name][:_TOP] for name, label in references.items())
        settings["top5_accuracy"] = f"per cent of utterances whose class is among the best {_TOP}"
    pairs = Counter((label, hypotheses[utterance]) for utterance, label in references.items())
    classes = set(references.values())
    return Scores(
        values=values,
        settings=settings,
        aligned="\n".join([_confusions(pairs), _by_class(pairs), _table(pairs)]),
        per_utterance={utterance: {"right": float(is_right)} for utterance, is_right in right.items()},
        counts={
            "utterances": len(references),
            "right": sum(right.values()),
            "classes": len(classes),
            "classes never said": len(classes - set(hypotheses.values())),
        },
    )


def _percent(hits: Iterable[bool]) -> float:
    hits = list(hits)
    return 100 * sum(hits) / len(hits)


def _confusions(pairs: Pairs) -> str:
    """What was taken for what, the most frequent first."""
    wrong = sorted(((pair, n) for pair, n in pairs.items() if pair[0] != pair[1]), key=lambda item: (-item[1], item[0]))
    rows = [(str(n), label, said) for (label, said), n in wrong[:_N_CONFUSIONS]]
    left_out = f"and {len(wrong) - len(rows)} more\n" if len(wrong) > len(rows) else ""
    return "Confusions\n" + _columns([("times", "class", "taken for"), *rows]) + left_out


def _by_class(pairs: Pairs) -> str:
    """For every class: how often it came, was found, and was said."""
    came: Counter[str] = Counter()
    said: Counter[str] = Counter()
    for (label, other), n in pairs.items():
        came[label] += n
        said[other] += n
    rows = []
    for label in sorted(came | said):
        n_right = pairs[label, label]
        accuracy = f"{100 * n_right / came[label]:.1f}" if came[label] else "-"
        rows.append((label, str(came[label]), str(n_right), str(said[label]), accuracy))
    return "Classes\n" + _columns([("class", "utterances", "right", "said", "accuracy"), *rows])


def _table(pairs: Pairs) -> str:
    """Everything against everything, while it fits on a page."""
    labels = sorted({label for pair in pairs for label in pair})
    if len(labels) > _FULL_TABLE:
        return ""
    rows = [(label, *(str(pairs[label, said] or ".") for said in labels)) for label in labels]
    return "Confusion table: a row a class, a column what was said\n" + _columns([("", *labels), *rows])


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as text, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"
