"""Linear layers in 8 bits stay close to what they were made of, and small ones are left alone."""

import pytest
import torch
from tiny import tiny_net
from torch import nn

from speecht5_cli.models import int8
from speecht5_cli.models.int8 import Int8Linear, in_int8


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(30, 64), (2, 15, 64)])
def test_close_to_exact(bias: bool, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(64, 32, bias=bias), torch.randn(shape)
    linear.weight.data[3] *= 100  # rows have scales of their own
    with torch.inference_mode():
        exact, rounded = linear(x), Int8Linear(linear)(x)
    assert rounded.shape == exact.shape
    assert 0 < (rounded - exact)[..., :3].norm() < 0.05 * exact[..., :3].norm()


def test_a_row_of_zeros() -> None:
    linear = nn.Linear(8, 2)
    nn.init.zeros_(linear.weight)
    with torch.inference_mode():
        torch.testing.assert_close(Int8Linear(linear)(torch.randn(3, 8)), linear.bias.expand(3, 2))


def test_only_large_layers_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    net = tiny_net()
    assert in_int8(net) == 0  # all are below the limit
    monkeypatch.setattr(int8, "LEAST_WEIGHTS", 32 * 32)
    n = in_int8(net)
    assert n == sum(isinstance(module, Int8Linear) for module in net.modules()) > 10
    assert type(net.decoder.layers[0].ffn.inner) is Int8Linear
    assert not [m for m in net.modules() if type(m) is nn.Linear and m.weight.numel() >= 32 * 32]


def test_a_whole_model_says_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "LEAST_WEIGHTS", 1)
    net = tiny_net()
    wav, lens, tokens = 0.1 * torch.randn(2, 8000), torch.tensor([8000, 6000]), torch.tensor([[2, 5, 6], [2, 7, 8]])
    with torch.inference_mode():
        exact = net.decode_text(tokens, net.encode_speech(wav, lens))
        in_int8(net)
        rounded = net.decode_text(tokens, net.encode_speech(wav, lens))
    assert 0 < (rounded - exact).norm() < 0.1 * exact.norm()
