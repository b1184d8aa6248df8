"""Scores of parts of a set: a column a group, such as a speaker or a signal-to-noise ratio."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice

_COLUMNS = 12  # groups beside each other; further ones below

Numbers = Mapping[str, float]


def mean(values: Sequence[float]) -> float:
    """Over what is finite; not a number where nothing is."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan


def means_by(groups: Mapping[str, str], numbers: Mapping[str, Numbers]) -> dict[str, dict[str, float]]:
    """The mean numbers of each group (utterance -> group), "utterances" first; numeric groups are sorted as numbers.

    Numbers named words* and errors* become the error rate wer* of the group.
    """
    members: dict[str, list[Numbers]] = {}
    for utterance, values in numbers.items():
        members.setdefault(groups[utterance], []).append(values)
    return {group: _means(members[group]) for group in sorted(members, key=_order)}


def table(title: str, means: Mapping[str, Numbers]) -> str:
    """What `means_by` gives, as a text for people."""
    names = list(dict.fromkeys(name for column in means.values() for name in column))
    remaining, blocks = iter(means), []
    while some := list(islice(remaining, _COLUMNS)):
        lines = [["", *some], *([name, *(_shown(name, means[group]) for group in some)] for name in names)]
        blocks.append(_aligned(lines))
    return f"Means by {title}\n" + "\n".join(blocks)


def _means(values: Sequence[Numbers]) -> dict[str, float]:
    """The count and the error rates first."""
    rates: dict[str, float] = {"utterances": len(values)}
    means: dict[str, float] = {}
    for name in dict.fromkeys(name for one in values for name in one):
        having = [one[name] for one in values if name in one]
        if name.startswith("words"):
            reading = name.removeprefix("words")
            n_errors = sum(one[f"errors{reading}"] for one in values)
            rates[f"wer{reading}"] = 100 * n_errors / sum(having) if sum(having) else math.nan
        elif not name.startswith("errors"):
            means[name] = mean(having)
    return rates | means


def _order(group: str) -> tuple[float, str]:
    try:
        return float(group), ""
    except ValueError:
        return math.inf, group


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines)]
    rows = (
        [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))] for line in lines
    )
    return "".join(f"{'  '.join(row).rstrip()}\n" for row in rows)


def _shown(name: str, numbers: Numbers) -> str:
    value = numbers.get(name, math.nan)
    if not math.isfinite(value):
        return "-"
    return str(value) if name == "utterances" else f"{value:.2f}"
