"""HuBERT BASE (Hsu et al. 2021): SpeechT5's speech pre-net without sinusoids, its encoder without relative distances.

The nets have SpeechT5's names, so that a SpeechT5 starts from a HuBERT as from one of its own.

B batch   S samples   T frames   D model width
"""

import torch
from torch import Tensor, nn

from speecht5_cli.models.config import ModelConfig
from speecht5_cli.models.conv_features import ConvFeatures, frame_lens
from speecht5_cli.models.linear import Linear
from speecht5_cli.models.masks import padding_bias, padding_mask
from speecht5_cli.models.prenets import ConvPositions
from speecht5_cli.models.speecht5 import Encoded
from speecht5_cli.models.transformer import EncoderLayer


class HubertPrenet(nn.Module):
    """Samples -> convolutions -> projection -> convolutional positions."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.features = ConvFeatures(cfg)
        self.norm = nn.LayerNorm(cfg.conv_channels)
        self.projection = Linear(cfg.conv_channels, cfg.d_model)
        self.mask_embedding = nn.Parameter(torch.empty(cfg.d_model))  # what hides frames in HuBERT's own training
        self.conv_positions = ConvPositions(cfg)

    def forward(self, wav: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """wav (B, S), lens (B,) -> states (B, T, D), pad (B, T)"""
        features = self.features(wav, lens)  # (B, T, channels)
        pad = padding_mask(frame_lens(lens), features.size(1))
        x = self.projection(self.norm(features)).masked_fill(pad[..., None], 0.0)  # (B, T, D)
        return x + self.conv_positions(x), pad


class HubertEncoder(nn.Module):
    """Post-norm layers behind a norm of the input."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(cfg.d_model)
        self.layers = nn.ModuleList(EncoderLayer(cfg) for _ in range(cfg.encoder_layers))

    def forward(self, x: Tensor, pad: Tensor, upto: int | None = None) -> Tensor:
        """x (B, T, D), pad (B, T) -> (B, T, D); with `upto`, what that layer (counted from 1) puts out."""
        x, bias = self.norm(x), padding_bias(pad)
        for layer in self.layers[:upto]:
            x = layer.without_distances(x, bias)
        return x


class Hubert(nn.Module):
    """The encoder alone, for features and as a start."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.speech_encoder_prenet = HubertPrenet(cfg)
        self.encoder = HubertEncoder(cfg)

    def encode_speech(self, wav: Tensor, lens: Tensor, *, upto: int | None = None) -> Encoded:
        """wav (B, S), lens (B,) -> states (B, T, D); `upto` stops behind that layer (counted from 1)."""
        x, pad = self.speech_encoder_prenet(wav, lens)
        return Encoded(self.encoder(x, pad, upto), pad)
