"""The product for few rows beside the plain one."""

import pytest
import torch
from tiny import XVECTOR_DIM, tiny_net
from torch import Tensor, nn

from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.decode.speech import generate
from speecht5_cli.models.linear import LEAST_WEIGHTS, MOST_INPUTS, MOST_ROWS, StepLinear, for_few_rows
from speecht5_cli.train.precision import Numbers


def layers() -> tuple[nn.Linear, StepLinear]:
    torch.manual_seed(0)
    plain = nn.Linear(30, 26)
    return plain, StepLinear(plain)


@torch.no_grad()
@pytest.mark.parametrize("shape", [(1,), (1, 1), (2, 1), (1, 3), (2, 2), (5, 1), (2, 3), (0, 1), (4, 2, 2)])
def test_is_a_linear_layer(shape: tuple[int, ...]) -> None:
    plain, ours = layers()
    x = torch.randn(*shape, 30)
    assert ours(x).shape == plain(x).shape
    torch.testing.assert_close(ours(x), plain(x), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("n_rows", range(1, MOST_ROWS + 1))
def test_rows_that_do_not_lie_in_one_piece(n_rows: int) -> None:
    plain, ours = layers()
    x = torch.randn(30, 2 * n_rows)[:, ::2].t()
    torch.testing.assert_close(ours(x), plain(x), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("n_rows", "plain"), [(1, False), (MOST_ROWS, False), (MOST_ROWS + 1, True)])
def test_which_way_is_taken(n_rows: int, plain: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    _, ours = layers()
    calls: list[Tensor] = []
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: calls.append(x))
    ours(torch.randn(n_rows, 30))
    assert bool(calls) == plain


def test_which_layers_it_pays_for() -> None:
    wide = LEAST_WEIGHTS // 256
    net = nn.Sequential(
        nn.Linear(256, wide),
        nn.Linear(256, wide - 1),
        nn.Linear(256, wide, bias=False),
        nn.Linear(MOST_INPUTS + 1, 256),
        nn.Sequential(nn.Linear(256, wide)),
    )
    for_few_rows(net)
    assert [type(layer) for layer in [*net[:4], net[4][0]]] == [StepLinear, *[nn.Linear] * 3, StepLinear]


@torch.no_grad()
def test_a_model_speaks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speecht5_cli.models.linear.LEAST_WEIGHTS", 1)
    plain, ours = tiny_net(seed=4, prenet_dropout=0.5), tiny_net(seed=4, prenet_dropout=0.5)
    for_few_rows(ours)
    assert isinstance(ours.speech_decoder_prenet.projection, StepLinear)
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
    for_few_rows(ours)
    assert any(isinstance(layer, StepLinear) for layer in ours.decoder.modules())
    tokens = torch.tensor([[5, 6, 7, 8, 2]])
    logits = []
    for net in (plain, ours):
        cache = net.start(net.encode_text(tokens))
        logits.append(torch.stack([net.next_text(tokens[:, step], cache) for step in range(5)]))
    torch.testing.assert_close(*logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("slow", "precision", "kind"),
    [(True, "fp32", StepLinear), (False, "fp32", nn.Linear), (True, "bf16", nn.Linear)],
)
def test_where_it_is_done(slow: bool, precision: str, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """For inference on processors whose products of few rows are slow."""
    monkeypatch.setattr("speecht5_cli.models.linear.LEAST_WEIGHTS", 1)
    monkeypatch.setattr("speecht5_cli.train.precision.few_rows_are_slow", lambda: slow)
    net = tiny_net()
    Numbers.of(precision, torch.device("cpu")).suit(net)
    assert type(net.decoder.layers[0].ffn.inner) is kind
