"""Curves of a bench as one picture."""

from collections.abc import Sequence
from pathlib import Path

from speecht5_cli.bench.measure import Row
from speecht5_cli.files import atomic_write


def draw_curves(path: Path, rows: Sequence[Row]) -> None:
    """Write a PNG: a panel for each name among the rows that are measured `at` something; ours beside the peer's."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(row.name for row in rows if row.at is not None))
    figure = Figure(figsize=(4 * len(names), 3), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
        own = [(row.at, row) for row in rows if row.name == name and row.at is not None]
        what, _, along = name.partition(": ")
        places, first = [at for at, _ in own], own[0][1]
        axes.plot(places, [1e3 * row.ours.median for _, row in own], "o-", label="speecht5")
        theirs = [(at, 1e3 * row.peer.median) for at, row in own if row.peer is not None]
        if theirs:
            axes.plot(*zip(*theirs), "s--", label=first.peer_name)
            axes.legend()
        axes.set(title=what, xlabel=along, ylabel=f"ms a {first.unit}", xscale="log")
        axes.set_xticks(places, [short(place) for place in places], minor=False)
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
    with atomic_write(path, "wb") as out:
        figure.savefig(out, format="png", dpi=80)


def short(number: float) -> str:
    """100,000 as 100k: ticks stand close."""
    return f"{number / 1000:g}k" if number >= 1000 else f"{number:g}"
