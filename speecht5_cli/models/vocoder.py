"""The HiFi-GAN generator (Kong, Kim, Bae 2020): log-mels -> waves, by transposed convolutions and residual blocks.

Structure and names of weights are those of `SpeechT5HifiGan`; ParallelWaveGAN's `hifigan.v1` is the same net. The
statistics that normalise a log-mel are part of the model.

The convolutions are computed as those of an image that is one pixel high, with the channels of a sample beside each
other in memory: on a CPU that takes half the time of `nn.Conv1d` or less, for the same sums. A stage is computed there
some thousand samples at a time, which stay in the processor's cache: 30 s take 2.7 instead of 3.1 s on two cores of Zen
4 (`speecht5 bench vocoder`).
"""

# B batch   L frames   M mel bands   C channels   T samples at the rate of a stage   S samples (L * hop)

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_PIECE = 1 << 15  # samples that a stage puts out at once on a CPU: 4 MB of the last one
_FINAL_SLOPE = 0.01  # of the activation before the last convolution; the published nets have torch's default there


@dataclass(frozen=True, kw_only=True)
class HifiGanConfig:
    """Sizes of the generator; the defaults are the published ones (12,656,257 parameters)."""

    n_mels: int = 80
    channels: int = 512  # behind the first convolution; every stage halves them
    upsample_rates: tuple[int, ...] = (4, 4, 4, 4)  # their product is the hop
    upsample_kernels: tuple[int, ...] = (8, 8, 8, 8)
    residual_kernels: tuple[int, ...] = (3, 7, 11)  # a block each, side by side in every stage
    residual_dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    slope: float = 0.1  # of the leaky ReLUs

    def __post_init__(self) -> None:
        pairs = {
            "upsample_rates and upsample_kernels": (self.upsample_rates, self.upsample_kernels),
            "residual_kernels and residual_dilations": (self.residual_kernels, self.residual_dilations),
        }
        for names, (left, right) in pairs.items():
            if len(left) != len(right) or not left:
                raise ValueError(f"{names} need the same number of entries, got {len(left)} and {len(right)}")
        for rate, kernel in zip(self.upsample_rates, self.upsample_kernels):
            if kernel < rate or (kernel - rate) % 2:
                raise ValueError(f"an upsample kernel of {kernel} does not fit the rate {rate}: give {2 * rate}")
        if any(kernel % 2 == 0 for kernel in self.residual_kernels):
            raise ValueError(f"residual_kernels must be odd, got {self.residual_kernels}")
        if self.channels % 2 ** len(self.upsample_rates):
            raise ValueError(f"channels {self.channels} cannot be halved {len(self.upsample_rates)} times")

    @property
    def hop_samples(self) -> int:
        """Samples made of one frame."""
        return math.prod(self.upsample_rates)

    @property
    def context_frames(self) -> int:
        """How many frames on each side can reach a sample; further ones cannot."""
        radius = 0.0
        for stage in reversed(range(len(self.upsample_rates))):
            radius = self.context(stage, radius)
        return math.ceil(radius) + 3

    def context(self, stage: int, radius: float = 0.0) -> float:
        """How many samples of a stage's input, on each side, can reach `radius` samples of what it puts out."""
        if stage == len(self.upsample_rates) - 1:
            radius += 3  # of the last convolution
        residual = max(
            (kernel - 1) // 2 * sum(dilation + 1 for dilation in dilations)
            for kernel, dilations in zip(self.residual_kernels, self.residual_dilations)
        )
        rate, kernel = self.upsample_rates[stage], self.upsample_kernels[stage]
        return (radius + residual + (kernel + rate) / 2) / rate


