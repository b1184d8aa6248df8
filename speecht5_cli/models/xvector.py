"""The x-vector net: one vector for the voice of an utterance of any length.

Snyder et al. 2018, "X-vectors: robust DNN embeddings for speaker recognition": frame layers that look at growing
context, mean and standard deviation over time, and one linear layer, whose output is the vector. Structure, features
and constants are those of SpeechBrain's `spkrec-xvect-voxceleb`, the net that made SpeechT5's vectors, so that its
weights can be used as they are (`models/xvector_speechbrain.py`).
"""

# B batch   S samples   T frames (10 ms)   M mel bands   C channels   D size of the vector

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speecht5_cli.models.filterbank import HOP_SAMPLES, LogMelDecibels, padding

# The original adds noise between 1e-5 and 9e-5 to the pooled means, also when it embeds; this is its mean.
_MEAN_OFFSET = 5e-5
_STD_OFFSET = 1e-5


@dataclass(frozen=True, kw_only=True)
class XVectorNetConfig:
    """Sizes of the net; the defaults are the published ones. One entry a frame layer."""

    n_mels: int = 24
    channels: tuple[int, ...] = (512, 512, 512, 512, 1500)
    kernel_sizes: tuple[int, ...] = (5, 3, 3, 1, 1)
    dilations: tuple[int, ...] = (1, 2, 3, 1, 1)
    dim: int = 512  # of the vector

    def __post_init__(self) -> None:
        layers = {"channels": self.channels, "kernel_sizes": self.kernel_sizes, "dilations": self.dilations}
        counts = {name: len(values) for name, values in layers.items()}
        if len(set(counts.values())) > 1 or not self.channels:
            raise ValueError(f"channels, kernel_sizes and dilations need the same number of entries, got {counts}")
        if any(size % 2 == 0 for size in self.kernel_sizes):
            raise ValueError(f"kernel_sizes must be odd, got {self.kernel_sizes}")

    @property
    def min_samples(self) -> int:
        """The shortest wave to hear: mirrored ends need one frame more than they mirror, a standard deviation two."""
        n_mirrored = max(dilation * (size - 1) // 2 for size, dilation in zip(self.kernel_sizes, self.dilations))
        return max(1, n_mirrored) * HOP_SAMPLES


class XVector(nn.Module):
    """Waves -> vectors (not normalised). The vector of an utterance does not depend on its batch in evaluation mode."""

    def __init__(self, config: XVectorNetConfig) -> None:
        super().__init__()
        self.features = LogMelDecibels(config.n_mels)
        widths = (config.n_mels, *config.channels)
        self.frame_layers = nn.ModuleList(
            FrameLayer(widths[i], widths[i + 1], kernel_size=size, dilation=dilation)
            for i, (size, dilation) in enumerate(zip(config.kernel_sizes, config.dilations))
        )
        self.segment_layer = nn.Linear(2 * config.channels[-1], config.dim)
        self.min_samples = config.min_samples

    def forward(self, wav: Tensor, lens: Tensor | None = None) -> Tensor:
        """(B, S) waves at 16 kHz, (B,) valid samples (None: all of them) -> (B, D).

        Raises ValueError for a wave shorter than `min_samples`.
        """
        if lens is None:
            lens = torch.full((wav.size(0),), wav.size(1), device=wav.device)
        if int(lens.min()) < self.min_samples:
            raise ValueError(f"a wave of {int(lens.min())} samples; the net needs {self.min_samples}")
        features, frame_lens = self.features(wav, lens)
        x = features.transpose(1, 2)  # (B, M, T)
        for layer in self.frame_layers:
            x = layer(x, frame_lens)  # (B, C, T)
        return self.segment_layer(pooled_statistics(x, frame_lens))


class FrameLayer(nn.Module):
    """Dilated convolution over time that keeps the length, leaky ReLU, batch norm."""

    def __init__(self, n_in: int, n_out: int, *, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.n_border = dilation * (kernel_size - 1) // 2  # frames mirrored at each end
        self.conv = nn.Conv1d(n_in, n_out, kernel_size, dilation=dilation)
        self.norm = nn.BatchNorm1d(n_out)

    def forward(self, x: Tensor, lens: Tensor) -> Tensor:
        """(B, C, T), (B,) -> (B, C, T); what stands behind an utterance's end is of no meaning."""
        return self.norm(F.leaky_relu(self.conv(mirrored(x, lens, self.n_border))))


def mirrored(x: Tensor, lens: Tensor, n: int) -> Tensor:
    """(B, C, T) -> (B, C, n + T + n): each row mirrored at its own two ends, without repeating the end itself."""
    if n == 0:
        return x
    if int(lens.min()) == x.size(2):
        return F.pad(x, (n, n), mode="reflect")
    last = (lens - 1)[:, None]  # (B, 1)
    index = torch.arange(-n, x.size(2) + n, device=x.device).abs()  # (n + T + n,)
    index = (last - (last - index).abs()).clamp(min=0)  # (B, n + T + n)
    return x.gather(2, index[:, None].expand(-1, x.size(1), -1))


def pooled_statistics(x: Tensor, lens: Tensor) -> Tensor:
    """(B, C, T), (B,) -> (B, 2 C): mean and standard deviation (of the sample) over the valid frames."""
    pad = padding(lens, x.size(2))[:, None]  # (B, 1, T)
    n_frames = lens[:, None]
    mean = x.masked_fill(pad, 0.0).sum(2) / n_frames  # (B, C)
    deviation = (x - mean[..., None]).masked_fill(pad, 0.0)
    variance = deviation.square().sum(2) / (n_frames - 1)
    std = variance.clamp(min=1e-12).sqrt()  # the root has no gradient at zero, where silent channels are
    return torch.cat([mean + _MEAN_OFFSET, std + _STD_OFFSET], dim=1)
