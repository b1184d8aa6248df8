"""A configuration's data as the batches of a task: for training in endless order, for other sets once through."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from speecht5_cli.data.assets import Assets
from speecht5_cli.data.batch import Batch
from speecht5_cli.data.datadir import opened
from speecht5_cli.data.loading import BatchReader, load
from speecht5_cli.data.rows import LineRows, Row, Rows, UtteranceRows
from speecht5_cli.data.sampling import Budget, MicroBatch, StreamOrder, batches_of, micro_batches
from speecht5_cli.plugins import Stream, TaskPlugin
from speecht5_cli.train.config import DataConfig, RunConfig, sets_of
from speecht5_cli.train.distributed import Ranks


def open_streams(streams: tuple[Stream, ...], data: DataConfig, *, dev: bool = False) -> list[Rows]:
    """The rows of each stream of the training sets, or of the dev sets (where nothing is left out for its length)."""
    return [_open(stream, data, dev) for stream in streams]


def _open(stream: Stream, data: DataConfig, dev: bool) -> Rows:
    paths = sets_of(stream, data, dev=dev)
    for folder in stream.beside:
        opened(folder)  # and its absence told now, not when it is first drawn from
    if stream.cost == "tokens":
        return LineRows(paths, longest=data.max_tokens)
    return UtteranceRows(
        paths,
        stream.inputs + stream.targets,
        optional=stream.optional,
        shortest=0.0 if dev else data.min_seconds,
        longest=float("inf") if dev else data.max_seconds,
        allow_pipes=data.allow_pipes,
    )


def budgets(streams: tuple[Stream, ...], data: DataConfig) -> list[Budget]:
    """How much a batch of each stream may hold."""
    return [
        Budget(data.batch_tokens if stream.cost == "tokens" else data.batch_seconds, data.batch_items)
        for stream in streams
    ]


def training_batches(
    plugin: TaskPlugin, cfg: RunConfig, assets: Assets, rows: list[Rows], *, step: int, ranks: Ranks
) -> Iterator[Batch]:
    """This process's micro-batches from update `step` on, for ever."""
    streams = plugin.streams(cfg)
    orders = [
        StreamOrder(stream_rows.costs, budget, [cfg.train.seed, k])
        for k, (stream_rows, budget) in enumerate(zip(rows, budgets(streams, cfg.data)))
    ]
    places = micro_batches(
        orders,
        seed=cfg.train.seed,
        first=step * cfg.optim.micro_batches,
        rank=ranks.rank,
        world=ranks.world,
    )
    reader = batch_reader(plugin, cfg, assets, rows, seed=cfg.train.seed)
    return load(reader, places, workers=cfg.data.workers, device=ranks.device)


def set_batches(
    plugin: TaskPlugin,
    cfg: RunConfig,
    assets: Assets,
    rows: list[Rows],
    *,
    ranks: Ranks,
    chosen: list[np.ndarray] | None = None,
) -> Iterator[Batch]:
    """This process's share of the batches of a set (or of the `chosen` rows of each stream), once, nothing random."""
    places: list[MicroBatch] = []
    for k, (stream_rows, budget) in enumerate(zip(rows, budgets(plugin.streams(cfg), cfg.data))):
        wanted = np.arange(len(stream_rows)) if chosen is None else chosen[k]
        for batch in batches_of(stream_rows.costs, wanted, budget, None):
            places.append(MicroBatch(len(places), k, batch))
    reader = batch_reader(plugin, cfg, assets, rows, seed=None)
    return load(reader, places[ranks.rank :: ranks.world], workers=0, device=ranks.device)


def dir_batches(
    plugin: TaskPlugin,
    cfg: RunConfig,
    assets: Assets,
    data: Path,
    *,
    batch_seconds: float,
    device: torch.device,
    targets: bool = False,
    allow_pipes: bool = False,
    only: Collection[str] | None = None,
) -> tuple[UtteranceRows, Iterator[Batch]]:
    """The utterances of a data dir (or `only` these) and their batches, once: what goes in, and where wanted what
    should come out."""
    cfg = replace(cfg, data=DataConfig(batch_seconds=batch_seconds))
    stream = plugin.streams(cfg)[0]
    rows = UtteranceRows(
        [data],
        stream.inputs + (stream.targets if targets else ()),
        optional=stream.optional,
        allow_pipes=allow_pipes,
        only=None if only is None else set(only),
    )
    return rows, set_batches(plugin, cfg, assets, [rows], ranks=Ranks(0, 1, device))


def batch_reader(
    plugin: TaskPlugin, cfg: RunConfig, assets: Assets, rows: list[Rows], *, seed: int | None
) -> BatchReader:
    """What reads the rows of a micro-batch and collates them, picklable for workers; `seed` None: nothing random."""
    example: Callable[[Row, Any], dict[str, Any]] = partial(_example, plugin, cfg, assets)
    collate: Callable[[list[dict[str, Any]], Any], Batch] = partial(_collate, plugin, cfg)
    return BatchReader(rows, example, collate, seed=seed)


def _example(plugin: TaskPlugin, cfg: RunConfig, assets: Assets, row: Row, rng: Any) -> dict[str, Any]:
    return plugin.example(row, cfg, assets, rng)


def _collate(plugin: TaskPlugin, cfg: RunConfig, examples: list[dict[str, Any]], rng: Any) -> Batch:
    return plugin.collate(examples, cfg, rng)
