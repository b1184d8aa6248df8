"""The convolutions as matrix products are the plain convolutions, norms and activations."""

from typing import Any

import pytest
import torch
from tiny import tiny_net
from torch import Tensor
from torch.nn import functional as F

from speecht5_cli.models import conv_features
from speecht5_cli.models.config import CONV_STRIDES
from speecht5_cli.models.conv_features import ConvFeatures, frame_lens, halved, moments

LENS = [16_000, 400, 9_999, 719, 3_333, 399]


def net(**settings: Any) -> ConvFeatures:
    features = tiny_net(**settings).speech_encoder_prenet.features
    for norm in features.norms:
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    return features.double()


@pytest.fixture
def wav() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    waves = [0.3 * torch.randn(n, generator=generator) + 0.1 for n in LENS]
    return torch.nn.utils.rnn.pad_sequence(waves, batch_first=True).double()


def plain(features: ConvFeatures, wav: Tensor) -> Tensor:
    """What the original computes: (B, S) -> (B, T, C)."""
    x = wav[:, None]
    for number, (conv, stride) in enumerate(zip(features.convs, CONV_STRIDES)):
        x = F.conv1d(x, conv.weight, stride=stride)
        if features.group and number == 0:
            x = F.group_norm(x, x.size(1), features.norms[0].weight, features.norms[0].bias)
        elif not features.group:
            norm = features.norms[number]
            x = F.layer_norm(x.transpose(1, 2), (x.size(1),), norm.weight, norm.bias).transpose(1, 2)
        x = F.gelu(x)
    return x.transpose(1, 2)


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("piece", [1, 1 << 21])
def test_a_batch_with_its_pads(wav: Tensor, norm: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the original, whose norm sees the pads; frame by frame, and all at once."""
    monkeypatch.setattr(conv_features, "_PIECE", piece)
    features = net(conv_norm=norm, padding="original")
    torch.testing.assert_close(features(wav, torch.tensor(LENS)), plain(features, wav))


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("piece", [1, 1 << 21])
def test_each_utterance_as_if_alone(wav: Tensor, norm: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv_features, "_PIECE", piece)
    features = net(conv_norm=norm)
    wav = wav.masked_fill(torch.arange(wav.size(1)) >= torch.tensor(LENS)[:, None], 5.0)  # pads must not matter
    got = features(wav, torch.tensor(LENS))
    assert got.shape == (len(LENS), 49, features.convs[0].out_channels)
    for row, n in enumerate(LENS):
        n_frames = int(frame_lens(torch.tensor(n)))
        if n_frames:
            torch.testing.assert_close(got[row, :n_frames], plain(features, wav[row : row + 1, :n])[0])
        assert not got[row, n_frames:].any()


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_the_batch_at_once_as_on_a_gpu(wav: Tensor, norm: str) -> None:
    features = net(conv_norm=norm, padding="original")
    lens = torch.tensor(LENS)
    later = [conv.weight.permute(0, 2, 1).flatten(1) for conv in features.convs[1:]]
    got = features._convolved(F.pad(wav, (0, 1000)), features._first(wav, lens), later, 49)
    torch.testing.assert_close(got, plain(features, wav))


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_gradients(wav: Tensor, norm: str) -> None:
    features = net(conv_norm=norm, padding="original")
    names = [name for name, _ in features.named_parameters()]
    weight = torch.randn(1, 30, 1).double()

    def gradients(out: Tensor) -> dict[str, Tensor]:
        return dict(zip(names, torch.autograd.grad((out * weight).square().sum(), list(features.parameters()))))

    one = wav[2:3, :9_999]
    ours, theirs = gradients(features(one, torch.tensor([9_999]))), gradients(plain(features, one))
    for name in names:
        torch.testing.assert_close(ours[name], theirs[name], msg=name)


@pytest.mark.parametrize("taps", [2, 3])
def test_halving(taps: int) -> None:
    x, weight = torch.randn(12, 4), torch.randn(4, 4, taps)
    got = halved(x, weight.permute(0, 2, 1).flatten(1))
    wanted = F.conv1d(x.t()[None], weight, stride=2)[0].t()
    torch.testing.assert_close(got[: len(wanted)], wanted)
    assert len(got) == 6


def test_bf16_is_close(wav: Tensor) -> None:
    for norm in ("group", "layer"):
        features = net(conv_norm=norm).float()
        exact = features(wav.float(), torch.tensor(LENS))
        with torch.autocast("cpu", torch.bfloat16):
            rounded = features(wav.float(), torch.tensor(LENS))
        assert (rounded.float() - exact).norm() < 0.02 * exact.norm()


def test_moments(wav: Tensor) -> None:
    mean, covariance = moments(wav, torch.tensor([3198, 79, 1998, 142, 665, 78]))
    seen = wav[1, :400].unfold(0, 10, 5)
    torch.testing.assert_close(mean[1], seen.mean(0))
    torch.testing.assert_close(covariance[1], torch.cov(seen.t(), correction=0))
    mean, covariance = moments(wav, None)
    torch.testing.assert_close(covariance[1], torch.cov(wav[1].unfold(0, 10, 5).t(), correction=0))


def test_bf16_learns_as_fp32_does(wav: Tensor) -> None:
    """Gradients keep the dtype of their weights and stay close."""
    features = net().float()
    lens = torch.tensor(LENS)
    exact = torch.autograd.grad(features(wav.float(), lens).square().mean(), list(features.parameters()))
    with torch.autocast("cpu", torch.bfloat16):
        loss = features(wav.float(), lens).float().square().mean()
    for ours, wanted in zip(torch.autograd.grad(loss, list(features.parameters())), exact):
        assert ours.dtype == torch.float32
        assert (ours - wanted).norm() < 0.05 * wanted.norm()
