"""Nets whose weights are to be read are built without drawing any."""

from collections.abc import Callable

import pytest
import torch
from tiny import tiny_net
from torch import nn

from speecht5_cli.models.initialise import Undrawn, without_memory
from speecht5_cli.models.lm import LanguageModel
from speecht5_cli.models.lm_config import LMConfig
from speecht5_cli.models.vocoder import HifiGan, HifiGanConfig
from speecht5_cli.models.xvector import XVector, XVectorNetConfig

NETS: dict[str, Callable[[], nn.Module]] = {
    "language model": lambda: LanguageModel(LMConfig(d_model=16, layers=1, ffn_dim=16, heads=2), 20),
    "vocoder": lambda: HifiGan(HifiGanConfig(channels=16)),
    "speaker net": lambda: XVector(XVectorNetConfig()),
}


@pytest.mark.parametrize("name", NETS)
def test_nothing_is_drawn(name: str) -> None:
    before = torch.get_rng_state()
    with Undrawn():
        net = NETS[name]()
    assert torch.equal(torch.get_rng_state(), before)
    assert net.state_dict().keys() == NETS[name]().state_dict().keys()
    assert not torch.equal(torch.get_rng_state(), before)  # as it is otherwise


def test_nothing_takes_memory() -> None:
    whole = tiny_net()
    before = torch.get_rng_state()
    with without_memory():
        net = type(whole)(whole.cfg, whole.parts)
    assert all(tensor.is_meta for tensor in (*net.parameters(), *net.buffers()))
    assert torch.equal(torch.get_rng_state(), before)
