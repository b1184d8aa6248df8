"""Which positions are padding, as a mask and as what is added to attention logits.

B batch   S, n positions
"""

import torch
from torch import Tensor


def padding_mask(lens: Tensor, n: int) -> Tensor:
    """Valid lengths (B,) -> (B, n), True where padded."""
    return torch.arange(n, device=lens.device) >= lens[:, None]


def chunked_padding_mask(sample_lens: Tensor, n_samples: int, n_frames: int) -> Tensor:
    """The original's rule: a frame is padding if its whole chunk of n_samples // n_frames samples is."""
    starts = torch.arange(n_frames, device=sample_lens.device) * (n_samples // n_frames)
    return starts >= sample_lens[:, None]


def padding_bias(pad: Tensor) -> Tensor:
    """pad (B, S), True where padded -> (B, 1, 1, S): 0, or -inf where padded."""
    return torch.zeros(pad.shape, device=pad.device).masked_fill(pad, float("-inf"))[:, None, None, :]


def causal_bias(n: int, device: torch.device) -> Tensor:
    """(n, n): 0 up to and including the own place, -inf after it."""
    return torch.full((n, n), float("-inf"), device=device).triu(1)
