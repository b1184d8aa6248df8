"""The product for few rows beside the plain one."""

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from speecht5_cli.models.linear import LEAST_WEIGHTS, MOST_ROWS, StepLinear


@pytest.mark.parametrize("shape", [(1,), (1, 1), (2, 1), (1, 3), (2, 2), (5, 1), (2, 3), (0, 1), (4, 2, 2)])
def test_is_a_linear_layer(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = StepLinear(400, 360).eval()
    assert layer.weight.numel() >= LEAST_WEIGHTS
    x = torch.randn(*shape, 400)
    expected = linear(x, layer.weight, layer.bias)
    assert layer(x).shape == expected.shape
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("n_rows", range(1, MOST_ROWS + 1))
def test_rows_that_do_not_lie_in_one_piece(n_rows: int) -> None:
    layer, x = StepLinear(400, 360).eval(), torch.randn(400, 2 * n_rows)[:, ::2].t()
    torch.testing.assert_close(layer(x), linear(x, layer.weight, layer.bias), atol=1e-5, rtol=1e-5)


def test_gradients_are_those_of_a_linear_layer() -> None:
    layer, x = StepLinear(400, 360).eval(), torch.randn(1, 400, requires_grad=True)
    given = torch.randn(1, 360)
    got = torch.autograd.grad(layer(x), [x, *layer.parameters()], given)
    expected = torch.autograd.grad(linear(x, layer.weight, layer.bias), [x, *layer.parameters()], given)
    for one, other in zip(got, expected):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "n_rows", "training", "plain"),
    [
        ((400, 360), MOST_ROWS, False, False),
        ((400, 360), MOST_ROWS + 1, False, True),
        ((400, 360), 1, True, True),
        ((256, 256), 1, False, True),
    ],
)
def test_which_way_is_taken(
    sizes: tuple[int, int], n_rows: int, training: bool, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, taken = StepLinear(*sizes).train(training), []
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: taken.append(len(x)))
    layer(torch.randn(n_rows, sizes[0]))
    assert bool(taken) == plain
