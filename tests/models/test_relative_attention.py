"""Attention with distances, block by block, is attention with the gathered term of distances."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from speecht5_cli.models import relative_attention as module
from speecht5_cli.models.masks import padding_bias
from speecht5_cli.models.relative_attention import (
    Distances,
    RelativePositions,
    block_by_block,
    by_distance,
    relative_attention,
    relative_logits,
)

LENS = [23, 9, 1, 16]


@pytest.fixture
def positions() -> RelativePositions:
    torch.manual_seed(0)
    positions = RelativePositions(5, 2, 8)
    torch.nn.init.normal_(positions.table)
    return positions.double()


def tensors(n: int = 23) -> tuple[Tensor, Tensor, Tensor]:
    query, key, value = torch.randn(3, len(LENS), n, 2, 8).double().transpose(2, 3).unbind()
    return query, key, value


def gathered(positions: RelativePositions, query: Tensor, key: Tensor, value: Tensor, pad: Tensor) -> Tensor:
    bias = relative_logits(query, positions.table, positions.index(query.size(2))) + padding_bias(pad)
    return scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0)


@pytest.mark.parametrize("block", [1, 200, 1058, 2116, 1 << 20])
def test_blocks(positions: RelativePositions, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of parts of an utterance, of one, of two, of all: at pads, too; forward and backward."""
    monkeypatch.setattr(module, "BLOCK", block)
    monkeypatch.setattr(module, "_FEWEST_QUERIES", 3)
    inputs = [*(x.requires_grad_() for x in tensors()), positions.table]
    pad = torch.arange(23) >= torch.tensor(LENS)[:, None]
    ours = relative_attention(*inputs, positions.distances(pad), rate=0.0)
    theirs = gathered(positions, *inputs[:3], pad)
    torch.testing.assert_close(ours, theirs)
    with torch.inference_mode():
        torch.testing.assert_close(relative_attention(*inputs, positions.distances(pad), rate=0.0), theirs)
    weight = torch.randn_like(ours)
    for got, wanted in zip(
        torch.autograd.grad((ours * weight).sum(), inputs), torch.autograd.grad((theirs * weight).sum(), inputs)
    ):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize(
    ("device", "n_keys", "blocks"),
    [
        ("cpu", 147, False),
        ("cpu", 148, True),  # 3 s: two utterances would not make a block
        ("cuda", 9459, False),  # 3 minutes
        ("cuda", 9460, True),
    ],
)
def test_when_block_by_block(device: str, n_keys: int, blocks: bool) -> None:
    assert block_by_block(device, n_keys, 12) == blocks


def test_the_way_of_a_gpu(positions: RelativePositions) -> None:
    query, key, value = tensors()
    pad = torch.arange(23) >= torch.tensor(LENS)[:, None]
    distances = Distances(padding_bias(pad), index=positions.index(23))
    ours = relative_attention(query, key, value, positions.table, distances, rate=0.0)
    torch.testing.assert_close(ours, gathered(positions, query, key, value, pad))


@pytest.mark.parametrize("n_keys", [1, 4, 11, 40])
@pytest.mark.parametrize(("first", "n_queries"), [(0, 1), (0, 7), (3, 5), (30, 4)])
def test_distances_of_a_block(positions: RelativePositions, n_keys: int, first: int, n_queries: int) -> None:
    """Every query and key meet in the row of their clipped distance."""
    products = torch.randn(n_queries, 10)
    got = by_distance(products, first, n_keys)
    for q in range(n_queries):
        for j in range(n_keys):
            row = min(max(j - (first + q) + 4, 0), 9)
            torch.testing.assert_close(got[q, j], products[q, row], rtol=0, atol=0)


def test_dropout_drops_and_keeps_the_mean(positions: RelativePositions) -> None:
    query, key, _ = tensors()
    ones = torch.ones_like(key)
    distances = positions.distances(torch.zeros(len(LENS), 23, dtype=torch.bool))
    dropped = relative_attention(query, key, ones, positions.table.detach(), distances, rate=0.5)
    assert dropped.std() > 0.1
    assert abs(float(dropped.mean()) - 1) < 0.15


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_what_is_computed_twice_is_the_same(
    positions: RelativePositions, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients, of the same dropout, are those of an attention that keeps everything."""
    monkeypatch.setattr(module, "BLOCK", 200)
    pad = torch.arange(23) >= torch.tensor(LENS)[:, None]
    weight, calls, plain = torch.randn(len(LENS), 2, 23, 8).double(), [0], module._attended

    def counted(*words: Tensor) -> Tensor:
        calls[0] += 1
        return plain(*words)

    monkeypatch.setattr(module, "_attended", counted)
    results = []
    for twice in (True, False):
        if not twice:
            monkeypatch.setattr(module, "checkpoint", lambda work, *words, **options: work(*words))
        torch.manual_seed(1)
        leaves = [leaf.requires_grad_() for leaf in tensors()]
        torch.manual_seed(2)
        ours = relative_attention(*leaves, positions.table, positions.distances(pad), rate=rate)
        torch.rand(3)  # between the passes others draw numbers
        gradients = torch.autograd.grad((ours * weight).sum(), [*leaves, positions.table])
        results.append([ours.detach(), *gradients])
        assert calls[0] == (2 * len(LENS) if twice else 3 * len(LENS))
    torch.testing.assert_close(results[0], results[1])
