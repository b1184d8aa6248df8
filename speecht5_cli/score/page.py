"""RESULTS.md of a recipe folder, made from its scores.json files; what stands above the marker is kept.

A number is published with what is needed to get it again: the command that decoded, a hash of the experiment's
configuration, how the score was computed, and the versions. No path of this machine comes into the page.
"""

import platform
import re
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from speecht5_cli import __version__
from speecht5_cli.files import atomic_write
from speecht5_cli.provenance import fingerprint
from speecht5_cli.score.results import JSON, Result, names, read_scores, shown

PAGE = "RESULTS.md"
MARKER = "<!-- generated below: speecht5 score -->"
_ABSOLUTE = re.compile(r"(?<![\w.~:/-])/[^\s,'\"\[\]{}:;=|]+")  # a path in a command line


@dataclass(frozen=True)
class Row:
    """A scored set of an experiment."""

    experiment: str  # its folder, from the recipe's
    set: str
    config: str  # fingerprint of the experiment's configuration
    result: Result


def write_page(recipe: Path, folders: Iterable[Path]) -> Path:
    """Rewrite RESULTS.md of a recipe folder from those of `folders` that have scores; return its path."""
    path = recipe / PAGE
    old = path.read_text(encoding="utf-8") if path.exists() else f"# Results of {recipe.resolve().name}\n"
    by_hand = old.partition(MARKER)[0].rstrip("\n")
    rows = [_row(folder, recipe) for folder in folders if (folder / JSON).exists()]
    with atomic_write(path) as out:
        out.write(f"{by_hand}\n\n{MARKER}\n\n{_page(rows, recipe)}")
    return path


def environment(folder: Path) -> dict[str, str]:
    """Versions, as far as they can be asked without importing anything heavy."""
    found = {"date": time.strftime("%Y-%m-%d"), "speecht5": __version__, "python": platform.python_version()}
    for package in ("torch", "torchaudio"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found | _commit(folder)


def portable(text: str, recipe: Path) -> str:
    """The text with absolute paths shortened: from the recipe folder, or, outside of it, to their last part."""

    def shortened(match: re.Match[str]) -> str:
        path = Path(match[0])
        return str(path.relative_to(root)) if path.is_relative_to(root) else f".../{path.name}"

    root = recipe.absolute()
    return _ABSOLUTE.sub(shortened, text)


def _row(folder: Path, recipe: Path) -> Row:
    experiment = folder.parent.parent
    name = portable(str(experiment), recipe)
    return Row(name, folder.name, fingerprint(experiment / "config.yaml"), read_scores(folder))


def _commit(folder: Path) -> dict[str, str]:
    """Short hash and date of the last commit, where there is a repository."""
    command = ["git", "-C", str(folder), "log", "-1", "--format=%h (%cs)"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return {}
    return {"git": done.stdout.strip()} if done.returncode == 0 else {}


def _page(rows: Sequence[Row], recipe: Path) -> str:
    head = "Written by `speecht5 score` from `exp/*/decode/*/scores.json`; write above the marker, which is kept.\n\n"
    head += "".join(f"- {name}: {value}\n" for name, value in environment(recipe).items())
    tasks = sorted({row.result.task for row in rows})
    return "\n".join([head, *(_task(task, [row for row in rows if row.result.task == task], recipe) for task in tasks)])


def _task(task: str, rows: Sequence[Row], recipe: Path) -> str:
    commands = [f"`{portable(row.result.decoded.get('command', 'another toolkit'), recipe)}`" for row in rows]
    settings = [(row, portable(f"{name}: {how}", recipe)) for row in rows for name, how in row.result.settings.items()]
    decoded_by, scored_by = _grouped(zip(rows, commands), len(rows)), _grouped(settings, len(rows))
    tables = "\n".join([_table(rows), *(_parts(row, title) for row in rows for title in row.result.parts)])
    return f"## {task}\n\n{tables}\nDecoded by\n\n{decoded_by}\nWhat the scores are\n\n{scored_by}"


def _table(rows: Sequence[Row]) -> str:
    values, counts = names(row.result.values for row in rows), names(row.result.counts for row in rows)
    lines = [
        _line(["experiment", "set", *values, *counts, "RTF", "config"]),
        _line([":--", ":--", *["--:"] * (len(values) + len(counts) + 1), ":--"]),
    ]
    for row in rows:
        result = row.result
        numbers = [shown(result.values.get(name)) for name in values]
        numbers += [str(result.counts.get(name, "-")) for name in counts]
        lines.append(_line([row.experiment, row.set, *numbers, shown(result.decoded.get("rtf")), f"`{row.config}`"]))
    return "\n".join(lines) + "\n"


def _parts(row: Row, title: str) -> str:
    """The scores of the parts of one set, a line a part."""
    parts = row.result.parts[title]
    columns = [name for name in names(parts.values()) if name != "utterances"]
    lines = [_line([title, *columns, "utterances"]), _line([":--", *["--:"] * (len(columns) + 1)])]
    for part, values in parts.items():
        n_utterances = f"{values.get('utterances') or 0:.0f}"
        lines.append(_line([part, *(shown(values.get(name)) for name in columns), n_utterances]))
    return f"{row.experiment} on {row.set}, by {title}\n\n" + "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _grouped(texts: Iterable[tuple[Row, str]], n_rows: int) -> str:
    """A list of the texts, each said once, with the sets that it holds for unless it holds for all of `n_rows`."""
    groups: dict[str, list[str]] = {}
    for row, text in texts:
        groups.setdefault(text, []).append(f"{row.experiment} {row.set}")
    return "".join(
        f"- {text}\n" if len(sets) == n_rows else f"- {', '.join(sets)}: {text}\n" for text, sets in groups.items()
    )
