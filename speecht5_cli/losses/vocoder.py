"""What a GAN vocoder learns from (Kong, Kim, Bae 2020): least squares, feature matching, the distance of log-mels."""

# B batch   S samples   F frequency bins   M mel bands   L frames

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from speecht5_cli.models.discriminators import Judgement


class LogMelDistance(nn.Module):
    """Mean difference of natural log-mels, with filters over the whole band and a floor that ignores near silence."""

    window: Tensor
    filters: Tensor

    def __init__(self, filters: Tensor, *, hop_samples: int, floor: float = 1e-5) -> None:
        """`filters` (M, F) are for a Fourier transform of 2 (F - 1) samples."""
        super().__init__()
        self.hop_samples, self.floor = hop_samples, floor
        self.n_fft = 2 * (filters.size(1) - 1)
        self.register_buffer("window", torch.hann_window(self.n_fft), persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """(B, S), (B, S) -> ()"""
        return (self._log_mel(left) - self._log_mel(right)).abs().mean()

    def _log_mel(self, wave: Tensor) -> Tensor:
        """(B, S) -> (B, M, L)"""
        spectrum = torch.stft(wave, self.n_fft, self.hop_samples, window=self.window, return_complex=True)  # (B, F, L)
        power = torch.view_as_real(spectrum).square().sum(-1)
        magnitude = power.clamp(min=1e-12).sqrt()  # the root has no gradient at zero
        return (self.filters @ magnitude).clamp(min=self.floor).log()


def told_apart(recorded: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """The discriminators' loss: recorded waves should score 1, made ones 0."""
    losses = [
        (left.scores - 1).square().mean() + right.scores.square().mean()
        for left, right in zip(recorded, made, strict=True)
    ]
    return torch.stack(losses).sum()


def taken_for_recorded(made: Sequence[Judgement]) -> Tensor:
    """The generator's adversarial loss: what it made should score 1."""
    return torch.stack([(judgement.scores - 1).square().mean() for judgement in made]).sum()


def feature_distance(recorded: Sequence[Judgement], made: Sequence[Judgement]) -> Tensor:
    """Mean differences of the discriminators' layers, summed over all layers."""
    distances = [
        (left.detach() - right).abs().mean()
        for judged, other in zip(recorded, made, strict=True)
        for left, right in zip(judged.maps, other.maps, strict=True)
    ]
    return torch.stack(distances).sum()
