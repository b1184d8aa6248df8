"""The HiFi-GAN generator: golden values, exact padding, chunks, its folder."""

from pathlib import Path

import numpy as np
import pytest
import torch

from speecht5_cli.config import read_yaml, write_yaml
from speecht5_cli.data.features import LOG_MEL, LogMelSettings
from speecht5_cli.decode.vocoder_folder import read_vocoder, write_vocoder
from speecht5_cli.decode.waveform import Synthesis, load_vocoder
from speecht5_cli.errors import CheckpointError, DataError
from speecht5_cli.models.vocoder import HifiGan, HifiGanConfig, plain_weights, weight_normed

SMALL = HifiGanConfig(channels=16, residual_kernels=(3, 5), residual_dilations=((1, 3), (1,)))


@pytest.fixture(scope="module")
def net() -> HifiGan:
    """Small, with weights of a size that lets every sample depend on all it can see."""
    torch.manual_seed(0)
    net = HifiGan(SMALL)
    with torch.no_grad():
        for name, tensor in net.named_parameters():
            if name.endswith("weight"):
                tensor.mul_(10)
    net.set_statistics(torch.full((80,), -2.0), torch.full((80,), 0.5))
    return net.eval()


def log_mels(*n_frames: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(-2, 1, (n, 80)).astype(np.float32) for n in n_frames]


def test_published_size() -> None:
    assert sum(tensor.numel() for tensor in HifiGan(HifiGanConfig()).parameters()) == 12_656_257
    assert HifiGanConfig().hop_samples == LOG_MEL.hop_samples


def test_batch_equals_singles(net: HifiGan) -> None:
    mels = log_mels(40, 7, 23)
    batch = torch.zeros(3, 40, 80)
    for row, mel in zip(batch, mels):
        row[: len(mel)] = torch.from_numpy(mel)
    with torch.inference_mode():
        together = net(batch, torch.tensor([40, 7, 23]))
        for row, mel in zip(together, mels):
            alone = net(torch.from_numpy(mel)[None])[0]
            assert alone.abs().max() > 0.01
            torch.testing.assert_close(row[: len(alone)], alone, atol=1e-5, rtol=0)
            assert not row[len(alone) :].any()


def test_bfloat16_sounds_the_same(net: HifiGan, tmp_path: Path) -> None:
    mels = log_mels(60, 20)
    write_vocoder(tmp_path, net, net.state_dict(), LOG_MEL)
    exact = load_vocoder(tmp_path, device="cpu")(mels)
    rounded = load_vocoder(tmp_path, device="cpu", precision="bf16")(mels)
    for one, other in zip(exact, rounded):
        assert other.dtype == np.float32
        assert 0 < np.linalg.norm(other - one) < 0.03 * np.linalg.norm(one)
        assert len(np.unique(other)) > 0.9 * len(np.unique(one))  # the last layer is not rounded


def test_pieces_equal_the_whole(net: HifiGan) -> None:
    mels = log_mels(70, 17, 32)
    whole = Synthesis(net, LOG_MEL, piece_frames=1000)(mels)
    pieces = Synthesis(net, LOG_MEL, piece_frames=16)
    batched = Synthesis(net, LOG_MEL, piece_frames=16)
    batched.batch_frames = 200
    for made in (pieces(mels), batched(mels), [np.concatenate(list(pieces.stream(mel))) for mel in mels]):
        for left, right in zip(whole, made, strict=True):
            np.testing.assert_allclose(left, right, atol=1e-5)


@pytest.mark.parametrize("lens", [None, [70, 33]])
def test_stages_in_pieces_equal_whole_ones(
    net: HifiGan, monkeypatch: pytest.MonkeyPatch, lens: list[int] | None
) -> None:
    mels = torch.from_numpy(np.stack(log_mels(70, 70)))
    valid = None if lens is None else torch.tensor(lens)
    with torch.no_grad():
        whole = net(mels, valid)
        stages = []
        plain = net._stage
        monkeypatch.setattr(net, "_stage", lambda stage, x, pad: stages.append(stage) or plain(stage, x, pad))
        monkeypatch.setattr("speecht5_cli.models.vocoder._PIECE", 1000)
        torch.testing.assert_close(net(mels, valid), whole, atol=1e-5, rtol=1e-5)
    assert [stages.count(stage) for stage in range(4)] == [1, 1, 5, 18]
    if lens:
        assert (whole[1, 33 * 256 :] == 0).all() and whole[1, : 33 * 256].all()


