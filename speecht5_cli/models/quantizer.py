"""The cross-modal codebook: speech and text states meet in the same entries.

B batch   T positions   D model width   G groups   E entries of a group
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gumbel_softmax, one_hot

from speecht5_cli.models.config import ModelConfig
from speecht5_cli.models.linear import Linear

START, STOP, DECAY = 2.0, 0.5, 0.999995  # temperature of the Gumbel softmax: first, last, factor of an update
MIXED = 0.1  # share of the time steps that are replaced by their codes (README of the original)


@dataclass
class Codes:
    """The quantised states and how the codebook was used."""

    states: Tensor  # (B, T, D)
    soft: Tensor  # (B, T, G, E) probabilities without noise or temperature
    indices: Tensor  # (B, T, G)


class Quantizer(nn.Module):
    """Chooses one entry in each group for every state; chosen entries of the groups are concatenated."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.groups, self.entries, self.nearest = cfg.codebook_groups, cfg.codebook_entries, cfg.quantizer == "nearest"
        self.logits = Linear(cfg.d_model, self.groups * self.entries)
        self.codebook = nn.Parameter(torch.empty(self.groups, self.entries, cfg.d_model // self.groups))

    def forward(self, x: Tensor, step: int, noise: Tensor | None = None) -> Codes:
        """x (B, T, D) at update `step`; `noise` (B, T, G, E) replaces the draw of Gumbel noise."""
        logits = self._distances(x) if self.nearest else self.logits(x).unflatten(2, (self.groups, -1)).float()
        soft = logits.softmax(-1)
        indices = logits.argmax(-1)
        chosen = one_hot(indices, self.entries).to(soft.dtype)
        if self.nearest:
            chosen = chosen + soft - soft.detach()  # straight through
        elif self.training:
            chosen = self._drawn(logits, max(START * DECAY**step, STOP), noise)
        return Codes(self._entries(chosen).to(x.dtype), soft, indices)

    def _entries(self, chosen: Tensor) -> Tensor:
        """(B, T, G, E) one-hot -> (B, T, D)"""
        return torch.einsum("btge,gec->btgc", chosen, self.codebook.to(chosen.dtype)).flatten(2)

    def _drawn(self, logits: Tensor, temperature: float, noise: Tensor | None) -> Tensor:
        if noise is None:
            return gumbel_softmax(logits, temperature, hard=True)
        soft = ((logits + noise) / temperature).softmax(-1)
        return one_hot(soft.argmax(-1), self.entries).to(soft.dtype) + soft - soft.detach()

    def _distances(self, x: Tensor) -> Tensor:
        """Minus the squared Euclidean distance of each group's part to its entries, (B, T, G, E)."""
        parts = x.float().unflatten(2, (self.groups, -1))  # (B, T, G, D / G)
        products = torch.einsum("btgc,gec->btge", parts, self.codebook.float())
        return 2 * products - parts.square().sum(-1, keepdim=True) - self.codebook.float().square().sum(-1)


def mixed(states: Tensor, codes: Tensor, steps: Tensor) -> Tensor:
    """States (B, T, D) in which the time steps (k,), the same ones for all rows, are replaced by their codes."""
    result = states.clone()
    result[:, steps] = codes[:, steps].to(states.dtype)
    return result


def mixed_steps(n: int, device: torch.device) -> Tensor:
    """int(MIXED * n) of the time steps, drawn without replacement."""
    return torch.randperm(n, device=device)[: int(n * MIXED)]
