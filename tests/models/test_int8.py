"""Linear layers in 8 bits stay close to what they were made of, and small ones are left alone."""

import pytest
import torch
from tiny import XVECTOR_DIM, tiny_net
from torch import nn

from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.decode.speech import generate
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


def test_what_reads_the_same_is_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "LEAST_WEIGHTS", 1)
    net = tiny_net()
    attention, x = net.decoder.layers[0].attention, torch.randn(2, 5, net.cfg.d_model)
    with torch.inference_mode():
        exact = attention.projected(x)
        in_int8(net)
        rounded = attention.projected(x)
    assert not hasattr(attention, "query")
    for one, other in zip(exact, rounded):
        assert 0 < (other - one).norm() < 0.05 * one.norm()


@pytest.mark.parametrize("computes", [True, False])
def test_steps_read_the_encoder_in_bfloat16_where_the_cpu_computes_with_it(
    computes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "LEAST_WEIGHTS", 1)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: computes)
    net, tokens = tiny_net(), torch.tensor([[2, 5, 6], [2, 7, 8]])
    in_int8(net)
    with torch.inference_mode():
        source = net.encode_speech(0.1 * torch.randn(2, 8000), torch.tensor([8000, 6000]))  # with padding
        whole = net.decode_text(tokens, source)
        cache = net.start(source)
        steps = [net.next_text(tokens[:, u], cache) for u in range(3)]
    wanted = torch.bfloat16 if computes else torch.float32
    assert cache.layers[0].memory_keys.dtype == cache.layers[0].memory_values.dtype == wanted
    assert (torch.stack(steps, 1).view_as(whole) - whole).norm() < 0.05 * whole.norm()


def test_a_whole_model_says_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "LEAST_WEIGHTS", 1)
    net = tiny_net()
    wav, lens, tokens = 0.1 * torch.randn(2, 8000), torch.tensor([8000, 6000]), torch.tensor([[2, 5, 6], [2, 7, 8]])
    with torch.inference_mode():
        exact = net.decode_text(tokens, net.encode_speech(wav, lens))
        in_int8(net)
        rounded = net.decode_text(tokens, net.encode_speech(wav, lens))
    assert 0 < (rounded - exact).norm() < 0.1 * exact.norm()


def test_a_model_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pre-net's dropout must not look for what is no longer there."""
    monkeypatch.setattr(int8, "LEAST_WEIGHTS", 1)
    net = tiny_net(prenet_dropout=0.5)
    in_int8(net)
    with torch.inference_mode():
        source, steps = net.encode_text(torch.tensor([[5, 6, 7, 2]])), torch.tensor([4])
        (said,) = generate(net, source, torch.ones(1, XVECTOR_DIM), SpeechGeneration(), ids=["a"], n_steps=steps)
    assert said.mel.shape == (8, 80) and said.mel.isfinite().all()
