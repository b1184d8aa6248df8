"""Multi-head attention with relative positions (encoder), cached keys (decoder), and weights on request.

B batch   N rows of a step: B, or B * beams   H heads   T queries   S keys   D model width   C width of a head
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, scaled_dot_product_attention

from speecht5_cli.models.relative_attention import Distances, relative_attention


class Attention(nn.Module):
    """Query, key, value and output projections around softmax(q k^T / sqrt(C) + bias) v."""

    def __init__(self, d_model: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.scale = (d_model // heads) ** -0.5
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        *,
        bias: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """x (B, T, D) attends to memory (B, S, D), or to itself -> (B, T, D).

        bias broadcasts to (B, H, T, S): 0 or -inf.
        """
        query = self._heads(self.query(x))
        key, value = self.keys_values(x if memory is None else memory)
        return self._joined(self._attend(query, key, value, bias, causal))

    def with_distances(self, x: Tensor, table: Tensor, distances: Distances) -> Tensor:
        """x (B, T, D) attends to itself, by content and by distance: table (R, C) -> (B, T, D)"""
        query = self._heads(self.query(x)) * self.scale
        rate = self.dropout if self.training else 0.0
        return self._joined(relative_attention(query, *self.keys_values(x), table, distances, rate=rate))

    def with_weights(self, x: Tensor, memory: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """As `forward` on a memory, and the probabilities before dropout (B, H, T, S)."""
        key, value = self.keys_values(memory)
        return self._weighed(self._heads(self.query(x)), key, value, bias)

    def keys_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, D) -> keys and values, each (B, H, S, C)."""
        return self._heads(self.key(memory)), self._heads(self.value(memory))

    def step(
        self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None = None, weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """One decoding step on cached keys and values (B, H, S, C): x (N, 1, D) -> (N, 1, D), weights (N, H, S).

        With N = B * beams the beams of an utterance are queries of the same keys, which are not repeated.
        """
        n_rows, batch = x.size(0), keys.size(0)
        query = self.query(x).view(batch, n_rows // batch, self.heads, -1).transpose(1, 2)  # (B, H, beams, C)
        if weights:
            y, probabilities = self._weighed(query, keys, values, bias)
            return y.view(n_rows, 1, -1), probabilities.transpose(1, 2).reshape(n_rows, self.heads, -1)
        return self._joined(self._attend(query, keys, values, bias, False)).view(n_rows, 1, -1), None

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, causal: bool) -> Tensor:
        rate = self.dropout if self.training else 0.0
        if bias is not None:
            bias = bias.to(query.dtype)
        return scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=rate, is_causal=causal, scale=self.scale
        )

    def _weighed(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        logits = (query * self.scale) @ key.transpose(2, 3)  # (B, H, T, S)
        if bias is not None:
            logits = logits + bias
        probabilities = logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
        y = dropout(probabilities, self.dropout, self.training).to(value.dtype) @ value
        return self._joined(y), probabilities

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, T, D) -> (B, H, T, C)

    def _joined(self, y: Tensor) -> Tensor:
        return self.out(y.transpose(1, 2).flatten(2))  # (B, H, T, C) -> (B, T, D)
