"""Scores on disk: scores.json and scores.txt in the folder of the hypotheses.

scores.json holds all that RESULTS.md says of a set (see score/page.py), so that the page can be made anew at any time.
Nothing here knows what a task is, or what its values mean.
"""

import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from speecht5_cli import __version__
from speecht5_cli.config import Tree, from_tree
from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_write
from speecht5_cli.plugins import Scores

JSON, TEXT = "scores.json", "scores.txt"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What scores.json says of a set."""

    task: str
    reference: str  # the data dir, as the user typed it
    values: dict[str, float | None]  # None: there is no such number, as the error rate of nothing
    counts: dict[str, int]
    settings: dict[str, str]
    command: str  # that scored
    date: str
    version: str
    decoded: Tree  # decode.json; empty where the hypotheses came without one
    per_utterance: dict[str, dict[str, float | None]]
    parts: dict[str, dict[str, dict[str, float | None]]] = field(default_factory=dict)  # as plugins.Scores has them


def write_scores(
    folder: Path, scores: Scores, *, task: str, reference: str, command: str, decoded: Mapping[str, Any]
) -> None:
    """Write scores.json and, for people, scores.txt into a folder of hypotheses."""
    per_utterance = scores.per_utterance or {}
    result = Result(
        task=task,
        reference=reference,
        values=_rounded(scores.values),
        counts=scores.counts or {},
        settings=scores.settings,
        command=command,
        date=time.strftime("%Y-%m-%d %H:%M:%S"),
        version=__version__,
        decoded=dict(decoded),
        per_utterance={utterance: _rounded(values) for utterance, values in per_utterance.items()},
        parts={
            title: {part: _rounded(values) for part, values in parts.items()}
            for title, parts in (scores.parts or {}).items()
        },
    )
    with atomic_write(folder / TEXT) as out:
        out.write(_text(result, scores.aligned))
    with atomic_write(folder / JSON) as out:
        json.dump(asdict(result), out, indent=1, ensure_ascii=False)


def read_scores(folder: Path) -> Result:
    """What scores.json of a decoded set says. Raises DataError when it is missing or broken."""
    path = folder / JSON
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; `speecht5 score` writes it") from None
    except ValueError as error:
        raise DataError(f"{path}: not readable as JSON: {error}") from None
    return from_tree(Result, tree, str(path))


def decoded_sets(experiments: Iterable[Path]) -> list[Path]:
    """The folders of hypotheses below experiments, each with its decode.json, sorted."""
    files = {file for experiment in experiments for file in experiment.glob("decode/*/decode.json")}
    return sorted(file.parent for file in files if not file.parent.name.startswith("."))  # hidden: still being written


def names(tables: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys of all tables, in the order in which they come first."""
    return list(dict.fromkeys(key for table in tables for key in table))


def shown(value: float | None) -> str:
    """A score with the two decimals that people compare."""
    return "-" if value is None else f"{value:.2f}"


def _rounded(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: round(float(value), 4) if math.isfinite(value) else None for name, value in values.items()}


def _text(result: Result, aligned: str) -> str:
    numbers = {name: shown(value) for name, value in result.values.items()}
    numbers |= {name: str(count) for name, count in result.counts.items()}
    width = max(map(len, numbers), default=0)
    lines = [f"{result.task}, compared with {result.reference}", ""]
    lines += [f"{name:<{width}}  {number:>10}" for name, number in numbers.items()]
    lines += ["", *(f"{name}: {setting}" for name, setting in result.settings.items()), "", aligned]
    return "\n".join(lines)
