"""Linear layers for the few rows of a decoding step, one for each beam: a product can be faster the other way round.

For x W^T with one row torch calls a matrix-vector product, which on AMD's processors takes as long on two cores as on
one. W x^T of two rows is faster there, so a single row is doubled and half of the result thrown away. Measured on two
cores of an EPYC, 768 x 768, weights out of cache: 0.10 ms instead of 0.18 ms for one row, 0.14 ms instead of 0.20 ms
for five; 768 -> 3072: 0.33 instead of 0.73 ms and 0.52 instead of 0.91 ms. A greedy token of the base model takes 18 ms
instead of 24 ms. From six rows on it does not pay, nor with inputs as wide as 3072; nor at all on Intel's processors,
which torch's matrix library is made for: 0.20 instead of 0.09 ms for one row, 0.23 instead of 0.18 ms for five.
"""

from torch import Tensor, cat, nn

MOST_ROWS = 5
MOST_INPUTS = 2048
LEAST_WEIGHTS = 1 << 17  # 256 x 256 still loses (25 us, plain 11), 400 x 400 gains (36 us, plain 75)


class StepLinear(nn.Module):
    """Computes what a linear layer with a bias computes, with its weights."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)"""
        n_rows = x.numel() // x.size(-1)
        if not 0 < n_rows <= MOST_ROWS:
            return self.linear(x)
        rows = x.reshape(n_rows, -1)
        several = cat([rows, rows]) if n_rows == 1 else rows
        y = (self.linear.weight @ several.t())[:, :n_rows].t()
        return (y + self.linear.bias).view(*x.shape[:-1], -1)


def for_few_rows(model: nn.Module) -> None:
    """Replace the linear layers of a model on a CPU for which it pays, in place."""
    for name, child in model.named_children():
        if type(child) is nn.Linear and child.bias is not None:
            if child.weight.numel() >= LEAST_WEIGHTS and child.in_features <= MOST_INPUTS:
                setattr(model, name, StepLinear(child))
        else:
            for_few_rows(child)
