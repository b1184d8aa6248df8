"""Vocoders of other toolkits: golden waves of Hugging Face's, ParallelWaveGAN's files, and the way back."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from speecht5_cli.config import write_yaml
from speecht5_cli.data.features import LOG_MEL, LogMelSettings
from speecht5_cli.decode.vocoder_folder import read_vocoder, write_vocoder
from speecht5_cli.decode.waveform import load_vocoder
from speecht5_cli.errors import CheckpointError
from speecht5_cli.models.vocoder import HifiGan, HifiGanConfig
from speecht5_cli.train.vocoder_files import export_hf_vocoder, import_hf_vocoder, import_pwg_vocoder

DATA = Path(__file__).parent / "data"
TINY = HifiGanConfig(channels=16, residual_kernels=(3, 5), residual_dilations=((1, 3), (1,)))


def tiny_net() -> HifiGan:
    torch.manual_seed(3)
    net = HifiGan(TINY).eval()
    with torch.no_grad():
        for tensor in net.parameters():
            tensor.add_(0.1 * torch.randn_like(tensor))
    net.set_statistics(torch.linspace(-3, -1, 80), torch.linspace(0.5, 1, 80))
    return net


def test_golden_waves_of_hugging_face(tmp_path: Path) -> None:
    import_hf_vocoder(DATA / "hifigan", tmp_path / "v")
    golden = np.load(DATA / "hifigan_io.npz")
    waves = load_vocoder(tmp_path / "v", device="cpu")(list(golden["spectrogram"]))
    np.testing.assert_allclose(np.stack(waves), golden["waveform"], atol=1e-4)
    assert np.abs(golden["waveform"]).max() > 0.5


def test_a_pickle_in_place_of_safetensors(tmp_path: Path) -> None:
    shutil.copytree(DATA / "hifigan", tmp_path / "hf")
    import_hf_vocoder(tmp_path / "hf", tmp_path / "v1")
    torch.save(read_vocoder(tmp_path / "v1")[0].state_dict(), tmp_path / "hf/pytorch_model.bin")
    (tmp_path / "hf/model.safetensors").unlink()
    import_hf_vocoder(tmp_path / "hf", tmp_path / "v2")
    assert (tmp_path / "v1/model.safetensors").read_bytes() == (tmp_path / "v2/model.safetensors").read_bytes()


def test_export_and_import_are_inverse(tmp_path: Path) -> None:
    net = tiny_net()
    write_vocoder(tmp_path / "v", net, net.state_dict(), LOG_MEL)
    export_hf_vocoder(tmp_path / "v", tmp_path / "hf")
    import_hf_vocoder(tmp_path / "hf", tmp_path / "again")
    for name in ("config.yaml", "model.safetensors"):
        assert (tmp_path / "v" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_transformers_speaks_with_an_exported_vocoder(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    net = tiny_net()
    write_vocoder(tmp_path / "v", net, net.state_dict(), LOG_MEL)
    export_hf_vocoder(tmp_path / "v", tmp_path / "hf")
    theirs = transformers.SpeechT5HifiGan.from_pretrained(tmp_path / "hf").eval()
    mel = torch.randn(11, 80) - 2
    with torch.inference_mode():
        wave = theirs(mel).numpy()
    ours = load_vocoder(tmp_path / "v", device="cpu")([mel.numpy()])[0]
    np.testing.assert_allclose(ours, wave, atol=1e-5)


def test_log_mels_that_their_format_cannot_state(tmp_path: Path) -> None:
    net = tiny_net()
    write_vocoder(tmp_path / "v", net, net.state_dict(), LogMelSettings(low_hz=0.0))
    with pytest.raises(CheckpointError, match=r"low_hz 0\.0"):
        export_hf_vocoder(tmp_path / "v", tmp_path / "hf")


def write_pwg(folder: Path, net: HifiGan, **changes: object) -> None:
    """What ParallelWaveGAN's training leaves: its names, lengths and directions, and statistics beside them."""
    folder.mkdir()
    state = {}
    for name, tensor in net.state_dict().items():
        module, _, kind = name.rpartition(".")
        head, *rest = module.split(".")
        if head in ("mean", "scale") or not module:
            continue
        theirs = {
            "conv_pre": "input_conv",
            "conv_post": "output_conv.1",
            "upsampler": ".".join(["upsamples", *rest, "1"]),
            "resblocks": ".".join(["blocks", *rest, "1"]),
        }[head]
        if kind == "weight":
            state[f"{theirs}.weight_g"] = tensor.flatten(1).norm(dim=1).reshape(-1, 1, 1)
            state[f"{theirs}.weight_v"] = 2 * tensor  # of any length
        else:
            state[f"{theirs}.bias"] = tensor
    torch.save({"model": {"generator": state, "discriminator": {}}, "steps": 7}, folder / "checkpoint-7steps.pkl")
    np.save(folder / "stats.npy", np.stack([net.mean.numpy(), net.scale.numpy()]))
    tree: dict = {
        "sampling_rate": 16000,
        "fft_size": 1024,
        "hop_size": 256,
        "win_length": None,
        "window": "hann",
        "num_mels": 80,
        "fmin": 80,
        "fmax": 7600,
        "generator_type": "HiFiGANGenerator",
        "generator_params": {
            "in_channels": 80,
            "channels": 16,
            "kernel_size": 7,
            "upsample_scales": [4, 4, 4, 4],
            "upsample_kernel_sizes": [8, 8, 8, 8],
            "resblock_kernel_sizes": [3, 5],
            "resblock_dilations": [[1, 3], [1]],
            "use_additional_convs": True,
            "bias": True,
            "nonlinear_activation_params": {"negative_slope": 0.1},
        },
    }
    write_yaml(folder / "config.yml", tree | changes)


