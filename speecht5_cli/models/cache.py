"""What the decoder remembers between steps: keys and values of the past, and of the encoder's output.

N rows: utterances, or utterances * beams   B utterances   H heads   S encoder frames   C width of a head
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

_FIRST_CAPACITY = 64  # steps; doubled when full, so that growing costs little in all


@dataclass
class Past:
    """What one layer's self-attention has seen."""

    keys: Tensor | None = None  # (N, H, capacity, C), filled up to the number of steps so far
    values: Tensor | None = None

    def append(self, key: Tensor, value: Tensor, place: int) -> tuple[Tensor, Tensor]:
        """Store a step's key and value (N, H, 1, C) at `place`; return all up to it, (N, H, place + 1, C)."""
        if self.keys is None or self.values is None:
            self.keys, self.values = _room(key, _FIRST_CAPACITY), _room(value, _FIRST_CAPACITY)
        elif place == self.keys.size(2):
            self.keys, self.values = _doubled(self.keys), _doubled(self.values)
        self.keys[:, :, place] = key[:, :, 0]
        self.values[:, :, place] = value[:, :, 0]
        return self.keys[:, :, : place + 1], self.values[:, :, : place + 1]

    def reorder(self, rows: Tensor) -> None:
        """Let row i continue what row `rows[i]` has said (N,)."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys.index_select(0, rows), self.values.index_select(0, rows)


@dataclass
class LayerCache:
    """One decoder layer's memory."""

    memory_keys: Tensor  # (B, H, S, C), shared by the beams of an utterance
    memory_values: Tensor  # (B, H, S, C)
    past: Past = field(default_factory=Past)


@dataclass
class DecoderCache:
    """The memory of all layers. `length` steps are stored."""

    layers: list[LayerCache]
    memory_bias: Tensor  # (B, 1, 1, S): 0, or -inf at the encoder's pads
    length: int = 0
    spare: dict = field(default_factory=dict, repr=False)

    def reorder(self, rows: Tensor) -> None:
        """Let row i continue what row `rows[i]` has said (N,), within the same utterances."""
        for layer in self.layers:
            layer.past.reorder(rows)

    def keep(self, utterances: Tensor, rows: Tensor) -> None:
        """Forget all but the given utterances (of B) and rows (of N)."""
        self.reorder(rows)
        for layer in self.layers:
            layer.memory_keys = layer.memory_keys.index_select(0, utterances)
            layer.memory_values = layer.memory_values.index_select(0, utterances)
        self.memory_bias = self.memory_bias.index_select(0, utterances)


def _room(like: Tensor, capacity: int) -> Tensor:
    return like.new_empty(like.size(0), like.size(1), capacity, like.size(3))


def _doubled(full: Tensor) -> Tensor:
    return torch.cat([full, torch.empty_like(full)], dim=2)
