"""What a decoder remembers between steps: keys and values of the past, and of the encoder's output.

The beams of an utterance share one past. What a beam says is stored once and stays where it is; when a search lets one
beam go on as another, only the note of which places are its own changes, and nothing is copied. All keys of an
utterance are then one matrix for the queries of all its beams.

B utterances   K beams of each   N rows, B * K   P places   S encoder frames   H heads   C width of a head
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

_FIRST_CAPACITY = 64  # steps; doubled when full, so that growing costs little in all


@dataclass
class Past:
    """What one layer's self-attention has stored."""

    keys: Tensor | None = None  # (B * H, C, capacity)
    values: Tensor | None = None  # (B * H, capacity, C)

    def append(self, key: Tensor, value: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Store a step's keys (B * H, C, K) and values (B * H, K, C) from place `first` on; return all up to them."""
        end = first + key.size(2)
        if self.keys is None or self.values is None:
            room = _FIRST_CAPACITY * key.size(2)
            self.keys = key.new_empty(len(key), key.size(1), room)
            self.values = value.new_empty(len(value), room, value.size(2))
        while end > self.keys.size(2):
            self.keys = torch.cat([self.keys, torch.empty_like(self.keys)], dim=2)
            self.values = torch.cat([self.values, torch.empty_like(self.values)], dim=1)
        self.keys[:, :, first:end] = key
        self.values[:, first:end] = value
        return self.keys[:, :, :end], self.values[:, :end]

    def keep(self, utterances: Tensor, n: int) -> None:
        """Forget all but these utterances (of n)."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = kept(self.keys, utterances, n), kept(self.values, utterances, n)


@dataclass
class History:
    """Which places of the past each row has said itself. Until an utterance has several rows, all of them."""

    n_utterances: int
    length: int = 0  # steps so far
    n_places: int = 0  # that they take up
    own: Tensor | None = None  # (B, K, P): 0, or -inf at the places of others

    def begin(self, n_rows: int, device: torch.device) -> tuple[int, Tensor | None]:
        """Make room for a step of all rows: its first place, and the bias (B, K, P) of what each row sees."""
        beams, first = n_rows // self.n_utterances, self.n_places
        self.length, self.n_places = self.length + 1, first + beams
        if beams == 1 and self.own is None:
            return first, None
        step = torch.full((beams, beams), float("-inf"), device=device).fill_diagonal_(0.0)
        step = step.expand(self.n_utterances, -1, -1)
        self.own = step if self.own is None else torch.cat([self.own, step], dim=2)
        return first, self.own

    def reorder(self, rows: Tensor) -> None:
        """Row i goes on as row rows[i] (N,) of the same utterance."""
        if self.own is not None:
            self.own = self.own.flatten(0, 1).index_select(0, rows).unflatten(0, (self.n_utterances, -1))

    def keep(self, utterances: Tensor, rows: Tensor) -> None:
        """Only these utterances (of B) and rows (of N) go on."""
        self.n_utterances = len(utterances)
        self.reorder(rows)


@dataclass
class LayerCache:
    """One decoder layer's memory."""

    memory_keys: Tensor  # (B * H, C, S)
    memory_values: Tensor  # (B * H, S, C)
    past: Past = field(default_factory=Past)


@dataclass
class DecoderCache:
    """The memory of all layers."""

    layers: list[LayerCache]
    memory_bias: Tensor | None  # (B * H, 1, S): 0, or -inf at the encoder's pads; None when there are none
    history: History

    @property
    def length(self) -> int:
        """Steps that are stored."""
        return self.history.length

    def reorder(self, rows: Tensor) -> None:
        """Let row i continue what row `rows[i]` has said (N,), within the same utterances."""
        self.history.reorder(rows)

    def keep(self, utterances: Tensor, rows: Tensor) -> None:
        """Forget all but the given utterances (of B) and rows (of N)."""
        n = self.history.n_utterances
        self.history.keep(utterances, rows)
        for layer in self.layers:
            layer.past.keep(utterances, n)
            layer.memory_keys = kept(layer.memory_keys, utterances, n)
            layer.memory_values = kept(layer.memory_values, utterances, n)
        if self.memory_bias is not None:
            self.memory_bias = kept(self.memory_bias, utterances, n)


def kept(stored: Tensor, utterances: Tensor, n: int) -> Tensor:
    """(n * H, ...) -> those of some of the n utterances."""
    return stored.unflatten(0, (n, -1)).index_select(0, utterances).flatten(0, 1)


def for_heads(bias: Tensor, heads: int) -> Tensor:
    """(B, K, S) -> (B * H, K, S)"""
    return bias[:, None].expand(-1, heads, -1, -1).flatten(0, 1)
