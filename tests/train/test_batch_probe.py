"""Which micro-batches fit, and what to set for them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import TinyCorpus, tiny_config

from speecht5_cli.errors import TrainingError
from speecht5_cli.plugins import load_task
from speecht5_cli.train import batch_probe
from speecht5_cli.train.batch_probe import Trial, advice, probe_batches, scaled
from speecht5_cli.train.config import DataConfig
from speecht5_cli.train.probe import Estimate


@pytest.mark.parametrize("task", ["asr", "pretrain"])
def test_sizes_double_until_all_data_is_in_one_batch(tiny_corpus: TinyCorpus, task: str) -> None:
    cfg = tiny_config(tiny_corpus, task, "data.batch_seconds=8")
    trials = list(probe_batches(load_task(task), cfg, init=None))
    sizes = [trial.data.batch_seconds for trial in trials]
    assert sizes == [2.0 * 2**k for k in range(len(sizes))]
    assert sizes[-1] >= 8
    assert all(trial.fits and trial.seconds > 0 and trial.memory_gb > 0 for trial in trials)
    costs = [trial.cost for trial in trials]
    assert costs == sorted(costs) and costs[0] < costs[-1]


def test_it_ends_where_memory_does(tiny_corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU is not driven to its end: the next size would take twice as much."""
    cfg = tiny_config(tiny_corpus, "asr", "data.batch_seconds=8")
    monkeypatch.setattr(batch_probe, "memory_bytes", lambda device: 10e9)
    used = iter([2.0, 4.0, 5.5, 11.0])
    monkeypatch.setattr(batch_probe, "probe", lambda *_: Estimate(1, 1, next(used), 0.1))
    assert [trial.memory_gb for trial in probe_batches(load_task("asr"), cfg, init=None)] == [2.0, 4.0, 5.5]


def test_a_gpu_says_so_itself(tiny_corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = tiny_config(tiny_corpus, "asr", "data.batch_seconds=8")

    def full(*_: object) -> Estimate:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(batch_probe, "probe", full)
    trials = list(probe_batches(load_task("asr"), cfg, init=None))
    assert trials == []
    with pytest.raises(TrainingError, match="not even micro-batches of 2 s fit; take a smaller model"):
        advice(trials, cfg)


def test_advice_keeps_the_effective_batch(tiny_corpus: TinyCorpus) -> None:
    cfg = tiny_config(tiny_corpus, "asr", "data.batch_seconds=8", "optim.micro_batches=4")
    trials = [
        Trial(scaled(cfg.data, share), memory_gb=share, seconds=seconds, cost=8 * share, fits=share < 4)
        for share, seconds in [(0.5, 0.4), (1, 0.7), (2, 1.0), (4, 1.5)]
    ]
    assert advice(trials, cfg) == "data.batch_seconds=16 optim.micro_batches=2"
    texts = replace(cfg, data=replace(cfg.data, train_text=(Path("x"),), batch_tokens=100))
    trials = [replace(trial, data=scaled(texts.data, 0.5)) for trial in trials[:1]]
    assert advice(trials, texts) == "data.batch_seconds=4 data.batch_tokens=50 optim.micro_batches=8"


def test_sizes_of_text_follow_those_of_speech() -> None:
    data = scaled(DataConfig(batch_seconds=10, batch_tokens=101), 2.0)
    assert (data.batch_seconds, data.batch_tokens, data.workers) == (20, 202, 0)
