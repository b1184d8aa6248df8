"""Products of a linear layer, and their gradients, by each of torch's libraries: what products.py and models/linear.py
choose between."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import linear

from speecht5_cli.bench.measure import Effort, Row, in_turns
from speecht5_cli.models.linear import Linear, PackedLinear
from speecht5_cli.products import as_convolution, gradients_as_convolution, plain_gradients

SIZES = ((768, 768), (768, 3072), (3072, 768))  # inputs and outputs
ROWS = (1, 5, 10, 100, 500)
ROWS_OF_GRADIENTS = (400, 2000)
_WEIGHTS = 1 << 28  # bytes of all layers, more than a processor keeps from one product to the next
Way = Callable[[Tensor], Tensor]


def rows(effort: Effort) -> Iterator[Row]:
    """Weights laid out once as oneDNN reads them, and convolutions of one tap, beside torch's own products; then
    both gradients by the latter way."""
    if not torch.backends.mkldnn.is_available():
        return
    for n_in, n_out in SIZES[: 1 if effort.quick else None]:
        layers = [Linear(n_in, n_out) for _ in range(_WEIGHTS // (4 * n_in * n_out))]
        plain: list[Way] = [partial(linear, weight=layer.weight, bias=layer.bias) for layer in layers]
        ways: dict[str, list[Way]] = {
            "laid out": [PackedLinear(layer) for layer in layers],
            "convolution": [partial(as_convolution, weight=layer.weight, bias=layer.bias) for layer in layers],
        }
        for n, (name, ours) in product(ROWS, ways.items()):
            x = torch.randn(n, n_in)
            yield _compared(f"{n} x {n_in} -> {n_out}, {name}", partial(_all, ours, x), partial(_all, plain, x), effort)
        for n in ROWS_OF_GRADIENTS:
            x, grad = torch.randn(n, n_in), torch.randn(n, n_out)
            one, other = (
                partial(_all, [partial(_gradients, of, layer.weight.detach(), grad) for layer in layers[::4]], x)
                for of in (gradients_as_convolution, plain_gradients)
            )
            yield _compared(f"{n} x {n_in} -> {n_out}, gradients by convolution", one, other, effort)


def _compared(name: str, ours: Callable[[], Tensor], theirs: Callable[[], Tensor], effort: Effort) -> Row:
    difference = float((ours() - theirs()).abs().max())
    mine, peer = in_turns(ours, theirs, effort, units=len(ours()))
    return Row("products", name, "", mine, peer, peer_name="torch's products", difference=difference)


def _gradients(of: Callable[..., tuple[Tensor, Tensor]], weight: Tensor, grad: Tensor, x: Tensor) -> Tensor:
    """A number (1, 1) of both gradients."""
    of_x, of_weight = of(x, weight, grad)
    return of_x[-1:, -1:] + of_weight[-1:, -1:]


def _all(ways: list[Way], x: Tensor) -> Tensor:
    """One number of each layer's output."""
    with torch.inference_mode():
        return torch.stack([way(x)[-1, -1] for way in ways])
