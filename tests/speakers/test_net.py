"""The x-vector net: equal to SpeechBrain's, and blind to padding."""

from pathlib import Path

import numpy as np
import pytest
import torch

from speecht5_cli.models.filterbank import LogMelDecibels
from speecht5_cli.models.xvector import XVector, XVectorNetConfig, mirrored, pooled_statistics
from speecht5_cli.models.xvector_speechbrain import from_speechbrain

GOLDEN = Path(__file__).parents[1] / "golden" / "xvector_speechbrain.npz"


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


def state(golden: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name[6:]: torch.from_numpy(array) for name, array in golden.items() if name.startswith("state/")}


@pytest.fixture(scope="module")
def net(golden: dict[str, np.ndarray]) -> XVector:
    sizes, weights = from_speechbrain(state(golden))
    net = XVector(sizes)
    net.load_state_dict(weights)
    return net.eval()


def wave(golden: dict[str, np.ndarray], number: int) -> torch.Tensor:
    return torch.from_numpy(golden[f"wave/{number}"] / np.float32(32768))


def test_sizes_are_read_from_the_weights(golden: dict[str, np.ndarray]) -> None:
    sizes, _ = from_speechbrain(state(golden))
    assert sizes == XVectorNetConfig(n_mels=24, channels=(16, 16, 16, 16, 24), dim=32)


@pytest.mark.parametrize("number", [0, 1])
def test_features_are_speechbrains(golden: dict[str, np.ndarray], number: int) -> None:
    samples = wave(golden, number)[None]
    features, lens = LogMelDecibels(24)(samples, torch.tensor([samples.size(1)]))
    assert lens.tolist() == [features.size(1)]
    np.testing.assert_allclose(features[0].numpy(), golden[f"features/{number}"], atol=2e-4)  # decibels


@pytest.mark.parametrize("number", [0, 1])
def test_vectors_are_speechbrains(golden: dict[str, np.ndarray], net: XVector, number: int) -> None:
    with torch.inference_mode():
        vector = net(wave(golden, number)[None])[0]
    np.testing.assert_allclose(vector.numpy(), golden[f"vector/{number}"], atol=1e-5)


def test_a_batch_is_its_singles_whatever_stands_in_the_padding(golden: dict[str, np.ndarray], net: XVector) -> None:
    loud_at_its_end = 1e-5 * torch.sin(torch.arange(11 * 160 + 159.0))  # nearest to a frame behind its own last one
    loud_at_its_end[-1] = 0.9
    fewest_frames = wave(golden, 0)[3000:3500]  # 4 of them
    waves = [wave(golden, 0), wave(golden, 1), loud_at_its_end, fewest_frames]
    lens = torch.tensor([len(w) for w in waves])
    padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    padded += torch.where(torch.arange(padded.size(1)) >= lens[:, None], 0.5, 0.0)
    with torch.inference_mode():
        together = net(padded, lens)
        alone = torch.cat([net(w[None]) for w in waves])
    torch.testing.assert_close(together, alone, atol=2e-6, rtol=0)


def test_rows_are_mirrored_at_their_own_ends() -> None:
    x = torch.tensor([[[1.0, 2.0, 3.0, 4.0]], [[5.0, 6.0, 7.0, 0.0]]])
    padded = mirrored(x, torch.tensor([4, 3]), 2)
    assert padded[0, 0].tolist() == [3, 2, 1, 2, 3, 4, 3, 2]
    assert padded[1, 0, :7].tolist() == [7, 6, 5, 6, 7, 6, 5]


def test_silent_channels_do_not_spoil_the_gradient() -> None:
    x = torch.zeros(2, 3, 5, requires_grad=True)
    pooled_statistics(x, torch.tensor([5, 4])).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


def test_too_short_a_wave_is_refused(net: XVector) -> None:
    assert net.min_samples == 480
    with pytest.raises(ValueError, match="479 samples; the net needs 480"):
        net(torch.zeros(1, 479))


def test_default_sizes_are_the_published_ones() -> None:
    n_parameters = sum(p.numel() for p in XVector(XVectorNetConfig()).parameters())
    frame_layers = 24 * 5 * 512 + 2 * 512 * 3 * 512 + 512 * 512 + 512 * 1500 + 3 * (4 * 512 + 1500)  # biases, norms
    assert n_parameters == frame_layers + 3000 * 512 + 512


def test_foreign_weights_are_refused(golden: dict[str, np.ndarray]) -> None:
    weights = state(golden)
    weights["blocks.0.tdnn.weight"] = weights.pop("blocks.0.conv.weight")
    with pytest.raises(ValueError, match=r"missing \['blocks.0.conv.weight'\], unknown \['blocks.0.tdnn.weight'\]"):
        from_speechbrain(weights)


def test_sizes_must_fit_each_other() -> None:
    with pytest.raises(ValueError, match="same number of entries"):
        XVectorNetConfig(channels=(8, 8))
    with pytest.raises(ValueError, match="odd"):
        XVectorNetConfig(kernel_sizes=(5, 2, 3, 1, 1))
