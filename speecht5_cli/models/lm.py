"""A Transformer language model: which symbol comes next. fairseq's `transformer_lm`, as the original uses it.

B rows   N rows of a step   U symbols so far   D model width   V symbols   H heads   C width of a head
"""

import math
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import embedding, gelu, linear, relu

from speecht5_cli.models.attention import SelfAttention
from speecht5_cli.models.cache import History, Past, for_heads
from speecht5_cli.models.dropout import Dropout
from speecht5_cli.models.linear import Linear
from speecht5_cli.models.lm_config import LMConfig
from speecht5_cli.models.positions import PaddedPositions
from speecht5_cli.models.prenets import PAD
from speecht5_cli.models.transformer import FeedForward


@dataclass
class LMCache:
    """What the model remembers of the rows of some utterances."""

    layers: list[Past]
    history: History

    def reorder(self, rows: Tensor) -> None:
        """Let row i continue what row `rows[i]` has said (N,), within the same utterances."""
        self.history.reorder(rows)

    def keep(self, utterances: Tensor, rows: Tensor) -> None:
        """Forget all but the given utterances (of B) and rows (of N)."""
        n = self.history.n_utterances
        self.history.keep(utterances, rows)
        for past in self.layers:
            past.keep(utterances, n)


class LMLayer(nn.Module):
    """Self-attention over the past, then feed-forward, each behind a norm."""

    def __init__(self, cfg: LMConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(cfg.d_model)
        self.attention = SelfAttention(cfg.d_model, cfg.heads, cfg.attention_dropout)
        self.ffn_norm = nn.LayerNorm(cfg.d_model)
        self.ffn = FeedForward(cfg, gelu if cfg.activation == "gelu" else relu)
        self.dropout = Dropout(cfg.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, U, D) -> (B, U, D)"""
        x = x + self.dropout(self.attention(self.attention_norm(x), causal=True))
        return x + self.dropout(self.ffn(self.ffn_norm(x)))

    def step(self, x: Tensor, past: Past, first: int, bias: Tensor | None) -> Tensor:
        """As `forward` for one symbol of K rows an utterance, stored from place `first` on: (B, K, D) -> (B, K, D)."""
        x = x + self.attention.step(self.attention_norm(x), past, first, bias)
        return x + self.ffn(self.ffn_norm(x))


class LanguageModel(nn.Module):
    """Embedding, sinusoids, layers, norm, projection to the symbols."""

    def __init__(self, cfg: LMConfig, symbols: int) -> None:
        """`symbols` is the size of the vocabulary, for a configuration that names none of its own."""
        super().__init__()
        self.cfg, self.n_symbols = cfg, cfg.symbols or symbols
        self.symbols = nn.Embedding(self.n_symbols, cfg.d_model)
        self.positions = PaddedPositions(cfg.d_model)
        self.dropout = Dropout(cfg.dropout)
        self.layers = nn.ModuleList(LMLayer(cfg) for _ in range(cfg.layers))
        self.norm = nn.LayerNorm(cfg.d_model)
        if not cfg.tied:
            self.output = Linear(cfg.d_model, self.n_symbols, bias=False)
        self.scale = math.sqrt(cfg.d_model) if cfg.scale_embedding else 1.0
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, 0.0, cfg.init_std)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Symbols (B, U), the end mark first and PAD behind -> logits of the next symbol (B, U, V)."""
        x = self._embedded(tokens, 0)
        for layer in self.layers:
            x = layer(x)
        return self._logits(x)

    def start(self, n_utterances: int) -> LMCache:
        """An empty memory, for rows that start with the end mark, as many for each utterance."""
        return LMCache([Past() for _ in self.layers], History(n_utterances))

    def next(self, tokens: Tensor, cache: LMCache) -> Tensor:
        """The last symbol of each row (N,) -> logits of the next one (N, V)."""
        x = self._embedded(tokens[:, None], cache.history.length)  # (N, 1, D)
        first, own = cache.history.begin(len(x), x.device)
        bias = None if own is None else for_heads(own.to(x.dtype), self.cfg.heads)
        x = x.view(cache.history.n_utterances, -1, x.size(2))
        for layer, past in zip(self.layers, cache.layers):
            x = layer.step(x, past, first, bias)
        return self._logits(x).flatten(0, 1)

    def _embedded(self, tokens: Tensor, first: int) -> Tensor:
        x = embedding(tokens, self.symbols.weight, padding_idx=PAD) * self.scale
        return self.dropout(x + self.positions(tokens == PAD, first))

    def _logits(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        return linear(x, self.symbols.weight) if self.cfg.tied else self.output(x)
