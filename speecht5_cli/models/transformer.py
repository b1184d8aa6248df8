"""The shared encoder and decoder.

B batch   N rows of a step   H heads   T encoder frames or tokens   U decoder steps   D model width
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from torch.utils.checkpoint import checkpoint

from speecht5_cli.models.attention import Attention, SelfAttention
from speecht5_cli.models.cache import DecoderCache, History, LayerCache, for_heads
from speecht5_cli.models.config import ModelConfig
from speecht5_cli.models.dropout import Dropout, dropout
from speecht5_cli.models.linear import Linear
from speecht5_cli.models.lm_config import LMConfig
from speecht5_cli.models.masks import causal_bias, padding_bias
from speecht5_cli.models.relative_attention import Distances, RelativePositions


class Residual(nn.LayerNorm):
    """The joint around a sub-block f: LayerNorm(x + f(x)) in the base model, x + f(LayerNorm(x)) in the large one."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__(cfg.d_model)
        self.pre_norm = cfg.pre_norm
        self.dropout = Dropout(cfg.dropout)

    def before(self, x: Tensor) -> Tensor:
        """What f gets."""
        return self(x) if self.pre_norm else x

    def after(self, x: Tensor, y: Tensor) -> Tensor:
        """x and f's output joined."""
        x = x + (self.dropout(y) if self.training else y)  # the call alone is 2 % of a decoding step
        return x if self.pre_norm else self(x)


class FeedForward(nn.Module):
    """Linear, activation, dropout, linear."""

    def __init__(self, cfg: ModelConfig | LMConfig, activation: Callable[[Tensor], Tensor] = gelu) -> None:
        super().__init__()
        self.inner = Linear(cfg.d_model, cfg.ffn_dim)
        self.activation, self.dropout = activation, cfg.activation_dropout
        self.outer = Linear(cfg.ffn_dim, cfg.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)"""
        x = self.inner(x)
        if self.training and torch.is_grad_enabled() and not torch.compiler.is_compiling():  # which does it by itself
            # The activation, four times as wide as anything else in a layer, is computed again when it is needed.
            return checkpoint(self._outwards, x, use_reentrant=False, preserve_rng_state=self.dropout > 0)
        return self._outwards(x)

    def _outwards(self, x: Tensor) -> Tensor:
        x = self.activation(x)
        return self.outer(dropout(x, self.dropout) if self.training else x)


class EncoderLayer(nn.Module):
    """Self-attention with relative positions, then feed-forward."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(cfg.d_model, cfg.heads, cfg.attention_dropout)
        self.attention_joint = Residual(cfg)
        self.ffn = FeedForward(cfg)
        self.ffn_joint = Residual(cfg)
        # Only the pre-norm model normalises its distances.
        self.distance_norm = nn.LayerNorm(cfg.head_dim) if cfg.pre_norm else nn.Identity()

    def forward(self, x: Tensor, table: Tensor, distances: Distances) -> Tensor:
        """x (B, T, D), table (R, C) of the distances -> (B, T, D)"""
        y = self.attention_joint.before(x)
        return self.rest(x, self.attention.with_distances(y, self.distance_norm(table), distances))

    def without_distances(self, x: Tensor, bias: Tensor) -> Tensor:
        """As `forward` where only content counts; bias (B, 1, 1, T) hides pads."""
        return self.rest(x, self.attention(self.attention_joint.before(x), bias=bias))

    def rest(self, x: Tensor, y: Tensor) -> Tensor:
        """What came in and what attention made of it, (B, T, D) both -> (B, T, D)"""
        x = self.attention_joint.after(x, y)
        return self.ffn_joint.after(x, self.ffn(self.ffn_joint.before(x)))


