"""What looks at a run leaves no trace in it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from journals import numbers
from tiny import TinyCorpus, tiny_config, tiny_net
from torch import Tensor, nn

from speecht5_cli.data.assets import Assets
from speecht5_cli.data.batch import Batch
from speecht5_cli.errors import UsageError
from speecht5_cli.losses.terms import Loss, Term
from speecht5_cli.plugins import load_task
from speecht5_cli.train import probe as train_probe
from speecht5_cli.train.config import RunConfig
from speecht5_cli.train.distributed import Ranks
from speecht5_cli.train.precision import Numbers
from speecht5_cli.train.probe import Estimate, probe
from speecht5_cli.train.run import run
from speecht5_cli.train.streams import open_streams, set_batches
from speecht5_cli.train.validate import Validation

ALONE = Ranks(0, 1, torch.device("cpu"))
FP32 = Numbers.of("auto", ALONE.device)


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


class Setting:
    """A net, its dev sets, and their batches."""

    def __init__(self, corpus: TinyCorpus, task: str, folder: Path) -> None:
        self.plugin, self.cfg = load_task(task), tiny_config(corpus, task)
        self.assets = Assets.gather(self.plugin.assets(self.cfg), folder)
        torch.manual_seed(0)
        self.model = self.plugin.build(self.cfg, self.assets).train()
        self.rows = open_streams(self.plugin.streams(self.cfg), self.cfg.data, dev=True)
        self.validation = Validation(self.plugin, self.cfg, self.assets, self.rows, ranks=ALONE, autocast=FP32)

    def batches(self) -> list[Batch]:
        return list(set_batches(self.plugin, self.cfg, self.assets, self.rows, ranks=ALONE))

    def loss(self, batch: Batch, step: int) -> Loss:
        return self.plugin.loss(self.model, batch, self.cfg, step)


@pytest.fixture(params=["asr", "pretrain"])
def setting(request: pytest.FixtureRequest, tiny_corpus: TinyCorpus, tmp_path: Path) -> Setting:
    return Setting(tiny_corpus, request.param, tmp_path)


def test_the_probe_leaves_no_trace(setting: Setting) -> None:
    """Weights, running statistics, gradients, and torch's generator are as before."""
    before, generator = state(setting.model), torch.get_rng_state()
    estimate = probe(setting.model, setting.batches(), setting.loss, (0, 7), FP32)
    assert same(before, state(setting.model))
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(parameter.grad is None for parameter in setting.model.parameters())
    assert setting.model.training
    assert estimate.n_parameters == estimate.n_trained == sum(p.numel() for p in setting.model.parameters())
    assert 0 < estimate.seconds < 60 and 0 < estimate.memory_gb < 100


