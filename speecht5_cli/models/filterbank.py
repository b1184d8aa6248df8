"""Log-mel features in decibels, as the x-vector net of SpeechBrain hears them.

They differ from the log-mel that SpeechT5 itself predicts: Hamming window, HTK mel scale, triangles that are symmetric
in Hz, decibels floored at 80 below the loudest value, and the mean over time removed. Everything is computed over the
valid part of an utterance, so its features do not depend on what it is batched with.
"""

# B batch   S samples   T frames (S // 160 + 1)   M mel bands   F frequency bins

import torch
from torch import Tensor, nn

SAMPLE_RATE = 16_000  # Hz
WINDOW_SAMPLES = 400  # 25 ms, also the length of the Fourier transform
HOP_SAMPLES = 160  # 10 ms
FLOOR_POWER = 1e-10
RANGE_DB = 80.0


class LogMelDecibels(nn.Module):
    """Waves -> mean-free log-mel features."""

    window: Tensor
    filters: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hamming_window(WINDOW_SAMPLES), persistent=False)
        self.register_buffer("filters", triangular_filters(n_mels), persistent=False)

    def forward(self, wav: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S) float waves and (B,) valid samples -> (B, T, M) features, zero where padded, and (B,) valid frames."""
        wav = wav.masked_fill(padding(lens, wav.size(1)), 0.0)  # the original surrounds an utterance with silence
        spectrum = torch.stft(
            wav, WINDOW_SAMPLES, HOP_SAMPLES, window=self.window, pad_mode="constant", return_complex=True
        )  # (B, F, T)
        power = torch.view_as_real(spectrum).square().sum(-1).transpose(1, 2)  # (B, T, F)
        decibels = 10.0 * torch.log10((power @ self.filters).clamp(min=FLOOR_POWER))  # (B, T, M)
        frame_lens = lens // HOP_SAMPLES + 1
        pad = padding(frame_lens, decibels.size(1))[..., None]  # (B, T, 1)
        loudest = decibels.masked_fill(pad, -torch.inf).amax(dim=(1, 2), keepdim=True)
        decibels = torch.maximum(decibels, loudest - RANGE_DB).masked_fill(pad, 0.0)
        mean = decibels.sum(dim=1, keepdim=True) / frame_lens[:, None, None]
        return (decibels - mean).masked_fill(pad, 0.0), frame_lens


def padding(lens: Tensor, size: int) -> Tensor:
    """(B,) valid lengths -> (B, size), True where padded."""
    return torch.arange(size, device=lens.device) >= lens[:, None]


def triangular_filters(n_mels: int) -> Tensor:
    """(F, M) weights. A filter's half width is the distance, in Hz, to the centre below it, on both of its sides."""
    highest_mel = 2595.0 * torch.log10(torch.tensor(1 + SAMPLE_RATE / 2 / 700, dtype=torch.float64))
    mels = torch.linspace(0.0, float(highest_mel), n_mels + 2, dtype=torch.float64)
    edges_hz = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    centres_hz, half_widths_hz = edges_hz[1:-1], edges_hz.diff()[:-1]  # (M,)
    bins_hz = torch.linspace(0.0, SAMPLE_RATE / 2, WINDOW_SAMPLES // 2 + 1, dtype=torch.float64)
    distance = (bins_hz[:, None] - centres_hz).abs() / half_widths_hz  # (F, M)
    return (1.0 - distance).clamp(min=0.0).float()
