"""Multi-head attention with relative positions (encoder), cached keys (decoder), and weights on request.

B batch   N rows of a step: B, or B * beams   H heads   T queries   S keys   D model width   C width of a head
"""

import torch
from torch import Tensor, nn

from speecht5_cli.models.cache import Past
from speecht5_cli.models.dropout import dropout
from speecht5_cli.models.fused_attention import attend, softmax
from speecht5_cli.models.linear import Linear
from speecht5_cli.models.relative_attention import Distances, relative_attention


class Projections(nn.Module):
    """What both kinds of attention are: query, key, value and output around softmax(q k^T / sqrt(C) + bias) v."""

    def __init__(self, d_model: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.scale = (d_model // heads) ** -0.5
        self.query = Linear(d_model, d_model)
        self.key = Linear(d_model, d_model)
        self.value = Linear(d_model, d_model)
        self.out = Linear(d_model, d_model)

    def keys_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, D) -> keys and values, each (B, H, S, C)."""
        return self._heads(self.key(memory)), self._heads(self.value(memory))

    def _stepped(self, query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """One decoding step, without dropout: queries (B, H, K, C) of K rows an utterance, keys (B * H, C, S), values
        (B * H, S, C), bias that broadcasts to (B * H, K, S) -> (B, K, D), probabilities (B * H, K, S)."""
        flat = query.flatten(0, 1).to(keys.dtype)  # (B * H, K, C)
        if bias is None:
            logits = torch.bmm(flat * self.scale, keys)
        else:
            logits = torch.baddbmm(bias, flat, keys, alpha=self.scale)
        probabilities = softmax(logits)
        y = torch.bmm(probabilities.to(values.dtype), values)  # (B * H, K, C)
        return self._joined(y.to(query.dtype).unflatten(0, query.shape[:2])), probabilities

    def _rate(self) -> float:
        return self.dropout if self.training else 0.0

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, T, D) -> (B, H, T, C)

    def _joined(self, y: Tensor) -> Tensor:
        return self.out(y.transpose(1, 2).flatten(2))  # (B, H, T, C) -> (B, T, D)


class Attention(Projections):
    """Attention to a memory: what the encoder puts out."""

    def forward(self, x: Tensor, memory: Tensor, *, bias: Tensor | None = None) -> Tensor:
        """x (B, T, D) attends to memory (B, S, D) -> (B, T, D). bias broadcasts to (B, H, T, S): 0 or -inf."""
        query, (key, value) = self._heads(self.query(x)), self.keys_values(memory)
        return self._joined(attend(query, key, value, bias, scale=self.scale, rate=self._rate()))

    def with_weights(self, x: Tensor, memory: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """As `forward`, and the probabilities before dropout (B, H, T, S)."""
        key, value = self.keys_values(memory)
        logits = (self._heads(self.query(x)) * self.scale) @ key.transpose(2, 3)  # (B, H, T, S)
        probabilities = softmax(logits if bias is None else logits + bias)
        y = dropout(probabilities, self.dropout, self.training).to(value.dtype) @ value
        return self._joined(y), probabilities

    def stored(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, D) -> keys (B * H, C, S) and values (B * H, S, C) as `step` reads them fastest."""
        return as_read(*self.keys_values(memory))

    def step(self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """One decoding step, without dropout: x (B, K, D) of K rows an utterance, keys (B * H, C, S), values
        (B * H, S, C), bias that broadcasts to (B * H, K, S) -> (B, K, D), probabilities (B * H, K, S)."""
        return self._stepped(self._heads(self.query(x)), keys, values, bias)


class SelfAttention(Projections):
    """Attention to what asks. Its three projections read the same, so one product can do for them (int8.py)."""

    def __init__(self, d_model: int, heads: int, dropout: float) -> None:
        super().__init__(d_model, heads, dropout)
        self.together: nn.Module | None = None  # (..., D) -> (..., 3 * D)

    def merge(self, together: nn.Module) -> None:
        """Let one layer give queries, keys and values from now on."""
        self.together = together
        del self.query, self.key, self.value

    def forward(self, x: Tensor, *, bias: Tensor | None = None, causal: bool = False) -> Tensor:
        """x (B, T, D) attends to itself -> (B, T, D). bias broadcasts to (B, H, T, T): 0 or -inf."""
        query, key, value = self.projected(x)
        y = attend(query, key, value, bias, scale=self.scale, rate=self._rate(), causal=causal)
        return self._joined(y)

    def with_distances(self, x: Tensor, table: Tensor, distances: Distances) -> Tensor:
        """x (B, T, D) attends to itself, by content and by distance: table (R, C) -> (B, T, D)"""
        query, key, value = self.projected(x)
        return self._joined(relative_attention(query * self.scale, key, value, table, distances, rate=self._rate()))

    def step(self, x: Tensor, past: Past, first: int, bias: Tensor | None) -> Tensor:
        """One decoding step, without dropout: x (B, K, D) joins the past at place `first` and attends to all of it ->
        (B, K, D)"""
        query, key, value = self.projected(x)
        return self._stepped(query, *past.append(*as_read(key, value), first), bias)[0]

    def projected(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D) -> queries, keys and values, each (B, H, T, C)."""
        if self.together is None:
            return self._heads(self.query(x)), *self.keys_values(x)
        query, key, value = self.together(x).chunk(3, dim=-1)
        return self._heads(query), self._heads(key), self._heads(value)


def as_read(key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """(B, H, S, C) both -> keys (B * H, C, S), values (B * H, S, C): how a step reads them fastest"""
    return key.transpose(2, 3).flatten(0, 1).contiguous(), value.flatten(0, 1)
