"""The loop that all tasks share. It knows a callable that turns a batch into a loss, and nothing of tasks or models.

Batch i of the endless sequence is seeded by its number, so a resumed run continues bit for bit without storing any
generator's state; the order of the loop's lines is the order of events of an update.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import torch
from torch import nn

from speecht5_cli.data.batch import Batch
from speecht5_cli.errors import TrainingError
from speecht5_cli.losses.terms import Loss
from speecht5_cli.train.distributed import Ranks, sum_gradients
from speecht5_cli.train.metrics import Averages
from speecht5_cli.train.optim import Optimizer


@dataclass
class Progress:
    """Where a run stands; all of it is in a checkpoint."""

    step: int = 0  # finished updates


@dataclass
class Window:
    """What was measured since the last line of the log."""

    averages: Averages = field(default_factory=Averages)
    started: float = field(default_factory=time.monotonic)
    waited: float = 0.0  # seconds in which the device had no data
    cost: float = 0.0
    steps: int = 0

    def restart(self) -> None:
        """Forget all, and start measuring now."""
        self.__dict__.update(vars(Window()))

    def numbers(self) -> dict[str, float]:
        """Means of what was measured, and the speed."""
        spent = time.monotonic() - self.started
        return self.averages.means() | {
            "steps_per_s": self.steps / spent,
            "cost_per_s": self.cost / spent,
            "waiting": self.waited / spent,
        }


def train(
    model: nn.Module,
    optimizer: Optimizer,
    batches: Iterator[Batch],
    loss_of: Callable[[Batch, int], Loss],
    progress: Progress,
    *,
    max_steps: int,
    micro_batches: int,
    normalise: Literal["micro_batch", "global"],
    seed: int,
    ranks: Ranks,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
    after_step: Callable[[Progress, Window], bool],
) -> None:
    """Update until `max_steps`, or until `after_step` returns False. Raises TrainingError on a non-finite loss."""
    window, share = Window(), micro_batches // ranks.world
    while progress.step < max_steps:
        waiting_since = time.monotonic()
        group = list(islice(batches, share))
        window.waited += time.monotonic() - waiting_since
        weights = update_weights(group, normalise, micro_batches, ranks)
        for k, batch in enumerate(group):
            torch.manual_seed(_seed(seed, (progress.step * share + k) * ranks.world + ranks.rank))
            with autocast():
                loss = loss_of(batch, progress.step)
                total = loss.total(weights or batch.weights) / (1 if weights else micro_batches)
            check_finite(loss, batch, progress.step)
            total.backward()
            window.averages.add_loss(loss, batch)
            window.cost += batch.cost
        sum_gradients(list(model.parameters()), ranks)
        norm, rate = optimizer.step(progress.step)
        if not math.isfinite(norm):
            raise TrainingError(f"step {progress.step}: the gradient norm is {norm}; utterances {_ids(group)}")
        window.averages.add("gradient_norm", norm, 1.0)
        window.averages.add("lr", rate, 1.0)
        window.steps += 1
        progress.step += 1
        if not after_step(progress, window):
            return


def update_weights(group: list[Batch], normalise: str, micro_batches: int, ranks: Ranks) -> dict[str, float] | None:
    """What each term is divided by: the weights of the whole update, or None for each micro-batch's own."""
    if normalise == "micro_batch":
        return None
    names = ranks.union(name for batch in group for name in batch.weights)
    totals = ranks.summed([sum(batch.weights.get(name, 0.0) for batch in group) for name in names])
    return dict(zip(names, totals))


def check_finite(loss: Loss, batch: Batch, step: int) -> None:
    """Raises TrainingError that names the term and the utterances."""
    finite = torch.stack([term.sum.detach() for term in loss.terms.values()]).isfinite()
    if not bool(finite.all()):
        bad = [name for name, fine in zip(loss.terms, finite.tolist()) if not fine]
        raise TrainingError(f"step {step}: the loss term '{bad[0]}' is not finite; utterances {_ids([batch])}")


def _ids(group: list[Batch]) -> str:
    ids = [i for batch in group for i in batch.ids]
    return ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")


def _seed(seed: int, number: int) -> int:
    """A seed of its own for every micro-batch of the run."""
    return (seed * 1_000_003 + number) % (1 << 63)
