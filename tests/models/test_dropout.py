"""Our dropout against what a dropout has to be, and attention with it against torch's."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from speecht5_cli.models.dropout import Dropout, dropout
from speecht5_cli.models.fused_attention import attend


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(1000, 1001), (3, 7, 50_001)])
def test_as_many_are_dropped_as_said_and_the_mean_stays(rate: float, shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    y = dropout(torch.ones(shape), rate)
    kept = (y != 0).double().mean().item()
    assert kept == pytest.approx(1 - rate, abs=3e-3)
    assert y.double().mean().item() == pytest.approx(1, abs=3e-3 / (1 - rate))
    torch.testing.assert_close(y[y != 0], torch.full_like(y[y != 0], 1 / (1 - rate)), rtol=2e-4, atol=0)


def test_neighbours_are_dropped_independently() -> None:
    """Four elements share a random word."""
    torch.manual_seed(2)
    kept = (dropout(torch.ones(400_000), 0.5) != 0).double().view(-1, 4)
    correlation = torch.corrcoef(kept.t()) - torch.eye(4)
    assert correlation.abs().max() < 0.015
    across = torch.corrcoef(torch.stack([kept[:-1, 3], kept[1:, 0]]))[0, 1]
    assert abs(across) < 0.015


def test_the_generator_decides() -> None:
    x = torch.randn(5, 333)
    torch.manual_seed(3)
    first = dropout(x, 0.3)
    other = dropout(x, 0.3)
    torch.manual_seed(3)
    assert torch.equal(dropout(x, 0.3), first)
    assert not torch.equal(other, first)


def test_the_edges() -> None:
    x = torch.randn(4, 9)
    assert dropout(x, 0.0) is x
    assert dropout(x, 0.5, training=False) is x
    assert torch.equal(dropout(x, 1.0), torch.zeros_like(x))
    assert dropout(x[:0], 0.5).shape == (0, 9)
    assert dropout(x.bfloat16(), 0.5).dtype == torch.bfloat16
    assert Dropout(0.5).eval()(x) is x
    assert (Dropout(0.5)(torch.ones(1000)) == 0).any()


def test_gradients_go_where_values_went() -> None:
    x = torch.randn(50, 60, requires_grad=True)
    y = dropout(x, 0.4)
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (y / x).detach())


@pytest.mark.parametrize("causal", [False, True])
def test_attention_with_dropout_is_torch_s_on_average(causal: bool) -> None:
    """No dropout to speak of, but the way through our own steps."""
    query, key, value = torch.randn(3, 2, 4, 17, 8)
    bias = None if causal else torch.randn(2, 1, 17, 17)
    expected = scaled_dot_product_attention(query, key, value, attn_mask=bias, is_causal=causal, scale=0.3)
    torch.testing.assert_close(attend(query, key, value, bias, scale=0.3, causal=causal), expected)
    torch.testing.assert_close(attend(query, key, value, bias, scale=0.3, causal=causal, rate=1e-9), expected)
    torch.manual_seed(0)
    several = torch.stack([attend(query, key, value, bias, scale=0.3, causal=causal, rate=0.2) for _ in range(4000)])
    assert (several.mean(0) - expected).abs().max() < 0.06
    assert several.std(0).max() > 0.1
