"""The codebook should be used evenly.

B batch   T positions   G groups   E entries of a group
"""

from typing import Literal

import torch
from torch import Tensor


def mean_use(soft: Tensor, pad: Tensor | None) -> Tensor:
    """Probabilities (B, T, G, E) -> their mean over valid positions (G, E); over all where pad is None."""
    if pad is None:
        return soft.mean((0, 1))
    valid = (~pad)[..., None, None]
    return (soft * valid).sum((0, 1)) / valid.sum().clamp(min=1)


def perplexity(use: Tensor) -> Tensor:
    """(G, E) -> sum over groups of exp(entropy): from G (one entry each) to G * E (all alike)."""
    return (-(use * (use + 1e-7).log()).sum(-1)).exp().sum()


def diversity(use: Tensor, formula: Literal["perplexity", "paper"] = "perplexity") -> Tensor:
    """perplexity: (G E - perplexity) / (G E), as the original code. paper: sum of p log p over the entries' number."""
    if formula == "paper":
        return (use * (use + 1e-7).log()).sum() / use.numel()
    return (use.numel() - perplexity(use)) / use.numel()


def code_perplexity(indices: Tensor, n_entries: int, pad: Tensor | None) -> Tensor:
    """Chosen entries (B, T, G) -> perplexity of how often each was chosen; for the log."""
    chosen = torch.nn.functional.one_hot(indices, n_entries).float()
    return perplexity(mean_use(chosen, pad))
