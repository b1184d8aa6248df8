"""What stands in front of the encoder and the decoder.

B batch   S samples   T frames   U tokens or decoder steps   D model width   V symbols   M mels
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, embedding, gelu, normalize

from speecht5_cli.models.config import ModelConfig
from speecht5_cli.models.conv_features import ConvFeatures, frame_lens
from speecht5_cli.models.dropout import Dropout, dropout
from speecht5_cli.models.linear import Linear
from speecht5_cli.models.masks import chunked_padding_mask, padding_mask
from speecht5_cli.models.positions import PaddedPositions, ScaledPositions

PAD = 1  # id of <pad> in every vocabulary


@dataclass
class SpeechFrames:
    """Speech on its way into the encoder."""

    states: Tensor  # (B, T, D)
    pad: Tensor  # (B, T)
    energy: Tensor  # () sum of squares of the convolutions' output


class ConvPositions(nn.Module):
    """Positions from a wide grouped convolution whose weight is normalised at each place of the kernel. To be added."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        d_model, kernel, self.groups = cfg.d_model, cfg.position_kernel, cfg.position_groups
        self.direction = nn.Parameter(torch.empty(d_model, d_model // self.groups, kernel))
        self.magnitude = nn.Parameter(torch.empty(1, 1, kernel))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)"""
        norm = self.direction.flatten(0, 1).square().sum(0).sqrt()  # of each place; `norm` itself is 7 times as slow
        weight = self.direction * (self.magnitude / norm)
        kernel = weight.size(2)
        image = x.transpose(1, 2)[:, :, None]  # (B, D, 1, T) as it lies in memory; conv1d takes twice as long on a CPU
        y = conv2d(image, weight[:, :, None], self.bias, padding=(0, kernel // 2), groups=self.groups)
        # An even kernel, padded on both sides, gives one frame too many.
        return gelu(y[:, :, 0, : x.size(1)].transpose(1, 2))


class SpeechEncoderPrenet(nn.Module):
    """Samples -> convolutions -> projection -> masks -> convolutional and sinusoidal positions."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.padding, self.grad_scale = cfg.padding, cfg.feature_grad_scale
        self.features = ConvFeatures(cfg)
        self.norm = nn.LayerNorm(cfg.conv_channels)
        self.projection = Linear(cfg.conv_channels, cfg.d_model)
        self.dropout = Dropout(cfg.dropout)
        self.mask_embedding = nn.Parameter(torch.empty(cfg.d_model))
        self.conv_positions = ConvPositions(cfg)
        self.positions = PaddedPositions(cfg.d_model)

    def forward(
        self,
        wav: Tensor,
        lens: Tensor,
        *,
        mask: Tensor | None = None,
        channel_mask: Tensor | None = None,
        n_frames: int | None = None,
    ) -> SpeechFrames:
        """wav (B, S), lens (B,) samples; mask (B, T) hides frames, channel_mask (B, D) zeroes channels.

        `n_frames` cuts T to the number of labels there are.
        """
        features = self.extract(wav, lens)[:, :n_frames]  # (B, T, channels)
        pad = self.frame_padding(lens, wav.size(1), features.size(1))
        energy = self._energy(features, pad)
        x = self.dropout(self.projection(self.norm(features)))  # (B, T, D)
        if mask is not None:
            x = torch.where(mask[..., None], self.mask_embedding.to(x.dtype), x)
        if channel_mask is not None:
            x = x.masked_fill(channel_mask[:, None], 0.0)
        if self.padding == "exact":
            x = x.masked_fill(pad[..., None], 0.0)
        x = x + self.conv_positions(x)
        return SpeechFrames(x + self.positions(pad), pad, energy)

    def extract(self, wav: Tensor, lens: Tensor) -> Tensor:
        """(B, S) -> convolutional features (B, T, channels), with their gradient scaled."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.grad_scale > 0):
            features = self.features(wav, lens)
        if features.requires_grad and self.grad_scale != 1.0:
            features.register_hook(lambda grad: grad * self.grad_scale)
        return features

    def frame_padding(self, lens: Tensor, n_samples: int, n_frames: int) -> Tensor:
        """(B, T): which frames are padding."""
        if self.padding == "original":
            return chunked_padding_mask(lens, n_samples, n_frames)
        return padding_mask(frame_lens(lens), n_frames)

    def _energy(self, features: Tensor, pad: Tensor) -> Tensor:
        """Sum of squares; of valid frames only where padding is exact."""
        squares = features.float().square()
        return (squares.masked_fill(pad[..., None], 0.0) if self.padding == "exact" else squares).sum()


class TextEncoderPrenet(nn.Module):
    """Embedding (shared; the original does not scale it) and scaled positions."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.scale = cfg.symbol_scale
        self.positions = ScaledPositions(cfg.d_model, cfg.position_dropout)

    def forward(self, tokens: Tensor, table: Tensor) -> Tensor:
        """tokens (B, U), table (V, D) -> (B, U, D)"""
        return self.positions(self.scale * embedding(tokens, table, padding_idx=PAD))


class TextDecoderPrenet(nn.Module):
    """Embedding (shared, unscaled), sinusoids, dropout."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.positions = PaddedPositions(cfg.d_model)
        self.dropout = Dropout(cfg.dropout)

    def forward(self, tokens: Tensor, table: Tensor, first: int = 0) -> Tensor:
        """tokens (B, U), table (V, D) -> (B, U, D); `first` is the position of the first token."""
        return self.dropout(embedding(tokens, table, padding_idx=PAD) + self.positions(tokens == PAD, first))


class SpeechDecoderPrenet(nn.Module):
    """Two ReLU layers whose dropout never rests, a projection with scaled positions, and the speaker's vector."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.rate, self.shared_dropout = cfg.prenet_dropout, cfg.compat == "hf"
        self.layers = nn.ModuleList(Linear(n_in, cfg.prenet_dim) for n_in in (cfg.n_mels, cfg.prenet_dim))
        self.projection = Linear(cfg.prenet_dim, cfg.d_model)
        self.positions = ScaledPositions(cfg.d_model, cfg.position_dropout)
        self.speaker = Linear(cfg.d_model + cfg.xvector_dim, cfg.d_model)

    def forward(
        self,
        mel: Tensor,
        xvector: Tensor | None,
        *,
        first: int = 0,
        kept: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """mel (B, U, M), xvector (B, X) -> (B, U, D).

        `kept`: for each layer which units stay (B or 1, U, prenet_dim), in place of a draw from torch's generator.
        """
        x = mel
        for number, layer in enumerate(self.layers):
            x = layer(x).relu()
            if kept is not None:
                x = x * kept[number] / (1 - self.rate)
            elif self.shared_dropout:
                x = shared_dropout(x, self.rate)
            else:
                x = dropout(x, self.rate, training=True)
        x = self.positions(self.projection(x), first)
        if xvector is None:  # as the original: without a voice the layer is left out
            return x
        voice = normalize(xvector, dim=-1)[:, None].expand(-1, x.size(1), -1)
        return self.speaker(torch.cat([x, voice.to(x.dtype)], dim=-1)).relu()


def shared_dropout(x: Tensor, rate: float) -> Tensor:
    """Hugging Face's dropout (B, U, D): one mask for the whole batch, whose units stay with the probability `rate`.

    At 0.5, the only rate in use, that is a dropout; at 0 nothing is left.
    """
    return x * torch.bernoulli(torch.full_like(x[0], rate)) / (1 - rate)
