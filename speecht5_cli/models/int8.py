"""Linear layers in 8 bits, for decoding on a CPU: weights by output row, inputs by the range of what comes in.

A decoding step reads every weight once, so a quarter of the bytes takes about a third of the time. Measured on two
cores with VNNI instructions, 768 x 768: 0.03 ms instead of 0.06 ms for one row, 1.2 ms instead of 3.9 ms for 500 rows;
a layer of fewer than LEAST_WEIGHTS is not faster and stays as it is. On one core, queries, keys and values of one input
from one product take 0.05 ms instead of 0.09 ms for one row. What a decoder keeps of the encoder's output is read as
often as weights are: in bfloat16, where the CPU multiplies that, attending to 500 frames takes 0.11 ms a layer instead
of 0.22 ms.

An output differs from the exact one by 0.6 % of its norm; `speecht5 bench scores --model EXP --data DIR` says what that
does to scores. What is in one tensor is rounded together, so an utterance's output can depend on its batch here.
"""

import torch
from torch import Tensor, nn

from speecht5_cli.models.attention import SelfAttention
from speecht5_cli.models.linear import Linear
from speecht5_cli.models.transformer import Decoder

LEAST_WEIGHTS = 1 << 18


class Int8Linear(nn.Module):
    """Computes what a linear layer computed when it was made of it."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()  # (out, in)
        scales = weight.abs().amax(1).clamp(min=1e-12).double() / 127
        zeros = torch.zeros(len(weight), dtype=torch.long)
        rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
        bias = None if linear.bias is None else linear.bias.detach().clone()  # from a file, maybe
        self.packed = torch.ops.quantized.linear_prepack(rounded, bias)
        # Without VNNI sums of 16 bits overflow unless inputs have 7 bits.
        self.seven_bits = not torch.cpu._is_vnni_supported()

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), float32"""
        return torch.ops.quantized.linear_dynamic(x.float(), self.packed, self.seven_bits)


def in_int8(model: nn.Module) -> int:
    """Replace the large linear layers of a model on a CPU, in place; returns how many there are of the new kind."""
    n_replaced = 0
    if isinstance(model, Decoder) and torch.cpu._is_avx512_bf16_supported():
        model.memory_dtype = torch.bfloat16
    if isinstance(model, SelfAttention) and 3 * model.query.weight.numel() >= LEAST_WEIGHTS:
        model.merge(Int8Linear(side_by_side(model.query, model.key, model.value)))
        n_replaced += 1
    for name, child in model.named_children():
        if isinstance(child, Linear) and child.weight.numel() >= LEAST_WEIGHTS:
            setattr(model, name, Int8Linear(child))
            n_replaced += 1
        else:
            n_replaced += in_int8(child)
    return n_replaced


def side_by_side(*layers: nn.Linear) -> nn.Linear:
    """One layer whose output is that of all, one after the other."""
    whole = nn.Linear(layers[0].in_features, sum(layer.out_features for layer in layers))
    whole.weight.data = torch.cat([layer.weight.detach() for layer in layers])
    whole.bias.data = torch.cat([layer.bias.detach() for layer in layers])
    return whole
