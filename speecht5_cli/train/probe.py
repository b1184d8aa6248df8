"""Before the first step: how large is the model, how much memory and time will the run take?"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn

from speecht5_cli.data.batch import Batch
from speecht5_cli.device import peak_bytes
from speecht5_cli.losses.terms import Loss
from speecht5_cli.train.metrics import clock

ADAM_BYTES = 8  # two float32 moments for each parameter


@dataclass(frozen=True)
class Estimate:
    """Measured on a forward and backward pass of the most expensive batch of each stream, the dearer of two."""

    n_parameters: int
    n_trained: int
    memory_gb: float  # 0: the system does not say
    seconds: float  # of such a micro-batch, in the mean of the streams

    def lines(self, steps: int, share: int) -> list[str]:
        """For people; a step is `share` micro-batches."""
        longest = clock(self.seconds * share * steps)
        memory = f"about {self.memory_gb:.1f} GB with the optimiser (measured on the largest batch)"
        return [
            f"parameters: {self.n_parameters / 1e6:.2f} M, {self.n_trained / 1e6:.2f} M of them trained",
            f"memory: {memory if self.memory_gb else 'this system does not say'}",
            f"time: at most {longest} for {steps} steps (a largest batch takes {self.seconds:.2f} s)",
        ]


def probe(
    model: nn.Module,
    batches: Sequence[Batch],
    loss_of: Callable[[Batch, int], Loss],
    steps: tuple[int, int],
    autocast: Callable[[], AbstractContextManager],
) -> Estimate:
    """Run a pass over each batch and forget it: gradients, statistics and the random generator are as before.

    `steps` are the next update and the last one: an encoder may be frozen at first, and guidance may end. Before
    step 0 the optimiser holds nothing yet, so its share is added.
    """
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}  # grown tables may stay grown
    state = torch.get_rng_state()
    on_gpu = next(model.parameters()).device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = max(_seconds(model, batches, loss_of, step, autocast) for step in sorted(set(steps)))
    for name, buffer in model.named_buffers():
        if buffer.shape == buffers[name].shape:
            buffer.copy_(buffers[name])
    torch.set_rng_state(state)
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    trained = sum(n for n, wanted in sizes if wanted)
    peak = torch.cuda.max_memory_allocated() if on_gpu else peak_bytes()
    moments = ADAM_BYTES * trained if steps[0] == 0 else 0
    memory = peak + moments if peak else 0
    return Estimate(sum(n for n, _ in sizes), trained, memory / 1e9, seconds)


def _seconds(
    model: nn.Module,
    batches: Sequence[Batch],
    loss_of: Callable[[Batch, int], Loss],
    step: int,
    autocast: Callable[[], AbstractContextManager],
) -> float:
    """Of a batch in the mean, forward and backward; no gradients are left."""
    started = time.perf_counter()
    for batch in batches:
        with autocast():
            total = loss_of(batch, step).total(batch.weights)
        total.backward()
    if next(model.parameters()).device.type == "cuda":
        torch.cuda.synchronize()
    seconds = (time.perf_counter() - started) / len(batches)
    model.zero_grad(set_to_none=True)
    return seconds