def test_the_probe_knows_what_thaws(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """An encoder that is frozen at first needs its memory later: both steps are tried, once where they are one."""
    setting, seen = Setting(tiny_corpus, "asr", tmp_path), []

    def loss(batch: Batch, step: int) -> Loss:
        seen.append(step)
        return setting.loss(batch, step)

    probe(setting.model, setting.batches()[:1], loss, (2, 99), FP32)
    probe(setting.model, setting.batches()[:1], loss, (99, 99), FP32)
    assert seen == [2, 99, 99]


def test_the_probe_adds_what_the_optimiser_will_hold(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on has it already, and a system that does not say how much there is says nothing."""
    batches = setting.batches()
    monkeypatch.setattr(train_probe, "peak_bytes", lambda: 10**9)
    first, later = (probe(setting.model, batches, setting.loss, (step, 7), FP32) for step in (0, 3))
    assert later.memory_gb == 1.0
    assert first.memory_gb == 1.0 + 8 * first.n_trained / 1e9
    monkeypatch.setattr(train_probe, "peak_bytes", lambda: None)
    unknown = probe(setting.model, batches, setting.loss, (0, 7), FP32)
    assert unknown.lines(1, 1)[1] == "memory: this system does not say"


def test_a_probe_of_long_sound() -> None:
    """Beyond 20 s tables of positions grow on the way, and stay as they have grown."""
    net = tiny_net().train()
    batch = Batch(["a"], {"wav": torch.randn(1, 16_000 * 22), "wav_lens": torch.tensor([16_000 * 22])}, {"x": 1.0})

    def loss(batch: Batch, step: int) -> Loss:
        return Loss({"x": Term(net.encode_speech(batch["wav"], batch["wav_lens"]).states.square().mean())})

    probe(net, [batch], loss, (0, 7), FP32)
    assert len(net.speech_encoder_prenet.positions.sinusoids.table) == 2048


def test_what_an_estimate_says() -> None:
    lines = Estimate(154_366_173, 54_366_173, 12.34, 1.5).lines(steps=4800, share=2)
    assert lines[0] == "parameters: 154.37 M, 54.37 M of them trained"
    assert "about 12.3 GB" in lines[1]
    assert "at most 4:00:00 for 4800 steps" in lines[2]


def test_validation_is_deterministic_and_leaves_no_trace(setting: Setting) -> None:
    before = state(setting.model)
    torch.manual_seed(1)
    first = setting.validation.measure(setting.model, 3)
    torch.manual_seed(2)
    assert setting.validation.measure(setting.model, 3) == first
    assert same(before, state(setting.model))
    assert setting.model.training
    assert all(parameter.grad is None for parameter in setting.model.parameters())


def test_validation_is_the_mean_over_the_whole_set(setting: Setting) -> None:
    """Each number over its own weight, whatever the batches."""
    if setting.plugin.name != "asr":  # the draws of the codebook depend on the batches
        return
    measured = setting.validation.measure(setting.model, 0)
    setting.model.eval()
    sums: dict[str, np.ndarray] = {}
    for number in range(len(setting.rows[0])):
        chosen = [np.array([number])]
        for batch in set_batches(setting.plugin, setting.cfg, setting.assets, setting.rows, ranks=ALONE, chosen=chosen):
            with torch.no_grad():
                loss = setting.loss(batch, 0)
            pairs: dict[str, Any] = {name: (term.sum, batch.weights[name]) for name, term in loss.terms.items()}
            for name, (total, weight) in {**pairs, **loss.stats}.items():
                sums[name] = sums.get(name, np.zeros(2)) + np.array([float(total), float(weight)])
    for name, (total, weight) in sums.items():
        assert measured[name] == pytest.approx(total / weight, rel=1e-4), name


def test_a_few_utterances_are_really_decoded(setting: Setting) -> None:
    before = state(setting.model)
    pairs = setting.validation.decode_some(setting.model)
    assert same(before, state(setting.model)) and setting.model.training
    if setting.plugin.output == "none":
        assert pairs == []
        return
    ((row, hypothesis),) = pairs
    assert row["text"] == setting.rows[0].row(0)["text"]
    assert hypothesis.id == row.id == setting.rows[0].id(0)


@pytest.mark.parametrize("task", ["asr", "pretrain"])
def test_training_does_not_depend_on_who_looks(tiny_corpus: TinyCorpus, tmp_path: Path, task: str) -> None:
    """Validated after every step or only at the end, probed or not: the same losses."""

    def losses(cfg: RunConfig, name: str) -> list[dict[str, Any]]:
        run(load_task(task), cfg, tmp_path / name)
        return numbers(tmp_path / name, "train")

    watched = losses(tiny_config(tiny_corpus, task, "train.validate_every=1", "train.decode_dev=3"), "watched")
    alone = losses(tiny_config(tiny_corpus, task, "train.validate_every=8", "train.decode_dev=0"), "alone")
    assert watched == alone


def test_the_first_batch_is_the_largest(
    tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If memory does not suffice, the first minute shows it."""
    plugin, sizes = load_task("asr"), []
    loss = plugin.loss

    def watched(model: Any, batch: Batch, cfg: Any, step: int) -> Loss:
        if model.training:
            sizes.append(batch["wav"].numel())
        return loss(model, batch, cfg, step)

    monkeypatch.setattr(plugin, "loss", watched)
    run(plugin, tiny_config(tiny_corpus, "asr", "data.batch_seconds=2.5"), tmp_path / "exp")
    assert len(sizes) == 2 + 8  # the probe, as at the first and the last step, then the training
    assert sizes[0] == sizes[1] == sizes[2] == max(sizes) > min(sizes)


def test_precision() -> None:
    cpu = torch.device("cpu")
    assert (str(Numbers.of("auto", cpu)), str(Numbers.of("bf16", cpu)), str(Numbers.of("fp32", cpu))) == (
        "fp32",
        "bf16",
        "fp32",
    )
    with Numbers.of("bf16", cpu)():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with Numbers.of("fp32", cpu)():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    with pytest.raises(UsageError, match="for CPUs"):
        Numbers.of("int8", torch.device("cuda"))