@pytest.mark.parametrize("place", ["", "checkpoint-7steps.pkl"])
def test_parallel_wave_gan_comes_in(place: str, tmp_path: Path) -> None:
    net = tiny_net()
    write_pwg(tmp_path / "pwg", net)
    import_pwg_vocoder(tmp_path / "pwg" / place, tmp_path / "v")
    mel = np.random.default_rng(0).normal(-2, 1, (10, 80)).astype(np.float32)
    with torch.inference_mode():
        expected = net(torch.from_numpy(mel)[None])[0].numpy()
    np.testing.assert_allclose(load_vocoder(tmp_path / "v", device="cpu")([mel])[0], expected, atol=1e-6)
    assert read_vocoder(tmp_path / "v")[1] == LOG_MEL


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"generator_type": "ParallelWaveGANGenerator"}, "ParallelWaveGANGenerator"),
        ({"win_length": 800}, "800 samples in a transform of 1024"),
        ({"log_base": None}, "log_base None"),
        ({"hop_size": 300}, "upsamples by 256, .* 300"),
    ],
)
def test_what_we_cannot_hear_alike_is_refused(changes: dict, what: str, tmp_path: Path) -> None:
    write_pwg(tmp_path / "pwg", tiny_net(), **changes)
    with pytest.raises(CheckpointError, match=what):
        import_pwg_vocoder(tmp_path / "pwg", tmp_path / "v")
    assert not (tmp_path / "v").exists()


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        import_hf_vocoder(tmp_path, tmp_path / "v")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "speecht5"}))
    with pytest.raises(CheckpointError, match="'speecht5', expected speecht5_hifigan"):
        import_hf_vocoder(tmp_path, tmp_path / "v")
    with pytest.raises(CheckpointError, match=r"0 \.pkl files"):
        import_pwg_vocoder(tmp_path, tmp_path / "v")
    write_pwg(tmp_path / "pwg", tiny_net())
    (tmp_path / "pwg/stats.npy").unlink()
    with pytest.raises(CheckpointError, match=r"neither stats\.npy nor stats\.h5"):
        import_pwg_vocoder(tmp_path / "pwg", tmp_path / "v")
    (tmp_path / "pwg/checkpoint-7steps.pkl").write_bytes(b"nothing of that kind")
    with pytest.raises(CheckpointError, match=r"checkpoint-7steps\.pkl"):
        import_pwg_vocoder(tmp_path / "pwg", tmp_path / "v")
