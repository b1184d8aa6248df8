"""What a run reports: metrics.jsonl, TensorBoard, and lines for people."""

import json
import math
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from speecht5_cli.data.batch import Batch
from speecht5_cli.files import atomic_write
from speecht5_cli.losses.terms import Loss

_UNSHOWN = {"cost_per_s", "waiting"}  # in metrics.jsonl only


class Averages:
    """Weighted means of named numbers over many batches; they stay on the device until they are read."""

    def __init__(self) -> None:
        self._sums: dict[str, list[tuple[Tensor | float, Tensor | float]]] = defaultdict(list)

    def add(self, name: str, total: Tensor | float, weight: Tensor | float) -> None:
        """Another sum and the weight it is to be divided by."""
        self._sums[name].append((total.detach() if isinstance(total, Tensor) else total, weight))

    def add_loss(self, loss: Loss, batch: Batch) -> None:
        """Every term by its name, the weighted whole as "loss", and the statistics."""
        for name, term in loss.terms.items():
            if batch.weights[name] > 0:
                self.add(name, term.sum, batch.weights[name])
        for name, (total, weight) in loss.stats.items():
            self.add(name, total, weight)
        self.add("loss", loss.total(batch.weights), 1.0)

    def sums(self) -> dict[str, tuple[float, float]]:
        """Name -> (sum, weight), sorted by name."""
        return {
            name: (sum(float(total) for total, _ in pairs), sum(float(weight) for _, weight in pairs))
            for name, pairs in sorted(self._sums.items())
        }

    def means(self) -> dict[str, float]:
        """Name -> sum / weight, not a number where nothing was weighed."""
        return divided(self.sums())


def divided(sums: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Name -> sum / weight, and the perplexity where there is a mean negative log-likelihood of symbols."""
    means = {name: total / weight if weight else float("nan") for name, (total, weight) in sums.items()}
    return means | ({"perplexity": math.exp(min(means["nll"], 700.0))} if "nll" in means else {})


class Journal:
    """Writes the numbers of a run. `resumed_at` cuts metrics.jsonl back to that step first; `silent` writes nothing."""

    def __init__(self, exp: Path, *, resumed_at: int, silent: bool = False) -> None:
        self.silent = silent
        self.path = exp / "metrics.jsonl"
        self._log = exp / "train.log"
        if silent:
            return
        from torch.utils.tensorboard import SummaryWriter

        self._cut_back(resumed_at)
        self._board = SummaryWriter(str(exp / "tensorboard"), purge_step=resumed_at + 1)

    def _cut_back(self, step: int) -> None:
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        kept = [line for line in lines if _step_of(line) <= step]
        if len(kept) < len(lines):
            with atomic_write(self.path) as out:
                out.writelines(line + "\n" for line in kept)

    def numbers(self, step: int, split: str, values: dict[str, float]) -> None:
        """A line of metrics.jsonl, and points for TensorBoard."""
        if self.silent:
            return
        record: dict[str, Any] = {"step": step, "split": split, **{k: _short(v) for k, v in values.items()}}
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(record) + "\n")
        for name, value in values.items():
            self._board.add_scalar(f"{split}/{name}", value, step)

    def line(self, text: str) -> None:
        """A line for the console and for train.log."""
        if self.silent:
            return
        print(text, flush=True)  # noqa: T201
        with self._log.open("a", encoding="utf-8") as out:
            out.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def picture(self, step: int, name: str, path: Path) -> None:
        """A PNG for TensorBoard's image page."""
        import matplotlib.image

        self._board.add_image(name, matplotlib.image.imread(path)[..., :3], step, dataformats="HWC")

    def close(self) -> None:
        """Write out what TensorBoard still holds."""
        if not self.silent:
            self._board.close()


def _step_of(line: str) -> float:
    """The step that a line of metrics.jsonl is about; beyond all steps for half a line, which a kill may leave."""
    try:
        return json.loads(line)["step"]
    except ValueError:
        return float("inf")


def shown(numbers: dict[str, float]) -> str:
    """The numbers of a step for a line of the log."""
    return "  ".join(f"{name} {value:.4g}" for name, value in numbers.items() if name not in _UNSHOWN)


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"


def _short(value: float) -> float:
    return float(f"{value:.6g}")
