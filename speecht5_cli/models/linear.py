"""Linear layers: the plain one, and one whose weights lie in memory as oneDNN reads them, for inference.

Measured on two cores of an EPYC (Zen 5), weights out of cache, the packed one beside `nn.Linear`: 768 -> 768 takes
0.06 ms instead of 0.13 ms for one row, 0.08 ms instead of 0.18 ms for ten, 1.2 ms instead of 2.7 ms for 500; 768 ->
3072 0.14 instead of 0.52 ms, 0.25 instead of 0.74 ms, 4.7 instead of 11.1 ms. Layers of 256 x 256 gain from 24 rows on,
and lose nothing before. On an EPYC without AVX-512 (Zen 3), by `speecht5 bench products`: 768 -> 3072 0.57 instead of
0.70 ms for one row, 0.74 instead of 1.43 ms for five, 16.4 instead of 20.9 ms for 500; on one of its cores 0.78 instead
of 0.73 ms, 1.42 instead of 1.75 ms, 31.8 instead of 36.1 ms.
"""

import torch
from torch import Tensor, nn

from speecht5_cli.products import LEAST_WEIGHTS, has_onednn_on_amd, lay_out, product, product_of_laid_out


class Linear(nn.Linear):
    """`nn.Linear` by whichever of torch's libraries is faster."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)"""
        return product(x, self.weight, self.bias)


class PackedLinear(nn.Module):
    """Computes what a linear layer computed when it was made of it, without gradients."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.packed = lay_out(linear.weight.detach())
        self.bias = None if linear.bias is None else linear.bias.detach().clone()  # from a file, maybe

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)"""
        return product_of_laid_out(x, self.packed, self.bias)


def pack_where_it_pays(model: nn.Module, device: torch.device) -> None:
    """`pack` a model for inference on a processor on which that was measured to be faster."""
    if device.type == "cpu" and has_onednn_on_amd():
        pack(model)


def pack(model: nn.Module) -> None:
    """Replace the large linear layers of a model on a CPU, in place, by packed ones."""
    for name, child in model.named_children():
        if not isinstance(child, Linear):
            pack(child)
        elif child.weight.numel() >= LEAST_WEIGHTS:
            setattr(model, name, PackedLinear(child))
