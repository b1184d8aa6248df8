"""What each precision costs, and what it does to the scores of a trained model."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from speecht5_cli.config import from_tree
from speecht5_cli.device import best_device
from speecht5_cli.plugins import load_task
from speecht5_cli.train.predict import Request, predict_set

PRECISIONS = ("fp32", "bf16", "int8")
ON_GPU = ("fp32", "bf16")


@dataclass(frozen=True)
class Trial:
    """A data dir decoded with one precision."""

    precision: str
    work_s: float
    rtf: float | None
    values: dict[str, float]


def trials(model: Path, data: Path) -> Iterator[Trial]:
    """The data dir decoded and scored once for each precision, with the model's own settings."""
    for precision in PRECISIONS if best_device().type == "cpu" else ON_GPU:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / precision
            decoding = predict_set(Request(model, data, out, None, {}, precision=precision))
            plugin = load_task(decoding.task)
            values = plugin.score(out, data, from_tree(plugin.Config, decoding.settings, decoding.task)).values
        yield Trial(precision, decoding.work_s, decoding.rtf, values)
