"""The three ways to compute attention agree."""

import pytest
import torch
from torch import nn

from speecht5_cli.models.attention import Attention, SelfAttention
from speecht5_cli.models.masks import causal_bias, padding_bias


@pytest.fixture
def attention() -> Attention:
    torch.manual_seed(0)
    net = Attention(16, 4, dropout=0.0).eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, 0.0, 0.5)
    return net


@torch.no_grad()
def test_weights_on_request_change_nothing(attention: Attention) -> None:
    x, memory = torch.randn(2, 5, 16), torch.randn(2, 7, 16)
    bias = padding_bias(torch.arange(7) >= torch.tensor([[7], [3]]))
    y, weights = attention.with_weights(x, memory, bias)
    torch.testing.assert_close(y, attention(x, memory, bias=bias), atol=1e-5, rtol=1e-5)
    assert weights.shape == (2, 4, 5, 7)
    assert weights[1, :, :, 3:].abs().max() == 0
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 5))


@torch.no_grad()
def test_it_is_softmax_of_scaled_products(attention: Attention) -> None:
    x, memory = torch.randn(1, 3, 16), torch.randn(1, 6, 16)
    query, key, value = attention.query(x), attention.key(memory), attention.value(memory)
    heads = []
    for head in range(4):
        part = slice(4 * head, 4 * head + 4)
        weights = (query[0, :, part] @ key[0, :, part].T / 2.0).softmax(-1)  # sqrt(4) = 2
        heads.append(weights @ value[0, :, part])
    torch.testing.assert_close(attention(x, memory)[0], attention.out(torch.cat(heads, -1)), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_causal_in_two_ways() -> None:
    attention, x = SelfAttention(16, 4, dropout=0.0).eval(), torch.randn(2, 6, 16)
    whole = attention(x, causal=True)
    torch.testing.assert_close(attention(x, bias=causal_bias(6, x.device)), whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(attention(x[:, :4], causal=True), whole[:, :4], atol=1e-5, rtol=1e-5)
