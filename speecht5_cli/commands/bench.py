"""`speecht5 bench`: how fast, beside others' code on this machine; what a precision costs."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from speecht5_cli.errors import UsageError
from speecht5_cli.files import atomic_write

if TYPE_CHECKING:
    from speecht5_cli.bench.measure import Effort, Row
    from speecht5_cli.bench.scores import Trial


class Group(str, Enum):
    encoder = "encoder"
    text = "text"  # searches for text
    speech = "speech"  # generation of log-mels
    vocoder = "vocoder"
    training = "training"
    features = "features"
    loading = "loading"  # of a model's folder
    kmeans = "kmeans"
    products = "products"  # of linear layers, by library
    costs = "costs"  # against length, batch and size of a corpus
    scores = "scores"  # of a trained model, by precision


def add_to(app: typer.Typer) -> None:
    app.command("bench", help="Measure this machine side by side with transformers and scikit-learn.")(bench)


def bench(
    groups: list[Group] = typer.Argument(None, help="What to measure [default: all but scores and costs]"),
    quick: bool = typer.Option(False, "--quick", help="The shortest cases, once: about a minute a group."),
    rounds: int = typer.Option(5, "--rounds", min=1, help="How often each side is timed."),
    threads: int = typer.Option(0, "--threads", help="Of torch [default: as many as there are cores]"),
    out: Path = typer.Option(None, "--out", help="JSON file for all numbers."),
    plot: Path = typer.Option(None, "--plot", metavar="PNG", help="For costs: draw the curves."),
    model: Path = typer.Option(None, "--model", help="For scores: experiment or model folder."),
    data: Path = typer.Option(None, "--data", help="For scores: data dir with what is right."),
) -> None:
    """Each side does the same work with the same weights, in turns; times are medians."""
    if Group.scores in (groups or ()):
        if model is None or data is None or len(groups) > 1:
            raise UsageError("`speecht5 bench scores` needs --model and --data, and no other group beside it")
        _scores(model, data, out)
        return
    wanted = groups or [group for group in Group if group not in (Group.scores, Group.costs)]
    if plot is not None and Group.costs not in wanted:
        raise UsageError("--plot draws the group costs: `speecht5 bench costs --plot FILE`")
    import torch

    from speecht5_cli.bench.measure import Effort

    if threads:
        torch.set_num_threads(threads)
    effort = Effort(rounds=1 if quick else rounds, quick=quick)
    rows = [row for group in wanted for row in _shown(_rows(group, effort))]
    if plot is not None:
        from speecht5_cli.bench.plots import draw_curves

        draw_curves(plot, rows)
        print(f"{plot}: the curves of the costs")
    if out is not None:
        from speecht5_cli.bench.machine import description

        tree = {"machine": description(), "rows": [asdict(row) | {"ratio": row.ratio} for row in rows]}
        with atomic_write(out) as file:
            json.dump(tree, file, indent=1)
        print(f"{out}: all numbers")


def _rows(group: Group, effort: "Effort") -> "Iterator[Row]":
    return import_module(f"speecht5_cli.bench.{group.value}").rows(effort)


def _shown(rows: "Iterator[Row]") -> "Iterator[Row]":
    """Print a line as soon as it is measured."""
    for row in rows:
        print(_line(row), flush=True)
        yield row


def _line(row: "Row") -> str:
    unit = f" a {row.unit}" if row.unit else ""
    spread = (row.ours.slowest - row.ours.fastest) / row.ours.median
    parts = [f"{row.group:9} {row.name:44} {_time(row.ours.median)}{unit} (spread {spread:.0%})"]
    if row.peer is not None:
        parts.append(f"{row.peer_name} {_time(row.peer.median)}: {row.ratio:.2f} times as fast")
    if row.memory_ratio is not None and row.our_bytes and row.peer_bytes:
        parts.append(f"memory {row.our_bytes / 1e6:.0f} of {row.peer_bytes / 1e6:.0f} MB: {row.memory_ratio:.2f}")
    if row.difference is not None:
        parts.append(f"outputs differ by {row.difference:.1e}")
    return "; ".join([*parts, *([row.note] if row.note else [])])


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} us"


def _scores(model: Path, data: Path, out: Path | None) -> None:
    from speecht5_cli.bench.scores import trials

    found: list[Trial] = []
    for trial in trials(model, data):
        found.append(trial)
        first = found[0]
        values = "  ".join(
            f"{name} {value:.3f}" + (f" ({value - first.values[name]:+.3f})" if trial is not first else "")
            for name, value in trial.values.items()
        )
        print(f"{trial.precision:5} {trial.work_s:.1f} s ({first.work_s / trial.work_s:.2f} times as fast)  {values}")
    if out is not None:
        with atomic_write(out) as file:
            json.dump([asdict(trial) for trial in found], file, indent=1)
