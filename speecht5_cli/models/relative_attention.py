"""Self-attention whose logits also depend on the distance of query and key (Shaw et al. 2018), block by block.

The distance term of a query is its product with 2 * D learned rows, one for each clipped distance; farther keys share
the outermost rows. As the keys move on by one, so do the distances: the term of a block of queries is those products
with their ends drawn out, read with a step of one less than a row. Nothing is gathered, no T x T x C tensor exists, and
on a CPU no T x T one either: a block's logits stay in the processor's cache, and keys that are padding are never met.
On a GPU, and for short sequences, of which several make a block, the gathered term is the bias of torch's fused kernel;
for recordings of some minutes a GPU goes block by block, too.

Measured on two cores, 12 heads of 64: a layer at 30 s takes 61 ms, with the term gathered for all at once 141 ms;
training at 4 x 10 s (forward and backward) 261 ms instead of 318 ms. Since then heads go one after another: on one core
116 ms a layer at 30 s instead of 191 ms, 270 ms in training instead of 323 ms. In training blocks are computed twice,
not kept: a step of recognition with 4 x 10 s then takes 2.8 GB instead of 3.7 GB, and 4 to 7 % longer.

B batch   H heads   T queries and keys   Q queries of a block   C width of a head   D largest distance   R rows, 2 * D
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from speecht5_cli.models.dropout import dropout
from speecht5_cli.models.fused_attention import attend
from speecht5_cli.models.masks import padding_bias

BLOCK = 1 << 19  # logits of a block on a CPU: 2 MB
_FEWEST_QUERIES = 64
GPU_BLOCK = 1 << 26  # of a head: 128 MB in bfloat16
GPU_MOST = 1 << 30  # logits of an utterance that are held at once on a GPU: 2 GB in bfloat16


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
        bias = padding_bias(pad)
        if block_by_block(pad.device.type, pad.size(1), self.heads):
            return Distances(bias, lens=(~pad).sum(1).tolist())
        return Distances(bias, index=self.index(pad.size(1)))

    def index(self, n: int) -> Tensor:
        """(n, n): the row of the table for query i and key j, clip(i - j, -distance, distance - 1) + distance."""
        places = torch.arange(n, device=self.table.device)
        return (places[:, None] - places).clamp(-self.distance, self.distance - 1) + self.distance


def block_by_block(device: str, n_keys: int, heads: int) -> bool:
    """Whether an utterance's logits are too many at once: for the cache of a CPU, for the memory of a GPU."""
    logits = heads * n_keys * n_keys
    return 2 * logits > BLOCK if device == "cpu" else logits > GPU_MOST


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
    attended = _attended
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        # Probabilities, as many as queries times keys, are computed again when they are needed.
        attended = partial(checkpoint, _attended, use_reentrant=False, preserve_rng_state=rate > 0)
    lens = distances.lens or []
    return torch.stack(
        [attended(q, k[:, :n], v[:, :n], backwards, rate) for q, k, v, n in zip(query, key, value, lens)]
    )


def _gathered(query: Tensor, key: Tensor, value: Tensor, table: Tensor, distances: Distances, rate: float) -> Tensor:
    """With the term of distances as a bias; on a CPU as many utterances at a time as make a block."""
    assert distances.index is not None
    if query.device.type != "cpu":  # no loop: torch.compile would compile it again for each number of utterances
        return attend(query, key, value, relative_logits(query, table, distances.index) + distances.bias, rate=rate)
    at_once = max(1, BLOCK // (query.size(1) * distances.index.numel()))
    parts = []
    for first in range(0, len(query), at_once):
        some = slice(first, first + at_once)
        bias = relative_logits(query[some], table, distances.index) + distances.bias[some]
        parts.append(attend(query[some], key[some], value[some], bias, rate=rate))
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _attended(query: Tensor, key: Tensor, value: Tensor, backwards: Tensor, rate: float) -> Tensor:
    """One utterance: query (H, T, C), its valid keys and values (H, n, C) -> (H, T, C), a head at a time."""
    heads = zip(query, key.transpose(1, 2), value)
    if torch.is_grad_enabled():
        return torch.stack([torch.cat(list(_blocks(*head, backwards, rate))) for head in heads])
    # Small results that lie among the large temporaries would keep their memory from being used again.
    whole = value.new_empty(*query.shape[:2], value.size(2))
    for head, row in zip(heads, whole):
        first = 0
        for block in _blocks(*head, backwards, rate):
            row[first : first + len(block)] = block
            first += len(block)
    return whole


def _blocks(query: Tensor, key: Tensor, value: Tensor, backwards: Tensor, rate: float) -> Iterator[Tensor]:
    """One head: query (T, C), key (C, n), value (n, C) -> blocks (Q, C) of its output."""
    n_keys, first = len(value), 0
    size = (BLOCK if query.is_cpu else GPU_BLOCK) // max(n_keys, 1)
    for block in query.split(max(_FEWEST_QUERIES, size)):  # (Q, C)
        logits = block @ key  # (Q, n)
        logits += by_distance(block @ backwards, first, n_keys).to(logits.dtype)
        yield dropout(logits.softmax(-1), rate).to(value.dtype) @ value
        first += len(block)


def by_distance(products: Tensor, first: int, n_keys: int) -> Tensor:
    """Products (Q, R) of queries first, first + 1, ... with the rows from far behind to far ahead -> (Q, n_keys).

    Query i and key j meet in row clip(j - i + D - 1, 0, R - 1). Beside each other in memory, the rows of a query at
    place q are those of the query before it, one place to the left.
    """
    n_queries, n_rows = products.shape
    width = n_keys + n_queries - 1
    # Place p of the drawn-out row stands for the distance p - (n_queries - 1) from the block's first query's own place.
    start = n_rows // 2 - 1 - first - (n_queries - 1)  # the row at place 0, were there rows for all distances
    behind = min(max(-start, 0), width)
    skipped = min(max(start, 0), n_rows)
    inner = min(width - behind, n_rows - skipped)
    ahead = width - behind - inner
    drawn = torch.cat(
        [
            products[:, :1].expand(-1, behind),
            products[:, skipped : skipped + inner],
            products[:, -1:].expand(-1, ahead),
        ],
        dim=-1,
    )  # (Q, width)
    return drawn.as_strided((n_queries, n_keys), (width - 1, 1), drawn.storage_offset() + n_queries - 1)
