"""Distance of predicted from true log-mel, and when to stop.

B batch   L mel frames   M mels   pad masks True where padded
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

STOP_WEIGHT = 5.0  # of the one frame that ends an utterance against the many that do not


def mel_l1(predicted: Tensor, mel: Tensor, pad: Tensor) -> Tensor:
    """(B, L, M) twice, pad (B, L) -> sum over valid frames of the mean over mels of |difference|."""
    return l1_loss(predicted.float(), mel, reduction="none").mean(-1).masked_fill(pad, 0.0).sum()


def mel_l2(predicted: Tensor, mel: Tensor, pad: Tensor) -> Tensor:
    """As `mel_l1` with squares; for the log only."""
    return (predicted.float() - mel).square().mean(-1).masked_fill(pad, 0.0).sum()


def stop_cross_entropy(logits: Tensor, lens: Tensor, pad: Tensor) -> Tensor:
    """Stop logits (B, L), lens (B,), pad (B, L) -> sum over valid frames; the last valid frame's label is 1."""
    labels = torch.zeros_like(logits, dtype=torch.float32)
    labels.scatter_(1, (lens - 1).clamp(min=0)[:, None], 1.0)
    weight = torch.tensor(STOP_WEIGHT, device=logits.device)
    losses = binary_cross_entropy_with_logits(logits.float(), labels, pos_weight=weight, reduction="none")
    return losses.masked_fill(pad, 0.0).sum()