class HifiGan(nn.Module):
    """Log-mels -> waves in (-1, 1). An utterance's wave does not depend on what it is batched with."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: HifiGanConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.n_mels))
        self.register_buffer("scale", torch.ones(config.n_mels))
        self.conv_pre = nn.Conv1d(config.n_mels, config.channels, 7, padding=3)
        self.upsampler = nn.ModuleList()
        self.resblocks = nn.ModuleList()  # of the first stage, then of the second, ...
        width = config.channels
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernels):
            padding = (kernel - rate) // 2
            self.upsampler.append(nn.ConvTranspose1d(width, width // 2, kernel, rate, padding=padding))
            width //= 2
            for size, dilations in zip(config.residual_kernels, config.residual_dilations):
                self.resblocks.append(ResidualBlock(width, size, dilations, slope=config.slope))
        self.conv_post = nn.Conv1d(width, 1, 7, padding=3)
        self.apply(_initialise)

    def forward(self, log_mel: Tensor, lens: Tensor | None = None) -> Tensor:
        """(B, L, M) log-mels, (B,) valid frames (None: all of them) -> (B, S), zero behind an utterance's end."""
        x = ((log_mel - self.mean) / self.scale).transpose(1, 2)[:, :, None]  # (B, M, 1, L)
        x = x.to(self.conv_pre.weight.dtype)
        pad = _pad(x, lens)
        x = _convolved(self.conv_pre, _blanked(x, pad))  # (B, C, 1, L)
        for stage, rate in enumerate(self.config.upsample_rates):
            x = self._piecewise(stage, x, pad)
            pad = _stretched(pad, rate)
        return x[:, 0, 0]

    def _piecewise(self, stage: int, x: Tensor, pad: Tensor | None) -> Tensor:
        """`_stage`, on a CPU piece by piece."""
        rate, n = self.config.upsample_rates[stage], x.size(3)
        size, context = max(1, _PIECE // rate), math.ceil(self.config.context(stage))
        if x.device.type != "cpu" or n <= 2 * size:
            return self._stage(stage, x, pad)
        pieces = []
        for start in range(0, n, size):
            first, end = max(0, start - context), min(n, start + size)
            seen = slice(first, min(n, end + context))
            y = self._stage(stage, x[..., seen], None if pad is None else pad[..., seen])
            pieces.append(y[..., rate * (start - first) : rate * (end - first)])
        return torch.cat(pieces, 3)

    def _stage(self, stage: int, x: Tensor, pad: Tensor | None) -> Tensor:
        """x (B, C, 1, T), pad (B, 1, 1, T) -> (B, C / 2, 1, T * rate), of the last stage (B, 1, 1, S)."""
        x = _upsampled(self.upsampler[stage], _blanked(F.leaky_relu(x, self.config.slope), pad))
        pad, n_blocks = _stretched(pad, self.config.upsample_rates[stage]), len(self.config.residual_kernels)
        first, *others = self.resblocks[stage * n_blocks : (stage + 1) * n_blocks]
        y = first(x, pad)
        for block in others:
            y += block(x, pad)
        y /= n_blocks
        if stage < len(self.upsampler) - 1:
            return y
        y = F.leaky_relu(y, _FINAL_SLOPE).to(self.conv_post.weight.dtype)
        return _blanked(torch.tanh(_convolved(self.conv_post, _blanked(y, pad))), pad)

    def set_statistics(self, mean: Tensor, scale: Tensor) -> None:
        """Mean and standard deviation of each mel band, (M,) both."""
        self.mean.copy_(mean)
        self.scale.copy_(scale)


class ResidualBlock(nn.Module):
    """Pairs of convolutions, the first of each dilated; every pair adds to what it got."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], *, slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.convs1 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2)
            for dilation in dilations
        )
        self.convs2 = nn.ModuleList(nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in dilations)

    def forward(self, x: Tensor, pad: Tensor | None) -> Tensor:
        """(B, C, 1, T), (B, 1, 1, T) True where padded -> (B, C, 1, T)."""
        for first, second in zip(self.convs1, self.convs2):
            inner = _convolved(first, _blanked(F.leaky_relu(x, self.slope), pad))
            inner = F.leaky_relu(inner, self.slope, inplace=True)
            x = _convolved(second, _blanked(inner, pad)).add_(x)
        return x


def _convolved(layer: nn.Conv1d, x: Tensor) -> Tensor:
    """What the layer makes of x (B, C, 1, T)."""
    weight = layer.weight[:, :, None]
    return F.conv2d(x, weight, layer.bias, padding=(0, *layer.padding), dilation=(1, *layer.dilation))


def _upsampled(layer: nn.ConvTranspose1d, x: Tensor) -> Tensor:
    """As `_convolved`, for a transposed convolution."""
    weight = layer.weight[:, :, None]
    return F.conv_transpose2d(x, weight, layer.bias, stride=(1, *layer.stride), padding=(0, *layer.padding))


def _pad(x: Tensor, lens: Tensor | None) -> Tensor | None:
    """x (B, C, 1, T) -> (B, 1, 1, T), True where padded; None when nothing is."""
    if lens is None or int(lens.min()) == x.size(3):
        return None
    return (torch.arange(x.size(3), device=x.device) >= lens[:, None])[:, None, None]


def _stretched(pad: Tensor | None, rate: int) -> Tensor | None:
    """pad (B, 1, 1, T) -> (B, 1, 1, T * rate)"""
    return None if pad is None else pad.repeat_interleave(rate, 3)


def _blanked(x: Tensor, pad: Tensor | None) -> Tensor:
    """Zeros where padded: what a convolution sees behind the end of an utterance that stands alone."""
    return x if pad is None else x.masked_fill(pad, 0.0)


def _initialise(module: nn.Module) -> None:
    """Small normal weights, as the authors train it."""
    if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
        nn.init.normal_(module.weight, std=0.01)


def in_bfloat16(net: HifiGan) -> HifiGan:
    """Compute in bfloat16, in place: all but the last convolution, whose rounding would be heard as noise.

    On CPUs that multiply bfloat16 twice as fast or slower: `speecht5 bench vocoder` tells.
    """
    for part in (net.conv_pre, net.upsampler, net.resblocks):
        part.bfloat16()
    return net


def weight_normed(net: HifiGan) -> None:
    """Keep every convolution's weight as length times direction, as GAN training needs it; in place."""
    for module in list(net.modules()):
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            nn.utils.parametrizations.weight_norm(module)


def plain_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict whose weights are stored as length and direction, in any of torch's spellings, as plain weights.

    Lengths belong to the first axis. Raises ValueError for a length without its direction.
    """
    plain: dict[str, Tensor] = {}
    for name, tensor in state.items():
        for length, direction in (("weight_g", "weight_v"), (f"{_PARAMETRIZED}0", f"{_PARAMETRIZED}1")):
            if name.endswith(length):
                base = name.removesuffix(length)
                if base + direction not in state:
                    raise ValueError(f"'{name}' comes without '{base}{direction}'")
                way = state[base + direction]
                norm = way.flatten(1).norm(dim=1).reshape(tensor.shape)
                plain[f"{base}weight"] = way * (tensor / norm)
                break
            if name.endswith(direction):
                break
        else:
            plain[name] = tensor
    return plain


_PARAMETRIZED = "parametrizations.weight.original"
