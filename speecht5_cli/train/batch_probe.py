"""How large a micro-batch fits: one step at doubled sizes, until memory or data runs out."""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch

from speecht5_cli.data.assets import Assets
from speecht5_cli.data.batch import Batch
from speecht5_cli.device import best_device, machine_bytes
from speecht5_cli.errors import TrainingError
from speecht5_cli.folders import ASSETS, model_folder
from speecht5_cli.losses.terms import Loss
from speecht5_cli.plugins import TaskPlugin
from speecht5_cli.train.config import DataConfig, RunConfig
from speecht5_cli.train.distributed import Ranks
from speecht5_cli.train.economy import economise
from speecht5_cli.train.precision import Numbers
from speecht5_cli.train.probe import probe
from speecht5_cli.train.restore import inherit
from speecht5_cli.train.streams import open_streams, training_batches

FIRST_SHARE = 0.25  # of the configured size
MARGIN = 0.9  # of the memory may be used: fragments, and other lengths


@dataclass(frozen=True)
class Trial:
    """A micro-batch of each stream, the most expensive one of this size."""

    data: DataConfig
    memory_gb: float
    seconds: float  # of a micro-batch, in the mean of the streams
    cost: float  # seconds of sound (or tokens) in a micro-batch, likewise
    fits: bool


def probe_batches(plugin: TaskPlugin, cfg: RunConfig, *, init: Path | None) -> Iterator[Trial]:
    """Trials of a quarter, half, once, twice ... of the configured sizes; the last one may not fit. Nothing is kept."""
    device = best_device()
    limit = MARGIN * memory_bytes(device) / 1e9
    numbers = Numbers.of(cfg.train.precision, device)
    with tempfile.TemporaryDirectory() as folder:
        initial = Assets(model_folder(init) / ASSETS) if init else None
        assets = Assets.gather(plugin.assets(cfg), Path(folder) / ASSETS, initial=initial)
        model = plugin.build(cfg, assets)
        if init:
            inherit(model, assets, init)
        model.to(device).train()
        economise(model, cfg.train)
        rows = open_streams(plugin.streams(cfg), cfg.data)
        share, former, steps = FIRST_SHARE, None, (0, cfg.train.max_steps - 1)

        def loss_of(batch: Batch, step: int) -> Loss:
            return plugin.loss(model, batch, cfg, step)

        while True:
            sized = replace(cfg, data=scaled(cfg.data, share))
            batches = training_batches(plugin, sized, assets, rows, step=0, ranks=Ranks(0, 1, device))
            largest = list(islice(batches, len(rows)))
            sizes = [len(batch.ids) for batch in largest]
            if sizes == former:
                return  # all data in one batch, or the limit of items
            cost = sum(batch.cost for batch in largest) / len(largest)
            try:
                found = probe(model, largest, loss_of, steps, numbers)
            except torch.OutOfMemoryError:
                return
            fits = found.memory_gb <= limit
            yield Trial(sized.data, found.memory_gb, found.seconds, cost, fits)
            if not fits or (1.8 * found.memory_gb > limit and device.type == "cpu"):
                return  # where too much memory is taken, a CPU's system ends the process instead of refusing
            share, former = share * 2, sizes


def scaled(data: DataConfig, share: float) -> DataConfig:
    """With micro-batches of that share, read in this process."""
    tokens = max(1, round(data.batch_tokens * share))
    return replace(data, batch_seconds=data.batch_seconds * share, batch_tokens=tokens, workers=0)


def memory_bytes(device: torch.device) -> int:
    """Of the GPU, or of the machine; no bound where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return machine_bytes() or sys.maxsize


def advice(trials: list[Trial], cfg: RunConfig) -> str:
    """The settings for the fastest size that fits, with the effective batch that the configuration has.

    Raises TrainingError when none fits.
    """
    fitting = [trial for trial in trials if trial.fits]
    if not fitting:
        least = cfg.data.batch_seconds * FIRST_SHARE
        remedy = "take a smaller model, or train.checkpoint_layers=true"
        raise TrainingError(f"not even micro-batches of {least:g} s fit; {remedy}")
    best = max(fitting, key=lambda trial: trial.cost / trial.seconds)
    times = best.data.batch_seconds / cfg.data.batch_seconds
    n = max(1, round(cfg.optim.micro_batches / times))
    words = f"data.batch_seconds={best.data.batch_seconds:g}"
    if cfg.data.train_text:
        words += f" data.batch_tokens={best.data.batch_tokens}"
    return f"{words} optim.micro_batches={n}"
