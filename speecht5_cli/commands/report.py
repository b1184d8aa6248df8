"""`speecht5 report`: where the experiments stand, from the files that training and scoring leave."""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from speecht5_cli.config import read_yaml
from speecht5_cli.errors import DataError, UsageError
from speecht5_cli.plugins import Metric, load_task
from speecht5_cli.score.results import JSON, decoded_sets, read_scores, shown

_LOSS = Metric("loss", "lower")  # judged by this where the task is not installed


@dataclass(frozen=True)
class Progress:
    """What metrics.jsonl of an experiment says; None where there is no such line yet."""

    step: int | None = None
    train_loss: float | None = None  # the last one
    best: float | None = None  # of the task's first metric on dev
    best_step: int | None = None


def add_to(app: typer.Typer) -> None:
    app.command("report", help="Training progress, best validation and scores of experiments.")(report)


def report(experiments: list[Path] = typer.Argument(None, metavar="[EXP]...", help="Default: exp/*.")) -> None:
    chosen = experiments or sorted(path.parent for path in Path("exp").glob("*/config.yaml"))
    if not chosen:
        raise UsageError("no exp/*/config.yaml here; start in a recipe folder, or name experiment folders")
    _print([_row(experiment) for experiment in chosen])


def read_progress(experiment: Path, metric: Metric) -> Progress:
    """Last step and loss, best value of the metric and its step. Raises DataError for a line that is no JSON."""
    step, train_loss, best, best_step = None, None, None, None
    for record in _records(experiment / "metrics.jsonl"):
        step = record["step"]
        if record["split"] == "train":
            train_loss = record.get("loss", train_loss)
        value = record.get(metric.name) if record["split"] == "dev" else None
        if value is not None and math.isfinite(value) and metric.improves(value, best):
            best, best_step = value, step
    return Progress(step, train_loss, best, best_step)


def _records(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    records = []
    for number, line in enumerate(lines, 1):
        try:
            records.append(json.loads(line))
        except ValueError:
            if number < len(lines):  # the last one may be half written: training goes on
                raise DataError(f"{path}:{number}: not readable as JSON: {line}") from None
    return records


def _row(experiment: Path) -> list[str]:
    task = str(read_yaml(experiment / "config.yaml").get("name", ""))
    metric = _first_metric(task)
    progress = read_progress(experiment, metric)
    best = "-" if progress.best is None else f"{metric.name} {progress.best:.4g} at {progress.best_step}"
    loss = "-" if progress.train_loss is None else f"{progress.train_loss:.4g}"
    step = "-" if progress.step is None else str(progress.step)
    return [str(experiment), task or "-", step, loss, best, "\n".join(_scores(experiment)) or "-"]


def _first_metric(task: str) -> Metric:
    try:
        return load_task(task).metrics[0]
    except (UsageError, IndexError):  # not installed any more, or without a measure of its own
        return _LOSS


def _scores(experiment: Path) -> list[str]:
    """A line a decoded set."""
    lines = []
    for folder in decoded_sets([experiment]):
        scored = (folder / JSON).exists()
        values = read_scores(folder).values if scored else {}
        numbers = " ".join(f"{name} {shown(value)}" for name, value in values.items())
        lines.append(f"{folder.name}: {numbers or 'not scored'}")
    return lines


def _print(rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("experiment", "task", "step", "train loss", "best on dev", "scores")
    for row in rows:
        table.add_row(*map(escape, row))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
