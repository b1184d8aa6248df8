"""Makes `xvector_speechbrain.npz`: what SpeechBrain's x-vector net says about two generated waves.

Needs `speechbrain` (made with 1.1.2), which the toolkit and its tests do not: `python make_xvector_speechbrain.py`.
The net has random weights and fewer channels than the published one; its batch-norm statistics are moved away from
their start, so that every tensor takes part.
"""

from pathlib import Path

import numpy as np
import torch
from speechbrain.lobes.features import Fbank
from speechbrain.lobes.models.Xvector import Xvector
from speechbrain.nnet.pooling import StatisticsPooling
from speechbrain.processing.features import InputNormalization

SEED = 7


def wave(n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """A gliding, breathing tone with harmonics between two pauses, 16-bit at 16 kHz: (n_samples,) int16."""
    time_s = np.arange(n_samples) / 16_000
    phase = 2 * np.pi * (110 * time_s + 40 * time_s**2)
    tone = sum(np.sin(k * phase) / k for k in range(1, 25)) * (1.2 + np.sin(2 * np.pi * 3 * time_s))
    loudness = np.where((time_s > 0.05) & (time_s < 0.8 * time_s[-1]), 0.2, 1e-4)
    return np.round((tone + 0.1 * rng.standard_normal(n_samples)) * loudness * 16_000).astype(np.int16)


def main() -> None:
    torch.manual_seed(SEED)
    net = Xvector(in_channels=24, tdnn_channels=[16, 16, 16, 16, 24], lin_neurons=32).eval()
    for name, tensor in net.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        elif "norm" in name and tensor.is_floating_point():
            tensor.add_(0.3 * torch.randn_like(tensor))
    # The noise that it adds to the pooled means, from 1e-5 to 9e-5, becomes its mean, so that the answer is fixed.
    StatisticsPooling._get_gauss_noise = lambda self, shape, device: torch.full(shape, 5e-5, device=device)
    features, normalise = Fbank(n_mels=24), InputNormalization(norm_type="sentence", std_norm=False)

    rng = np.random.default_rng(SEED)
    content = {f"state/{name}": tensor.numpy() for name, tensor in net.state_dict().items()}
    for number, n_samples in enumerate((14_400, 5_523)):
        content[f"wave/{number}"] = wave(n_samples, rng)
        samples = torch.from_numpy(content[f"wave/{number}"] / np.float32(32768))[None]
        with torch.inference_mode():
            heard = normalise(features(samples), torch.ones(1))
            content[f"features/{number}"] = heard[0].numpy()
            content[f"vector/{number}"] = net(heard)[0, 0].numpy()
    np.savez_compressed(Path(__file__).with_name("xvector_speechbrain.npz"), **content)


if __name__ == "__main__":
    main()
