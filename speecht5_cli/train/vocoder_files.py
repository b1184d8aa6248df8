"""Vocoders of other toolkits: Hugging Face's `SpeechT5HifiGan`, in and out; ParallelWaveGAN's HiFi-GAN, in.

Nothing of a foreign file is run: pickles are read by models/unpickle.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from speecht5_cli.config import Tree, differences, from_tree, read_yaml, to_tree
from speecht5_cli.data.features import LOG_MEL, LogMelSettings
from speecht5_cli.decode.vocoder_folder import read_vocoder, write_vocoder
from speecht5_cli.errors import CheckpointError, ConfigError
from speecht5_cli.files import atomic_dir
from speecht5_cli.models.torch_file import StoredTensor, read_torch_file
from speecht5_cli.models.unpickle import BadPickle
from speecht5_cli.models.vocoder import HifiGan, HifiGanConfig, plain_weights
from speecht5_cli.tensors import read_tensors
from speecht5_cli.train.checkpoint import load_exactly

HF_CONFIG, HF_WEIGHTS, HF_PICKLE = "config.json", "model.safetensors", "pytorch_model.bin"
PWG_CONFIG = "config.yml"

_HF_TYPE = "speecht5_hifigan"
_PWG_TYPE = "HiFiGANGenerator"
# ParallelWaveGAN wraps a convolution and its activation into one numbered pair.
_PWG_NAMES = (
    (r"^input_conv\.", "conv_pre."),
    (r"^upsamples\.(\d+)\.1\.", r"upsampler.\1."),
    (r"^blocks\.(\d+)\.convs(1|2)\.(\d+)\.1\.", r"resblocks.\1.convs\2.\3."),
    (r"^output_conv\.1\.", "conv_post."),
)


def import_hf_vocoder(src: Path, dst: Path) -> HifiGanConfig:
    """Make the vocoder folder `dst` from a folder with config.json and model.safetensors or pytorch_model.bin.

    Raises CheckpointError for a folder of another model, or weights that do not fit.
    """
    tree = _json(src / HF_CONFIG)
    if tree.get("model_type") != _HF_TYPE:
        raise CheckpointError(f"{src / HF_CONFIG}: a model of type '{tree.get('model_type')}', expected {_HF_TYPE}")
    sizes = _sizes(
        src / HF_CONFIG,
        n_mels=tree.get("model_in_dim", 80),
        channels=tree.get("upsample_initial_channel", 512),
        upsample_rates=tree.get("upsample_rates", (4, 4, 4, 4)),
        upsample_kernels=tree.get("upsample_kernel_sizes", (8, 8, 8, 8)),
        residual_kernels=tree.get("resblock_kernel_sizes", (3, 7, 11)),
        residual_dilations=tree.get("resblock_dilation_sizes", [[1, 3, 5]] * 3),
        slope=tree.get("leaky_relu_slope", 0.1),
    )
    source = src / (HF_WEIGHTS if (src / HF_WEIGHTS).exists() else HF_PICKLE)
    state = plain_weights(read_tensors(source) if source.name == HF_WEIGHTS else _unpickled(source))
    if not tree.get("normalize_before", True):
        state |= {"mean": torch.zeros(sizes.n_mels), "scale": torch.ones(sizes.n_mels)}
    # Their configuration names no features but the rate; the others are those of the extractor that belongs to it.
    features = {**to_tree(LOG_MEL), "sample_rate": tree.get("sampling_rate", LOG_MEL.sample_rate)}
    _write(dst, sizes, state, LogMelSettings(**features), source)
    return sizes


def export_hf_vocoder(folder: Path, dst: Path) -> None:
    """Write the vocoder of `folder` (or of an experiment) as `SpeechT5HifiGan.from_pretrained` reads it.

    Raises CheckpointError for log-mels of other settings, which that format cannot state.
    """
    from safetensors.torch import save_file

    net, features = read_vocoder(folder)
    if features != LOG_MEL:
        other = ", ".join(
            f"{key} {ours}" for key, (ours, _) in differences(to_tree(features), to_tree(LOG_MEL)).items()
        )
        raise CheckpointError(f"{folder}: reads log-mels with {other}; the format has no place to say so")
    sizes = net.config
    tree = {
        "architectures": ["SpeechT5HifiGan"],
        "model_type": _HF_TYPE,
        "model_in_dim": sizes.n_mels,
        "sampling_rate": features.sample_rate,
        "upsample_initial_channel": sizes.channels,
        "upsample_rates": sizes.upsample_rates,
        "upsample_kernel_sizes": sizes.upsample_kernels,
        "resblock_kernel_sizes": sizes.residual_kernels,
        "resblock_dilation_sizes": sizes.residual_dilations,
        "leaky_relu_slope": sizes.slope,
        "normalize_before": True,
    }
    with atomic_dir(dst) as out:
        (out / HF_CONFIG).write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
        state = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
        save_file(state, out / HF_WEIGHTS, metadata={"format": "pt"})


def import_pwg_vocoder(src: Path, dst: Path) -> HifiGanConfig:
    """Make the vocoder folder `dst` from a checkpoint of ParallelWaveGAN; config.yml and stats.* lie beside it.

    `src` is the .pkl file, or a folder that holds just one. Raises CheckpointError for another kind of generator, for
    log-mels that differ from ours in kind, or when a file is missing.
    """
    file = _only_pickle(src) if src.is_dir() else src
    tree = read_yaml(file.parent / PWG_CONFIG)
    where = file.parent / PWG_CONFIG
    if tree.get("generator_type") != _PWG_TYPE:
        raise CheckpointError(f"{where}: a generator of type '{tree.get('generator_type')}', expected {_PWG_TYPE}")
    sizes = _pwg_sizes(tree.get("generator_params") or {}, where)
    features = _pwg_features(tree, where)
    checkpoint = _unpickled(file, ("model", "generator"))
    state = {_pwg_name(name): tensor for name, tensor in plain_weights(checkpoint).items()}
    state |= _pwg_statistics(file.parent)
    _write(dst, sizes, state, features, file)
    return sizes


def _pwg_sizes(params: Mapping[str, Any], where: Path) -> HifiGanConfig:
    if not params.get("use_additional_convs", True) or not params.get("bias", True):
        raise CheckpointError(f"{where}: a generator without additional convolutions or without bias is not supported")
    if params.get("kernel_size", 7) != 7:
        raise CheckpointError(f"{where}: kernel_size {params['kernel_size']}, expected 7")
    return _sizes(
        where,
        n_mels=params.get("in_channels", 80),
        channels=params.get("channels", 512),
        upsample_rates=params.get("upsample_scales", (8, 8, 2, 2)),
        upsample_kernels=params.get("upsample_kernel_sizes", (16, 16, 4, 4)),
        residual_kernels=params.get("resblock_kernel_sizes", (3, 7, 11)),
        residual_dilations=params.get("resblock_dilations", [[1, 3, 5]] * 3),
        slope=(params.get("nonlinear_activation_params") or {}).get("negative_slope", 0.1),
    )


def _pwg_features(tree: Tree, where: Path) -> LogMelSettings:
    window = tree.get("win_length") or tree["fft_size"]
    if window != tree["fft_size"] or tree.get("window", "hann") != "hann":
        raise CheckpointError(
            f"{where}: a {tree.get('window', 'hann')} window of {window} samples in a transform of {tree['fft_size']}; "
            "our log-mels have a hann window as long as the transform"
        )
    if tree.get("log_base", 10.0) != 10.0:
        raise CheckpointError(f"{where}: log_base {tree['log_base']}; our log-mels have the base 10")
    rate = tree["sampling_rate"]
    return LogMelSettings(
        sample_rate=rate,
        fft_samples=tree["fft_size"],
        hop_samples=tree["hop_size"],
        n_mels=tree["num_mels"],
        low_hz=float(tree.get("fmin") or 0.0),
        high_hz=float(tree.get("fmax") or rate / 2),
    )


def _pwg_statistics(folder: Path) -> dict[str, Tensor]:
    """Mean and scale of each mel band, from stats.npy (two rows) or stats.h5."""
    if (folder / "stats.npy").exists():
        rows = np.load(folder / "stats.npy", allow_pickle=False)
        if rows.ndim != 2 or len(rows) != 2:
            raise CheckpointError(f"{folder / 'stats.npy'}: of shape {rows.shape}, expected the rows mean and scale")
        return {name: torch.from_numpy(row.astype(np.float32)) for name, row in zip(("mean", "scale"), rows)}
    if not (folder / "stats.h5").exists():
        raise CheckpointError(
            f"{folder}: neither stats.npy nor stats.h5; the generator needs what its mels were scaled by"
        )
    try:
        import h5py
    except ImportError:
        raise CheckpointError(
            f"{folder / 'stats.h5'}: reading it needs the package h5py; install it, or save the two rows mean and "
            "scale as stats.npy"
        ) from None
    with h5py.File(folder / "stats.h5") as file:
        return {name: torch.from_numpy(np.asarray(file[name], np.float32).reshape(-1)) for name in ("mean", "scale")}


def _pwg_name(name: str) -> str:
    for pattern, ours in _PWG_NAMES:
        name = re.sub(pattern, ours, name)
    return name


def _only_pickle(folder: Path) -> Path:
    found = sorted(folder.glob("*.pkl"))
    if len(found) != 1:
        raise CheckpointError(f"{folder}: holds {len(found)} .pkl files; name the checkpoint to import")
    return found[0]


def _unpickled(path: Path, inside: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """The tensors of a torch file, at the keys `inside` of its dictionaries."""
    try:
        with path.open("rb") as file:
            content = read_torch_file(file)
            for key in inside:
                content = content[key]
            return {name: stored.load().clone() for name, stored in content.items() if isinstance(stored, StoredTensor)}
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}") from None
    except BadPickle as error:
        raise CheckpointError(f"{path}: {error}") from None
    except (KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{path}: expected tensors by name" + f" in {'.'.join(inside)}" * bool(inside)) from None


def _json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: not readable as JSON: {error}") from None
    if not isinstance(tree, dict):
        raise CheckpointError(f"{path}: expected an object")
    return tree


def _sizes(where: Path, **sizes: Any) -> HifiGanConfig:
    try:
        return from_tree(HifiGanConfig, sizes, str(where))
    except ConfigError as error:
        raise CheckpointError(str(error)) from None


def _write(dst: Path, sizes: HifiGanConfig, state: dict[str, Tensor], features: LogMelSettings, source: Path) -> None:
    if sizes.hop_samples != features.hop_samples:
        raise CheckpointError(
            f"{source}: upsamples by {sizes.hop_samples}, but its features have a hop of {features.hop_samples} samples"
        )
    net = HifiGan(sizes)
    load_exactly(net, state, str(source))
    write_vocoder(dst, net, net.state_dict(), features)
