"""Positions: absolute tables that grow, relative distances without a T x T x C tensor."""

import math

import pytest
import torch
from tiny import tiny_net
from torch import Tensor

from speecht5_cli.models.positions import (
    GrowingTable,
    PaddedPositions,
    ScaledPositions,
    concatenated_sinusoids,
    interleaved_sinusoids,
)
from speecht5_cli.models.relative_attention import RelativePositions, relative_logits


def naive(query: Tensor, table: Tensor, distance: int) -> Tensor:
    """As the paper of Shaw et al. writes it: an embedding for every pair of places."""
    n = query.size(2)
    result = torch.zeros(*query.shape[:2], n, n)
    for i in range(n):
        for j in range(n):
            row = min(max(i - j, -distance), distance - 1) + distance
            result[:, :, i, j] = query[:, :, i] @ table[row]
    return result


@pytest.mark.parametrize("n", [1, 3, 5, 12])
def test_relative_distances(n: int) -> None:
    """Shorter and longer than the distance at which embeddings are shared."""
    positions = RelativePositions(4, 3, 6)
    torch.nn.init.normal_(positions.table)
    query = torch.randn(2, 3, n, 6)
    got = relative_logits(query, positions.table, positions.index(n))
    torch.testing.assert_close(got, naive(query, positions.table, 4))


def test_distance_matters_to_the_encoder() -> None:
    net = tiny_net()
    x, pad = torch.randn(1, 20, 32), torch.zeros(1, 20, dtype=torch.bool)
    before = net.encoder(x, pad)
    with torch.no_grad():
        net.encoder.relative.table.zero_()
    assert (net.encoder(x, pad) - before).abs().max() > 0.01


def test_two_conventions_of_sinusoids() -> None:
    interleaved, concatenated = interleaved_sinusoids(8, 6), concatenated_sinusoids(8, 6)
    for t in range(8):
        for k in range(3):
            assert interleaved[t, 2 * k] == pytest.approx(math.sin(t / 10_000 ** (2 * k / 6)), abs=1e-5)
            assert interleaved[t, 2 * k + 1] == pytest.approx(math.cos(t / 10_000 ** (2 * k / 6)), abs=1e-5)
            if t != 1:
                assert concatenated[t, k] == pytest.approx(math.sin(t / 10_000 ** (k / 2)), abs=1e-5)
                assert concatenated[t, 3 + k] == pytest.approx(math.cos(t / 10_000 ** (k / 2)), abs=1e-5)
    assert concatenated[1].abs().sum() == 0


def test_tables_grow_beyond_their_first_rows() -> None:
    table = GrowingTable(interleaved_sinusoids, 8)
    assert len(table.upto(10)) == 1024
    grown = table.upto(1025)
    assert len(grown) == 2048
    torch.testing.assert_close(grown, interleaved_sinusoids(2048, 8))
    assert len(table.upto(10_000)) == 10_000
    assert "table" not in table.state_dict()  # it is never stored


def test_long_sequences() -> None:
    """Beyond 1024 positions, in one go or from the middle."""
    x = torch.zeros(1, 1500, 8)
    whole = ScaledPositions(8, 0.0)(x)
    torch.testing.assert_close(ScaledPositions(8, 0.0)(x[:, :100], first=1400), whole[:, 1400:])
    pad = torch.zeros(1, 1500, dtype=torch.bool)
    whole = PaddedPositions(8)(pad)
    torch.testing.assert_close(PaddedPositions(8)(pad[:, :100], first=1400), whole[:, 1400:])
    torch.testing.assert_close(whole[0], concatenated_sinusoids(1502, 8)[2:])


def test_pads_have_no_place_and_shift_nobody() -> None:
    pad = torch.tensor([[False, True, False, False], [False, False, False, True]])
    table, got = concatenated_sinusoids(10, 8), PaddedPositions(8)(pad)
    torch.testing.assert_close(got[0], table[[2, 1, 3, 4]])
    torch.testing.assert_close(got[1], table[[2, 3, 4, 1]])


def test_a_table_built_without_memory_is_rebuilt() -> None:
    with torch.device("meta"):
        table = GrowingTable(concatenated_sinusoids, 8)
    table = table.to_empty(device="cpu")
    table.rebuild()
    torch.testing.assert_close(table.upto(1024), concatenated_sinusoids(1024, 8))


def test_symbols_of_the_text_encoder_are_scaled_and_positions_are_not() -> None:
    plain, scaled = tiny_net(), tiny_net(symbol_scale=3.0)
    scaled.load_state_dict(plain.state_dict())
    tokens = torch.tensor([[5, 6, 7, 5]])
    with torch.no_grad():
        ones = plain.text_encoder_prenet(tokens, plain.symbols.weight)
        threes = scaled.text_encoder_prenet(tokens, scaled.symbols.weight)
    torch.testing.assert_close(threes - ones, 2 * plain.symbols.weight[tokens])
