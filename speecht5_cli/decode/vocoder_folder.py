"""The folder of a trained vocoder: `model.safetensors` (weights and statistics) and `config.yaml` (sizes, features).

What the vocoder expects of a log-mel stands in it number by number, so that a log-mel made otherwise is refused.
"""

from pathlib import Path
from typing import Any

from torch import Tensor

from speecht5_cli.config import differences, from_tree, read_yaml, to_tree, write_yaml
from speecht5_cli.data.features import LogMelSettings
from speecht5_cli.errors import CheckpointError, ConfigError
from speecht5_cli.files import atomic_dir
from speecht5_cli.models.initialise import Undrawn
from speecht5_cli.models.vocoder import HifiGan, HifiGanConfig
from speecht5_cli.tensors import read_tensors

WEIGHTS, CONFIG = "model.safetensors", "config.yaml"
MODEL = "model"  # the vocoder's folder in the experiment that trains it
KIND = "vocoder"  # what `name:` in config.yaml says


def write_vocoder(folder: Path, net: HifiGan, state: dict[str, Tensor], features: LogMelSettings) -> None:
    """Write the folder in one step. `state` holds the plain weights of `net`."""
    from safetensors.torch import save_file

    tree = {"name": KIND, "generator": to_tree(net.config), "features": to_tree(features)}
    try:
        with atomic_dir(folder) as out:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, out / WEIGHTS)
            write_yaml(out / CONFIG, tree)
    except OSError as error:
        raise CheckpointError(f"{folder}: not written: {error.strerror or error}") from error


def read_vocoder(path: Path) -> tuple[HifiGan, LogMelSettings]:
    """The net, in evaluation mode, and the log-mels that it reads, from its folder or its experiment.

    Raises CheckpointError when there is none, when it is another kind of model, or when weights and sizes disagree.
    """
    folder = vocoder_folder(path)
    sizes, features = _settings(folder / CONFIG)
    if sizes.hop_samples != features.hop_samples or sizes.n_mels != features.n_mels:
        raise CheckpointError(
            f"{folder / CONFIG}: the generator makes {sizes.hop_samples} samples from a frame of {sizes.n_mels} mels, "
            f"the features have {features.hop_samples} and {features.n_mels}"
        )
    with Undrawn():
        net = HifiGan(sizes)
    try:
        net.load_state_dict(read_tensors(folder / WEIGHTS))
    except RuntimeError as error:
        raise CheckpointError(f"{folder / WEIGHTS}: does not fit {CONFIG}: {error}") from None
    return net.eval(), features


def vocoder_folder(path: Path) -> Path:
    """The vocoder's own folder, which may be given by its experiment. Raises CheckpointError when there is none."""
    for folder in (path / MODEL, path):
        if (folder / WEIGHTS).exists() and (folder / CONFIG).exists():
            return folder
    if (path / CONFIG).exists():
        raise CheckpointError(f"{path}: this experiment has no finished checkpoint yet")
    raise CheckpointError(
        f"{path}: no vocoder; expected 'griffin-lim', or a folder with {WEIGHTS} and {CONFIG} that "
        "`speecht5 vocoder train` or an import made"
    )


def check_features(vocoder: LogMelSettings, model: LogMelSettings, where: str) -> None:
    """Raise CheckpointError, with both numbers, when a vocoder reads other log-mels than the model makes."""
    different = differences(to_tree(vocoder), to_tree(model))
    if different:
        pairs = "; ".join(f"{key}: the vocoder {old}, the log-mels {new}" for key, (old, new) in different.items())
        raise CheckpointError(
            f"{where}: reads other log-mels than those to be heard ({pairs}); train a vocoder on log-mels of these "
            "settings, or use 'griffin-lim'"
        )


def _settings(path: Path) -> tuple[HifiGanConfig, LogMelSettings]:
    tree: dict[str, Any] = read_yaml(path)
    if tree.get("name") != KIND:
        raise CheckpointError(f"{path}: a model of the kind '{tree.get('name')}', expected a {KIND}")
    try:
        sizes = from_tree(HifiGanConfig, tree.get("generator"), "generator")
        return sizes, from_tree(LogMelSettings, tree.get("features"), "features")
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}") from None
