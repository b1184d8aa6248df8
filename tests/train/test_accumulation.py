"""What an update is divided by: two halves are one batch in `global`, and the mean of two in `micro_batch`."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import TinyCorpus, exact_config
from torch import Tensor, nn

from speecht5_cli.data.assets import Assets
from speecht5_cli.data.batch import Batch
from speecht5_cli.plugins import TaskPlugin, load_task
from speecht5_cli.train.config import OptimConfig, RunConfig
from speecht5_cli.train.distributed import Ranks
from speecht5_cli.train.loop import Progress, train, update_weights
from speecht5_cli.train.optim import Optimizer
from speecht5_cli.train.streams import open_streams, set_batches

ALONE = Ranks(0, 1, torch.device("cpu"))
STEPS = 4
N_LEFT = 4  # rows of the first half: the halves are not equal


def prepared(corpus: TinyCorpus, task: str, exp: Path) -> tuple[TaskPlugin, RunConfig, Assets, list[Batch]]:
    """A task without anything random, and a batch of ten examples of each of its streams."""
    plugin = load_task(task)
    words = ("pretrain.joint=false",) if task == "pretrain" else ()
    cfg = exact_config(corpus, task, "data.batch_seconds=1000", "data.batch_tokens=100000", *words)
    assets = Assets.gather(plugin.assets(cfg), exp / "assets")
    rows = open_streams(plugin.streams(cfg), cfg.data)
    batches = list(set_batches(plugin, cfg, assets, rows, ranks=ALONE, chosen=[np.arange(10) for _ in rows]))
    return plugin, cfg, assets, batches


def halves(batch: Batch) -> list[Batch]:
    return [part(batch, slice(None, N_LEFT)), part(batch, slice(N_LEFT, None))]


def part(batch: Batch, rows: slice) -> Batch:
    """Some rows, with the weights that a batch of them would have."""
    tensors = {name: tensor[rows] for name, tensor in batch.tensors.items()}
    weights = {name: WEIGHTS[name](tensors) for name in batch.weights}
    assert {name: WEIGHTS[name](batch.tensors) for name in batch.weights} == batch.weights
    return Batch(batch.ids[rows], tensors, weights, batch.cost)


WEIGHTS: dict[str, Callable[[dict[str, Tensor]], float]] = {
    "ce": lambda t: float(len(t["wav"])),
    "ctc": lambda t: float(len(t["wav"])),
    "units": lambda t: float(t["mask"].sum()),
    "units_open": lambda t: float((~t["mask"]).sum()),
    "features": lambda t: float(t["units"].numel()),
    "l1": lambda t: float(t["mel_lens"].sum()),
    "stop": lambda t: float(t["mel_lens"].sum()),
    "text": lambda t: float((t["target"] != 1).sum()),
    "speech_diversity": lambda _: 1.0,
    "text_diversity": lambda _: 1.0,
}


def trained(plugin: TaskPlugin, cfg: RunConfig, assets: Assets, groups: list[list[Batch]], normalise: str) -> nn.Module:
    """A new model after an update on each group of micro-batches."""
    torch.manual_seed(5)
    model = plugin.build(cfg, assets).eval()  # the post-net's statistics stay out of it
    optim = replace(OptimConfig(), lr=1e-3, schedule="constant", warmup_steps=1, micro_batches=len(groups[0]))

    def endless() -> Iterator[Batch]:
        for group in groups:
            yield from group

    train(
        model,
        Optimizer(model, optim, len(groups)),
        endless(),
        lambda batch, step: plugin.loss(model, batch, cfg, step),
        Progress(),
        max_steps=len(groups),
        micro_batches=len(groups[0]),
        normalise=normalise,  # type: ignore[arg-type]
        seed=1,
        ranks=ALONE,
        after_step=lambda progress, window: True,
    )
    return model


@torch.no_grad()
def distance(one: nn.Module, other: nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters())
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.mark.parametrize("task", ["asr", "pretrain"])
def test_two_halves_are_one_batch(tiny_corpus: TinyCorpus, task: str, tmp_path: Path) -> None:
    plugin, cfg, assets, batches = prepared(tiny_corpus, task, tmp_path)
    together = trained(plugin, cfg, assets, [batches] * STEPS, "global")
    accumulated = trained(
        plugin, cfg, assets, [[half for batch in batches for half in halves(batch)]] * STEPS, "global"
    )
    assert distance(together, accumulated) < 2e-6
    by_half = trained(
        plugin, cfg, assets, [[half for batch in batches for half in halves(batch)]] * STEPS, "micro_batch"
    )
    assert distance(together, by_half) > 1e-4


@pytest.mark.parametrize("task", ["asr", "pretrain"])
def test_micro_batch_is_the_mean_of_the_halves_losses(tiny_corpus: TinyCorpus, task: str, tmp_path: Path) -> None:
    plugin, cfg, assets, batches = prepared(tiny_corpus, task, tmp_path)
    group = [half for batch in batches for half in halves(batch)]
    got = trained(plugin, cfg, assets, [group], "micro_batch")
    torch.manual_seed(5)
    model = plugin.build(cfg, assets).eval()
    losses = [plugin.loss(model, half, cfg, 0).total(half.weights) for half in group]
    torch.stack(losses).mean().backward()
    Optimizer(model, replace(OptimConfig(), lr=1e-3, schedule="constant", warmup_steps=1), 1).step(0)
    assert distance(got, model) < 1e-7


def test_weights_of_an_update() -> None:
    """A stream that an update does not see leaves no term to divide."""
    group = [Batch(["a"], {}, {"ce": 2.0}), Batch(["b"], {}, {"ce": 3.0, "ctc": 1.0})]
    assert update_weights(group, "global", 2, ALONE) == {"ce": 5.0, "ctc": 1.0}
    assert update_weights(group, "micro_batch", 2, ALONE) is None
