"""Masked unit prediction: which k-means cluster does a hidden frame belong to (HuBERT's loss).

n frames   K clusters
"""

from torch import Tensor
from torch.nn.functional import cross_entropy

from speecht5_cli.models.postnets import N_SPECIAL


def unit_cross_entropy(logits: Tensor, units: Tensor) -> tuple[Tensor, Tensor]:
    """logits (n, K + 4), units (n,) -> sum of cross-entropies, number of frames whose own cluster is the likeliest.

    The rows before the first cluster act as negatives only.
    """
    wanted = units + N_SPECIAL
    return cross_entropy(logits, wanted, reduction="sum"), (logits.argmax(-1) == wanted).sum()
