"""Packed layers beside plain ones."""

import pytest
import torch
from tiny import XVECTOR_DIM, tiny_net
from torch import nn

from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.decode.speech import generate
from speecht5_cli.models.linear import LEAST_WEIGHTS, Linear, PackedLinear, pack
from speecht5_cli.train.precision import Numbers

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@torch.no_grad()
@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (2, 1), (1, 3), (2, 3), (0, 1), (4, 2, 2), (70,), (2, 300)])
@pytest.mark.parametrize("biased", [True, False])
def test_is_a_linear_layer(shape: tuple[int, ...], biased: bool) -> None:
    torch.manual_seed(0)
    plain = Linear(30, 26, bias=biased)
    ours, x = PackedLinear(plain), torch.randn(*shape, 30)
    assert ours(x).shape == plain(x).shape
    torch.testing.assert_close(ours(x), plain(x), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("n_rows", [1, 2, 5, 100])
def test_rows_that_do_not_lie_in_one_piece(n_rows: int) -> None:
    torch.manual_seed(0)
    plain = Linear(30, 26)
    x = torch.randn(30, 2 * n_rows)[:, ::2].t()
    torch.testing.assert_close(PackedLinear(plain)(x), plain(x), atol=1e-5, rtol=1e-5)


def test_which_layers_it_pays_for() -> None:
    wide = LEAST_WEIGHTS // 256
    net = nn.Sequential(
        Linear(256, wide),
        Linear(256, wide - 1),
        Linear(256, wide, bias=False),
        nn.Linear(256, wide),
        nn.Sequential(Linear(256, wide)),
    )
    pack(net)
    kinds = [PackedLinear, Linear, PackedLinear, nn.Linear, PackedLinear]
    assert [type(layer) for layer in [*net[:4], net[4][0]]] == kinds


@torch.no_grad()
def test_a_model_speaks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speecht5_cli.models.linear.LEAST_WEIGHTS", 1)
    plain, ours = tiny_net(seed=4, prenet_dropout=0.5), tiny_net(seed=4, prenet_dropout=0.5)
    pack(ours)
    assert isinstance(ours.speech_decoder_prenet.projection, PackedLinear)
    tokens, voice, steps = torch.tensor([[5, 6, 7, 8, 2]]), torch.ones(1, XVECTOR_DIM), torch.tensor([4])
    mels = [
        generate(net, net.encode_text(tokens), voice, SpeechGeneration(), ids=["a"], n_steps=steps)[0].mel
        for net in (plain, ours)
    ]
    torch.testing.assert_close(*mels, atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_a_model_writes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speecht5_cli.models.linear.LEAST_WEIGHTS", 1)
    plain, ours = tiny_net(seed=4), tiny_net(seed=4)
    pack(ours)
    assert any(isinstance(layer, PackedLinear) for layer in ours.decoder.modules())
    sound = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
    tokens = torch.tensor([[5, 6, 7, 8, 2]])
    logits = []
    for net in (plain, ours):
        cache = net.start(net.encode_speech(sound, torch.tensor([8000])))
        logits.append(torch.stack([net.next_text(tokens[:, step], cache) for step in range(5)]))
    torch.testing.assert_close(*logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("faster", "precision", "kind"),
    [(True, "fp32", PackedLinear), (False, "fp32", Linear), (True, "bf16", Linear)],
)
def test_where_it_is_done(faster: bool, precision: str, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """For inference on processors where oneDNN is the faster library."""
    monkeypatch.setattr("speecht5_cli.models.linear.LEAST_WEIGHTS", 1)
    monkeypatch.setattr("speecht5_cli.models.linear.has_onednn_on_amd", lambda: faster)
    net = tiny_net()
    Numbers.of(precision, torch.device("cpu")).suit(net)
    assert type(net.decoder.layers[0].ffn.inner) is kind