class Encoder(nn.Module):
    """The stack that speech and text share. The post-norm model normalises its input, the pre-norm one its output."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.pre_norm, self.layerdrop = cfg.pre_norm, cfg.encoder_layerdrop
        self.norm = nn.LayerNorm(cfg.d_model)
        self.relative = RelativePositions(cfg.relative_distance, cfg.heads, cfg.head_dim)
        self.layers = nn.ModuleList(EncoderLayer(cfg) for _ in range(cfg.encoder_layers))
        self.dropout = Dropout(cfg.dropout)

    def forward(self, x: Tensor, pad: Tensor, upto: int | None = None) -> Tensor:
        """x (B, T, D), pad (B, T) -> (B, T, D); with `upto`, what that layer (counted from 1) puts out."""
        distances = self.relative.distances(pad)
        x = self.dropout(x if self.pre_norm else self.norm(x))
        for number, layer in enumerate(self.layers, 1):
            if not dropped(self.layerdrop, self.training):
                x = layer(x, self.relative.table, distances)
            if number == upto:
                return x
        return self.norm(x) if self.pre_norm else x


class DecoderLayer(nn.Module):
    """Self-attention over the past, attention to the encoder, feed-forward. No relative positions, as the original."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(cfg.d_model, cfg.heads, cfg.attention_dropout)
        self.attention_joint = Residual(cfg)
        self.cross_attention = Attention(cfg.d_model, cfg.heads, cfg.attention_dropout)
        self.cross_joint = Residual(cfg)
        self.ffn = FeedForward(cfg)
        self.ffn_joint = Residual(cfg)

    def forward(
        self, x: Tensor, memory: Tensor, past_bias: Tensor | None, memory_bias: Tensor, weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        """x (B, U, D), memory (B, T, D) -> (B, U, D), cross-attention weights (B, H, U, T) where wanted.

        past_bias None stands for the plain causal mask.
        """
        y = self.attention(self.attention_joint.before(x), bias=past_bias, causal=past_bias is None)
        x = self.attention_joint.after(x, y)
        y, seen = self.cross_joint.before(x), None
        if weights:
            y, seen = self.cross_attention.with_weights(y, memory, memory_bias)
        else:
            y = self.cross_attention(y, memory, bias=memory_bias)
        x = self.cross_joint.after(x, y)
        return self.ffn_joint.after(x, self.ffn(self.ffn_joint.before(x))), seen

    def step(
        self, x: Tensor, cache: LayerCache, first: int, past_bias: Tensor | None, memory_bias: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """As `forward` for one step of K rows an utterance, stored from place `first` on.

        x (B, K, D), biases as in `Attention.step` -> (B, K, D), cross-attention weights (B * H, K, T)
        """
        y = self.attention_joint.before(x)
        x = self.attention_joint.after(x, self.attention.step(y, cache.past, first, past_bias))
        y = self.cross_joint.before(x)
        y, seen = self.cross_attention.step(y, cache.memory_keys, cache.memory_values, memory_bias)
        x = self.cross_joint.after(x, y)
        return self.ffn_joint.after(x, self.ffn(self.ffn_joint.before(x))), seen


class Decoder(nn.Module):
    """The stack that writes text, speech and classes. Only the pre-norm model has a norm of its own, at the end."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.heads, self.layerdrop = cfg.heads, cfg.decoder_layerdrop
        self.memory_dtype: torch.dtype | None = None  # of what `cache` keeps of the encoder; None: as it comes
        self.layers = nn.ModuleList(DecoderLayer(cfg) for _ in range(cfg.decoder_layers))
        self.norm = nn.LayerNorm(cfg.d_model) if cfg.pre_norm else nn.Identity()

    def forward(
        self, x: Tensor, memory: Tensor, memory_pad: Tensor, *, pad: Tensor | None = None, weights: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """x (B, U, D), memory (B, T, D), memory_pad (B, T) -> (B, U, D), weights (B, H, U, T) of each layer that ran.

        Valid steps never look at later pads, so `pad` (B, U) matters for the outputs at pads only.
        """
        past_bias = None if pad is None else padding_bias(pad) + causal_bias(x.size(1), x.device)
        memory_bias, seen = padding_bias(memory_pad), []
        for layer in self.layers:
            if not dropped(self.layerdrop, self.training):
                x, layer_weights = layer(x, memory, past_bias, memory_bias, weights)
                seen += [layer_weights] if weights else []
        return self.norm(x), seen

    def cache(self, memory: Tensor, memory_pad: Tensor) -> DecoderCache:
        """An empty past, and the keys and values of memory (B, T, D), for `step`."""
        dtype = self.memory_dtype or memory.dtype
        stored = [layer.cross_attention.stored(memory) for layer in self.layers]
        layers = [LayerCache(keys.to(dtype), values.to(dtype)) for keys, values in stored]
        bias = padding_bias(memory_pad)[:, 0].to(dtype) if bool(memory_pad.any()) else None
        return DecoderCache(layers, None if bias is None else for_heads(bias, self.heads), History(len(memory)))

    def step(self, x: Tensor, cache: DecoderCache) -> tuple[Tensor, list[Tensor]]:
        """The next step x (N, 1, D) of each row -> (N, 1, D), cross-attention weights (B * H, K, T) of each layer."""
        first, own = cache.history.begin(len(x), x.device)
        past_bias = None if own is None else for_heads(own.to(x.dtype), self.heads)
        x, seen = x.view(cache.history.n_utterances, -1, x.size(2)), []  # (B, K, D)
        for layer, layer_cache in zip(self.layers, cache.layers):
            x, layer_weights = layer.step(x, layer_cache, first, past_bias, cache.memory_bias)
            seen.append(layer_weights)
        return self.norm(x).view(-1, 1, x.size(2)), seen


def dropped(rate: float, training: bool) -> bool:
    """Whether LayerDrop leaves this layer out of this step."""
    return training and rate > 0 and torch.rand(()).item() < rate
