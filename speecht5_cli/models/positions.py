"""Where in the sequence: two sinusoid conventions (spec: original code).

B batch   T positions   D model width
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from speecht5_cli.models.dropout import Dropout


def interleaved_sinusoids(n: int, dim: int) -> Tensor:
    """(n, dim): even columns sine, odd ones cosine, from position 0 (speech decoder's, text encoder's pre-net)."""
    rates = torch.exp(torch.arange(0, dim, 2, dtype=torch.float32) * -(math.log(10_000.0) / dim))
    angles = torch.arange(n, dtype=torch.float32)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def concatenated_sinusoids(n: int, dim: int) -> Tensor:
    """(n, dim): first half sine, second half cosine (speech encoder's, text decoder's pre-net).

    Row 1 belongs to padding and is zero; the first position of a sequence is row 2.
    """
    half = dim // 2
    rates = torch.exp(torch.arange(half, dtype=torch.float32) * -(math.log(10_000.0) / (half - 1)))
    angles = torch.arange(n, dtype=torch.float32)[:, None] * rates
    table = torch.cat([angles.sin(), angles.cos()], dim=1)
    table[1] = 0.0
    return table


class GrowingTable(nn.Module):
    """Rows of a sinusoid table that is recomputed when a longer sequence comes: no length limit but memory."""

    table: Tensor

    def __init__(self, make: Callable[[int, int], Tensor], dim: int) -> None:
        super().__init__()
        self.make, self.dim = make, dim
        room = torch.empty(1024, dim)
        # To compute on the meta device torch imports its compiler, which takes it a second.
        self.register_buffer("table", room if room.is_meta else make(len(room), dim), persistent=False)

    def rebuild(self) -> None:
        """Compute the table anew, after the model was built without memory (on the meta device)."""
        self.table = self.make(len(self.table), self.dim)

    def upto(self, n: int) -> Tensor:
        """(at least n, dim)"""
        if n > len(self.table):
            self.table = self.make(max(n, 2 * len(self.table)), self.dim).to(self.table)
        return self.table


class ScaledPositions(nn.Module):
    """x + alpha * interleaved sinusoids, then dropout; pads are counted like anything else."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(1.0))
        self.sinusoids = GrowingTable(interleaved_sinusoids, dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, first: int = 0) -> Tensor:
        """(B, T, D) -> (B, T, D); `first` is the position of x[:, 0]."""
        end = first + x.size(1)
        return self.dropout(x + self.alpha * self.sinusoids.upto(end)[first:end])


class PaddedPositions(nn.Module):
    """Concatenated sinusoids for the valid positions, the zero vector for padded ones. To be added."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.sinusoids = GrowingTable(concatenated_sinusoids, dim)

    def forward(self, pad: Tensor, first: int = 0) -> Tensor:
        """pad (B, T) -> (B, T, D); `first` is the number of valid positions before these."""
        rows = torch.where(pad, 1, (~pad).cumsum(1) + 1 + first)  # (B, T)
        return self.sinusoids.upto(first + pad.size(1) + 2)[rows]
