"""HiFi-GAN's discriminators (Kong, Kim, Bae 2020): waves folded at several periods, and waves at several rates."""

# B batch   S samples   P period   C channels   N judged places

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.1  # of the leaky ReLUs
_SCALE_LAYERS = ((15, 1), (41, 2), (41, 2), (41, 4), (41, 4), (41, 1), (5, 1))  # (kernel, stride)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Sizes; the defaults are the published ones. No period, or no scale, leaves that kind out."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_channels: tuple[int, ...] = (32, 128, 512, 1024, 1024)
    n_scales: int = 3  # the wave itself, at half the rate, at a quarter
    scale_channels: tuple[int, ...] = (128, 128, 256, 512, 1024, 1024, 1024)
    scale_groups: tuple[int, ...] = (1, 4, 16, 16, 16, 16, 1)

    def __post_init__(self) -> None:
        if not self.periods and not self.n_scales:
            raise ValueError("without a period and without a scale there is no discriminator")
        for name, values in (("scale_channels", self.scale_channels), ("scale_groups", self.scale_groups)):
            if len(values) != len(_SCALE_LAYERS):
                raise ValueError(f"{name} needs {len(_SCALE_LAYERS)} entries, got {len(values)}")
        for n_in, n_out, groups in zip((1, *self.scale_channels), self.scale_channels, self.scale_groups):
            if n_in % groups or n_out % groups:
                raise ValueError(f"{groups} of scale_groups do not divide {n_in} and {n_out} channels")


@dataclass(frozen=True)
class Judgement:
    """What one discriminator says of a batch of waves."""

    scores: Tensor  # (B, N): 1 for recorded, 0 for made
    maps: list[Tensor]  # what its layers gave, the last one left out


class Discriminators(nn.Module):
    """All of them, side by side."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.periods = nn.ModuleList(PeriodDiscriminator(period, config.period_channels) for period in config.periods)
        self.scales = nn.ModuleList(
            ScaleDiscriminator(config.scale_channels, config.scale_groups, spectral=scale == 0)
            for scale in range(config.n_scales)
        )

    def forward(self, wave: Tensor) -> list[Judgement]:
        """(B, S) -> a judgement of each discriminator."""
        x = wave[:, None]  # (B, 1, S)
        found = [judge(x) for judge in self.periods]
        for scale, judge in enumerate(self.scales):
            if scale:
                x = F.avg_pool1d(x, 4, 2, padding=2)
            found.append(judge(x))
        return found


class PeriodDiscriminator(nn.Module):
    """Sees every P-th sample as a column of its own."""

    def __init__(self, period: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.period = period
        norm = nn.utils.parametrizations.weight_norm
        widths = (1, *channels)
        strides = [3] * (len(channels) - 1) + [1]
        self.layers = nn.ModuleList(
            norm(nn.Conv2d(widths[i], widths[i + 1], (5, 1), (stride, 1), padding=(2, 0)))
            for i, stride in enumerate(strides)
        )
        self.last = norm(nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, x: Tensor) -> Judgement:
        """(B, 1, S)"""
        missing = -x.size(2) % self.period
        x = F.pad(x, (0, missing), mode="reflect") if missing else x
        x = x.unflatten(2, (-1, self.period))  # (B, 1, S / P, P)
        return _judged(x, self.layers, self.last)


class ScaleDiscriminator(nn.Module):
    """Sees the wave as it is, through wide grouped convolutions; spectral norm for the first, weight norm else."""

    def __init__(self, channels: tuple[int, ...], groups: tuple[int, ...], *, spectral: bool) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.spectral_norm if spectral else nn.utils.parametrizations.weight_norm
        widths = (1, *channels)
        self.layers = nn.ModuleList(
            norm(nn.Conv1d(widths[i], widths[i + 1], kernel, stride, padding=kernel // 2, groups=groups[i]))
            for i, (kernel, stride) in enumerate(_SCALE_LAYERS)
        )
        self.last = norm(nn.Conv1d(channels[-1], 1, 3, padding=1))

    def forward(self, x: Tensor) -> Judgement:
        """(B, 1, S)"""
        return _judged(x, self.layers, self.last)


def _judged(x: Tensor, layers: nn.ModuleList, last: nn.Module) -> Judgement:
    maps = []
    for layer in layers:
        x = F.leaky_relu(layer(x), _SLOPE)
        maps.append(x)
    return Judgement(torch.flatten(last(x), 1), maps)