def test_context_is_what_can_be_heard_and_little_more() -> None:
    config = SMALL
    net = HifiGan(config).double()
    mel = torch.randn(1, 2 * config.context_frames + 3, 80, dtype=torch.double, requires_grad=True)
    middle = config.context_frames + 1
    reached = set()
    for sample in (middle * 256, middle * 256 + 255):
        (gradient,) = torch.autograd.grad(net(mel)[0, sample], mel)
        reached |= set((gradient[0].abs().sum(1).nonzero()[:, 0] - middle).tolist())
    assert config.context_frames - 2 <= max(abs(min(reached)), max(reached)) <= config.context_frames


def test_weight_norm_changes_nothing_and_can_be_undone(net: HifiGan) -> None:
    (mel,) = map(torch.from_numpy, log_mels(12))
    normed = HifiGan(SMALL)
    normed.load_state_dict(net.state_dict())
    weight_normed(normed)
    assert any("parametrizations" in name for name in normed.state_dict())
    again = HifiGan(SMALL)
    again.load_state_dict(plain_weights(normed.state_dict()))
    with torch.inference_mode():
        torch.testing.assert_close(normed(mel[None]), net(mel[None]), atol=1e-6, rtol=0)
        torch.testing.assert_close(again(mel[None]), net(mel[None]), atol=1e-6, rtol=0)


def test_a_length_without_direction_is_refused() -> None:
    with pytest.raises(ValueError, match=r"conv_pre\.weight_v"):
        plain_weights({"conv_pre.weight_g": torch.ones(3, 1, 1)})


def test_folder_and_experiment_give_the_same_vocoder(net: HifiGan, tmp_path: Path) -> None:
    write_vocoder(tmp_path / "exp/model", net, net.state_dict(), LOG_MEL)
    mels = log_mels(9)
    direct = Synthesis(net, LOG_MEL)(mels)[0]
    for spec in (tmp_path / "exp", str(tmp_path / "exp/model")):
        wave = load_vocoder(spec, device="cpu")(mels)[0]
        assert wave.dtype == np.float32
        np.testing.assert_array_equal(wave, direct)


def test_other_log_mels_are_refused_with_both_numbers(net: HifiGan, tmp_path: Path) -> None:
    write_vocoder(tmp_path, net, net.state_dict(), LOG_MEL)
    with pytest.raises(CheckpointError, match=r"high_hz: the vocoder 7600\.0, the log-mels 8000\.0"):
        load_vocoder(tmp_path, features=LogMelSettings(high_hz=8000.0))
    with pytest.raises(DataError, match=r"expected \(frames, 80\)"):
        load_vocoder(tmp_path)([np.zeros((4, 40), np.float32)])


def test_broken_folders_are_named(net: HifiGan, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no vocoder; expected 'griffin-lim'"):
        load_vocoder(tmp_path / "nowhere")
    write_vocoder(tmp_path / "v", net, net.state_dict(), LOG_MEL)
    tree = read_yaml(tmp_path / "v/config.yaml")
    write_yaml(tmp_path / "v/config.yaml", tree | {"generator": tree["generator"] | {"channels": 32}})
    with pytest.raises(CheckpointError, match=r"does not fit config\.yaml"):
        read_vocoder(tmp_path / "v")
    write_yaml(tmp_path / "v/config.yaml", tree | {"features": tree["features"] | {"hop_samples": 300}})
    with pytest.raises(CheckpointError, match=r"256 samples .* 300"):
        read_vocoder(tmp_path / "v")
    write_yaml(tmp_path / "v/config.yaml", tree | {"name": "asr"})
    with pytest.raises(CheckpointError, match="kind 'asr', expected a vocoder"):
        read_vocoder(tmp_path / "v")
    write_yaml(tmp_path / "v/config.yaml", tree)
    (tmp_path / "v/model.safetensors").write_bytes(b"short")
    with pytest.raises(CheckpointError, match="cut short"):
        read_vocoder(tmp_path / "v")


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"upsample_kernels": (8, 8)}, "same number"),
        ({"upsample_kernels": (8, 8, 8, 7)}, "give 8"),
        ({"residual_kernels": (3, 7, 10)}, "odd"),
        ({"channels": 40}, "halved"),
    ],
)
def test_sizes_that_cannot_be_are_refused(settings: dict, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        HifiGanConfig(**settings)
