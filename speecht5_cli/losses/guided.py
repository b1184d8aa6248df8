"""Guided attention: what is said now should come from about as far along the input (Tachibana et al. 2018).

B batch   H heads   U decoder steps   T encoder positions
"""

import torch
from torch import Tensor

SIGMA = 0.4
HEADS = 2  # the first heads of every layer that ran


def guided_attention(attention: list[Tensor], steps: Tensor, lens: Tensor, *, sigma: float = SIGMA) -> Tensor:
    """Attention of each layer (B, H, U, T), valid steps (B,) and positions (B,) -> sum over valid cells.

    The weight of a cell is 1 - exp(-(t / T - u / U)^2 / (2 sigma^2)); heads and layers are averaged. Nothing where
    layerdrop left no layer.
    """
    if not attention:
        return torch.zeros((), device=steps.device)
    guided = torch.cat([layer[:, :HEADS] for layer in attention], dim=1).mean(1)  # (B, U, T)
    return (guided * penalties(steps, lens, guided.size(1), guided.size(2), sigma)).sum()


def penalties(steps: Tensor, lens: Tensor, n_steps: int, n_positions: int, sigma: float) -> Tensor:
    """(B, U, T), 0 outside of the valid steps and positions."""
    u = torch.arange(n_steps, device=steps.device)[:, None]  # (U, 1)
    t = torch.arange(n_positions, device=steps.device)  # (T,)
    steps, lens = steps[:, None, None], lens[:, None, None]  # (B, 1, 1)
    distance = t / lens.clamp(min=1) - u / steps.clamp(min=1)  # (B, U, T)
    weights = 1.0 - (-distance.square() / (2 * sigma**2)).exp()
    return weights.masked_fill((u >= steps) | (t >= lens), 0.0)
