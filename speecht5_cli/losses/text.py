"""Cross-entropy over tokens, with fairseq's label smoothing, and CTC.

B batch   T frames   U tokens   V symbols
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss, log_softmax


@dataclass
class TokenLoss:
    """Sums over the valid tokens of a batch."""

    loss: Tensor  # with smoothing
    nll: Tensor  # without
    correct: Tensor  # tokens whose logit is the largest
    n: Tensor


def token_cross_entropy(logits: Tensor, targets: Tensor, *, pad: int, smoothing: float = 0.0) -> TokenLoss:
    """logits (B, U, V), targets (B, U): (1 - e - e / (V - 1)) nll + e / (V - 1) sum over V of -log p, summed."""
    valid = targets != pad
    log_p = log_softmax(logits, dim=-1, dtype=torch.float32)[valid]  # (n, V)
    wanted = targets[valid]
    nll = -log_p.gather(1, wanted[:, None]).sum()
    loss = nll
    if smoothing:
        share = smoothing / (log_p.size(1) - 1)
        loss = (1 - smoothing - share) * nll - share * log_p.sum()
    return TokenLoss(loss, nll.detach(), (log_p.argmax(1) == wanted).sum(), valid.sum())


def ctc(
    logits: Tensor, lens: Tensor, targets: Tensor, target_lens: Tensor, *, blank: int, zero_infinity: bool
) -> Tensor:
    """logits (B, T, V), frame lens (B,), targets (B, U) without end marks, target_lens (B,) -> sum of -log p.

    `zero_infinity` counts an utterance that has fewer frames than its targets need as 0 instead of infinity.
    """
    log_p = log_softmax(logits, dim=-1, dtype=torch.float32).transpose(0, 1)  # (T, B, V)
    flat = targets[torch.arange(targets.size(1), device=targets.device) < target_lens[:, None]]
    return ctc_loss(log_p, flat, lens, target_lens, blank=blank, reduction="sum", zero_infinity=zero_infinity)
