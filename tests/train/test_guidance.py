"""Guided attention over a training: as strong as ever by default, or there to start with and then gone."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from speecht5_recipes import se, tts, vc
from tiny import XVECTOR_DIM, tiny_net

from speecht5_cli.data.batch import Batch
from speecht5_cli.losses.terms import Loss

WAV = 16000


def loss_at(step: int, task: str, **settings: Any) -> Loss:
    torch.manual_seed(0)
    mel, lens = torch.randn(1, 60, 80), torch.tensor([60])
    tensors = {"mel": mel, "mel_lens": lens, "xvector": torch.ones(1, XVECTOR_DIM)}
    if task == "tts":
        tensors["tokens"] = torch.tensor([[5, 6, 7, 8, 9, 2]])
    else:
        tensors |= {"wav": torch.randn(1, WAV), "wav_lens": torch.tensor([WAV])}
    plugin, config = {
        "tts": (tts.task, tts.TtsConfig(vocabulary=None, **settings)),
        "vc": (vc.task, vc.VcConfig(**settings)),
        "se": (se.task, se.SeConfig(**settings)),
    }[task]
    net = tiny_net()
    return plugin.loss(net, Batch(["a"], tensors, {}), SimpleNamespace(model=net.cfg, task=config), step)


@pytest.mark.parametrize("task", ["tts", "vc", "se"])
def test_it_falls_to_nothing(task: str) -> None:
    weights = [loss_at(step, task, guided=8.0, guided_steps=4).terms["guided"].factor for step in range(4)]
    assert weights == [8.0, 6.0, 4.0, 2.0]
    for step in (4, 1000):
        assert "guided" not in loss_at(step, task, guided=8.0, guided_steps=4).terms


@pytest.mark.parametrize("task", ["tts", "vc", "se"])
def test_it_stays_by_default(task: str) -> None:
    first, late = loss_at(0, task, guided=8.0), loss_at(100_000, task, guided=8.0)
    assert first.terms["guided"].factor == late.terms["guided"].factor == 8.0
    assert float(first.terms["guided"].sum.detach()) > 0
    # Not to the last bit: an encoder that is frozen at first computes without gradients, in other steps.
    torch.testing.assert_close(late.terms["guided"].sum, first.terms["guided"].sum)


@pytest.mark.parametrize("task", ["tts", "vc"])
def test_a_step_in_which_no_layer_runs(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layerdrop may leave none of a decoder of few layers, and so no attention to guide."""
    monkeypatch.setattr("speecht5_cli.models.transformer.dropped", lambda *_: True)
    loss = loss_at(0, task, guided=8.0)
    assert float(loss.terms["guided"].sum) == 0.0
    loss.total(dict.fromkeys(loss.terms, 1.0)).backward()


def test_the_rest_does_not_depend_on_it() -> None:
    guided, gone = loss_at(0, "vc", guided=8.0, guided_steps=4), loss_at(4, "vc", guided=8.0, guided_steps=4)
    for term in ("l1", "stop"):
        torch.testing.assert_close(guided.terms[term].sum, gone.terms[term].sum)
