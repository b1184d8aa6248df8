"""Self-attention whose logits also depend on the distance of query and key (Shaw et al. 2018), block by block.

The distance term of a query is its product with 2 * D learned rows, one for each clipped distance; farther keys share
the outermost rows. As the keys move on by one, so do the distances: the term of a block of queries is those products
with their ends drawn out, read with a step of one less than a row. Nothing is gathered, no T x T x C tensor exists, and
on a CPU no T x T one either: a block's logits stay in the processor's cache, and keys that are padding are never met.
On a GPU, and for short sequences, of which several make a block, the gathered term is the bias of torch's fused kernel.

Measured on two cores, 12 heads of 64: a layer at 30 s takes 61 ms, with the term gathered for all at once 141 ms;
at 10 s 8 ms instead of 11 ms; training at 4 x 10 s (forward and backward) 261 ms instead of 318 ms.

B batch   H heads   T queries and keys   Q queries of a block   C width of a head   D largest distance   R rows, 2 * D
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from speecht5_cli.models.dropout import dropout
from speecht5_cli.models.fused_attention import attend
from speecht5_cli.models.masks import padding_bias

_BLOCK = 1 << 20  # logits of a block on a CPU: 4 MB
_FEWEST_QUERIES = 16


@dataclass
class Distances:
    """Which keys there are, and how far they are from the queries: the same for all layers."""

    bias: Tensor  # (B, 1, 1, T) 0, or -inf where padded
    index: Tensor | None = None  # (T, T) rows of the table; None: not gathered, but block by block
    lens: list[int] | None = None  # valid keys of each utterance, for blocks


class RelativePositions(nn.Module):
    """One learned vector for each clipped distance, shared by all layers and heads."""

    def __init__(self, distance: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.distance, self.heads = distance, heads
        self.table = nn.Parameter(torch.empty(2 * distance, head_dim))

    def distances(self, pad: Tensor) -> Distances:
        """For keys of which those at `pad` (B, T), behind the valid ones, are padding."""
        n_keys, bias = pad.size(1), padding_bias(pad)
        if pad.device.type == "cpu" and 2 * n_keys * n_keys * self.heads > _BLOCK:
            return Distances(bias, lens=(~pad).sum(1).tolist())
        return Distances(bias, index=self.index(n_keys))

    def index(self, n: int) -> Tensor:
        """(n, n): the row of the table for query i and key j, clip(i - j, -distance, distance - 1) + distance."""
        places = torch.arange(n, device=self.table.device)
        return (places[:, None] - places).clamp(-self.distance, self.distance - 1) + self.distance


def relative_logits(query: Tensor, table: Tensor, index: Tensor) -> Tensor:
    """What distance adds to attention logits: scaled query (B, H, T, C), table (R, C), index (T, T) -> (B, H, T, T)."""
    by_row = query @ table.t()  # (B, H, T, R)
    return by_row.gather(-1, index.expand(*query.shape[:2], *index.shape))


def relative_attention(
    query: Tensor, key: Tensor, value: Tensor, table: Tensor, distances: Distances, *, rate: float
) -> Tensor:
    """Scaled query, key and value (B, H, T, C), table (R, C) of distances -> (B, H, T, C). `rate` is of dropout."""
    if distances.index is not None:
        return _gathered(query, key, value, table, distances, rate)
    backwards = table.flip(0).t()  # (C, R), the key farthest ahead last
    lens = distances.lens or []
    return torch.stack(
        [_attended(q, k[:, :n], v[:, :n], backwards, rate) for q, k, v, n in zip(query, key, value, lens)]
    )


def _gathered(query: Tensor, key: Tensor, value: Tensor, table: Tensor, distances: Distances, rate: float) -> Tensor:
    """With the term of distances as a bias; on a CPU as many utterances at a time as make a block."""
    assert distances.index is not None
    at_once = len(query)
    if query.device.type == "cpu":
        at_once = max(1, _BLOCK // (query.size(1) * distances.index.numel()))
    parts = []
    for first in range(0, len(query), at_once):
        some = slice(first, first + at_once)
        bias = relative_logits(query[some], table, distances.index) + distances.bias[some]
        parts.append(attend(query[some], key[some], value[some], bias, rate=rate))
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _attended(query: Tensor, key: Tensor, value: Tensor, backwards: Tensor, rate: float) -> Tensor:
    """One utterance: query (H, T, C), its valid keys and values (H, n, C) -> (H, T, C)"""
    heads, n_queries, _ = query.shape
    key = key.transpose(1, 2)  # (H, C, n)
    at_once = max(_FEWEST_QUERIES, _BLOCK // (heads * max(key.size(2), 1)))
    blocks = []
    # Small results that lie among the large temporaries would keep their memory from being used again.
    whole = None if torch.is_grad_enabled() else value.new_empty(heads, n_queries, value.size(2))
    for first in range(0, n_queries, at_once):
        block = query[:, first : first + at_once]  # (H, Q, C)
        logits = block @ key  # (H, Q, n)
        logits += by_distance(block @ backwards, first, key.size(2)).to(logits.dtype)
        seen = dropout(logits.softmax(-1), rate).to(value.dtype)
        if whole is None:
            blocks.append(seen @ value)
        else:
            whole[:, first : first + at_once] = seen @ value
    return torch.cat(blocks, dim=1) if whole is None else whole


def by_distance(products: Tensor, first: int, n_keys: int) -> Tensor:
    """Products (H, Q, R) of queries first, first + 1, ... with the rows from far behind to far ahead -> (H, Q, n_keys).

    Query i and key j meet in row clip(j - i + D - 1, 0, R - 1). Beside each other in memory, the rows of a query at
    place q are those of the query before it, one place to the left.
    """
    n_rows = products.size(2)
    n_queries = products.size(1)
    width = n_keys + n_queries - 1
    # Place p of the drawn-out row stands for the distance p - (n_queries - 1) from the block's first query's own place.
    start = n_rows // 2 - 1 - first - (n_queries - 1)  # the row at place 0, were there rows for all distances
    behind = min(max(-start, 0), width)
    skipped = min(max(start, 0), n_rows)
    inner = min(width - behind, n_rows - skipped)
    ahead = width - behind - inner
    drawn = torch.cat(
        [
            products[..., :1].expand(-1, -1, behind),
            products[..., skipped : skipped + inner],
            products[..., -1:].expand(-1, -1, ahead),
        ],
        dim=-1,
    )  # (H, Q, width)
    return drawn.as_strided(
        (products.size(0), n_queries, n_keys), (n_queries * width, width - 1, 1), drawn.storage_offset() + n_queries - 1
    )
