"""Which class: plain softmax, or cosine softmax with a margin for the true class.

B batch   D width   K classes
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear, normalize, one_hot

Softmax = Literal["softmax", "am", "aam"]


def class_logits(states: Tensor, weight: Tensor, kind: Softmax, *, scale: float) -> Tensor:
    """States (B, D) and class weights (K, D) -> logits (B, K): products, or scaled cosines for the margin losses.

    Cosines are float32 even under autocast: in bfloat16 one near 1 is 1, where the slope of its angle is infinite.
    """
    if kind == "softmax":
        return linear(states, weight)
    with torch.autocast(states.device.type, enabled=False):
        return scale * linear(normalize(states.float(), dim=-1), normalize(weight.float(), dim=-1))


def class_cross_entropy(logits: Tensor, labels: Tensor, kind: Softmax, *, margin: float, scale: float) -> Tensor:
    """Sum over the batch of the cross-entropy of `class_logits` (B, K) with labels (B,).

    am takes the margin off the true class's cosine (Wang et al. 2018), aam adds it to its angle (Deng et al. 2019).
    The original offers both, but never applies the margin.
    """
    if kind != "softmax":
        true = one_hot(labels, logits.size(1)).bool()
        cosine = (logits / scale).clamp(-1 + 1e-6, 1 - 1e-6)
        tightened = cosine - margin if kind == "am" else torch.cos(torch.acos(cosine) + margin)
        logits = torch.where(true, scale * tightened, logits)
    return cross_entropy(logits.float(), labels, reduction="sum")
