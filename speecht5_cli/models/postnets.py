"""What stands behind the encoder and the decoder.

B batch   T frames   U decoder steps   L mel frames (U * reduction)   D model width   M mels   K unit clusters
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from speecht5_cli.models.config import ModelConfig
from speecht5_cli.models.dropout import Dropout
from speecht5_cli.models.linear import Linear

N_SPECIAL = 4  # rows of the unit head before the first cluster: the original's dictionary specials


@dataclass
class Spoken:
    """What the speech decoder says."""

    before: Tensor  # (B, L, M) log-mel before the post-net
    after: Tensor  # (B, L, M) and behind it
    stop_logits: Tensor  # (B, L)
    attention: list[Tensor]  # of each decoder layer that ran, (B, H, U, T); empty unless asked for


class UnitHead(nn.Module):
    """Cosine similarity of projected encoder states to one embedding for each cluster (HuBERT's head)."""

    def __init__(self, cfg: ModelConfig, units: int) -> None:
        super().__init__()
        self.temperature = cfg.unit_temperature
        self.projection = Linear(cfg.d_model, cfg.unit_dim)
        self.embeddings = nn.Parameter(torch.empty(units + N_SPECIAL, cfg.unit_dim))

    def forward(self, states: Tensor) -> Tensor:
        """(..., D) -> logits (..., K + N_SPECIAL), float32; cluster k is column k + N_SPECIAL."""
        projected = self.projection(states)
        with torch.autocast(states.device.type, enabled=False):
            projected = normalize(projected.float(), dim=-1, eps=1e-8)
            return projected @ normalize(self.embeddings.float(), dim=-1, eps=1e-8).t() / self.temperature


class SpeechDecoderPostnet(nn.Module):
    """Mel frames and stop logits from decoder states, and a residual convolutional post-net over the frames."""

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.n_mels, self.exact = cfg.n_mels, cfg.padding == "exact"
        self.mel = Linear(cfg.d_model, cfg.n_mels * cfg.reduction)
        self.stop = Linear(cfg.d_model, cfg.reduction)
        inner = [cfg.postnet_channels] * (cfg.postnet_layers - 1)
        outputs = [*inner, cfg.n_mels]
        self.convs = nn.ModuleList(
            nn.Conv1d(n_in, n_out, cfg.postnet_kernel, padding=cfg.postnet_kernel // 2, bias=False)
            for n_in, n_out in zip([cfg.n_mels, *inner], outputs)
        )
        self.norms = nn.ModuleList(MaskedBatchNorm(n_out) for n_out in outputs)
        self.dropout = Dropout(cfg.postnet_dropout)

    def frames(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """(B, U, D) -> mel before the post-net (B, L, M), stop logits (B, L)"""
        return self.mel(states).unflatten(2, (-1, self.n_mels)).flatten(1, 2), self.stop(states).flatten(1)

    def refine(self, before: Tensor, pad: Tensor | None) -> Tensor:
        """(B, L, M), pad (B, L) -> mel behind the post-net (B, L, M)"""
        valid = None if pad is None or not self.exact else ~pad[:, None]  # (B, 1, L)
        x = before.transpose(1, 2)  # (B, M, L)
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms), 1):
            x = norm(conv(x if valid is None else x * valid), valid)
            x = self.dropout(x.tanh() if number < len(self.convs) else x)
        return before + x.transpose(1, 2)


class MaskedBatchNorm(nn.BatchNorm1d):
    """BatchNorm1d whose training statistics leave the pads out."""

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """x (B, C, L), valid (B, 1, L)"""
        if valid is None or not self.training:
            return super().forward(x)
        n = valid.sum().clamp(min=1)
        mean = (x * valid).sum((0, 2)) / n
        centred = x - mean[:, None]
        var = (centred.square() * valid).sum((0, 2)) / n
        with torch.no_grad():
            unbiased = var * n / (n - 1).clamp(min=1)
            self.running_mean.lerp_(mean.detach().to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(unbiased.detach().to(self.running_var.dtype), self.momentum)
            self.num_batches_tracked.add_(1)
        return centred * (var + self.eps).rsqrt()[:, None] * self.weight[:, None] + self.bias[:, None]


class ClassHead(nn.Linear):
    """Class logits from one decoder state, without bias."""

    def __init__(self, cfg: ModelConfig, classes: int) -> None:
        super().__init__(cfg.d_model, classes, bias=False)
