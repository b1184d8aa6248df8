"""What a finished run leaves: one model folder, of the best or the last checkpoint or of the mean of several."""

from pathlib import Path
from typing import Literal

from torch import Tensor

from speecht5_cli.data.assets import Assets
from speecht5_cli.errors import CheckpointError
from speecht5_cli.folders import ASSETS, MODEL, model_folder, read_model_config
from speecht5_cli.tensors import read_tensors, tensor_shapes
from speecht5_cli.train.checkpoint import Checkpoints, write_model_folder

Average = Literal["none", "last", "best"]


def final_checkpoints(checkpoints: Checkpoints, average: Average) -> list[Path]:
    """The checkpoints that make the final model: all kept newest or best ones, or the best (else the last) alone."""
    if average == "last":
        return checkpoints.newest(checkpoints.keep_last, passing=False)
    best = checkpoints.best(checkpoints.keep_best if average == "best" else 1)
    return best or checkpoints.newest(1)


def averaged(folders: list[Path]) -> dict[str, Tensor]:
    """The mean of each floating-point tensor over the model folders; other tensors are the last folder's."""
    sums = read_tensors(folders[0] / MODEL)
    if len(folders) == 1:
        return sums
    for folder in folders[1:]:
        for name, tensor in read_tensors(folder / MODEL).items():
            sums[name] = sums[name] + tensor if tensor.is_floating_point() else tensor
    return {name: t / len(folders) if t.is_floating_point() else t for name, t in sums.items()}


def average_models(models: list[Path], out: Path) -> int:
    """Write the mean of several models of one net as the model folder `out`; returns the number of tensors.

    Settings and assets are the first one's. Raises CheckpointError when the models are not of one net.
    """
    folders = [model_folder(path) for path in models]
    trees = [read_model_config(folder) for folder in folders]
    shapes = [tensor_shapes(folder / MODEL) for folder in folders]
    for folder, tree, own in zip(folders[1:], trees[1:], shapes[1:]):
        if (tree.get("name"), tree.get("kind")) != (trees[0].get("name"), trees[0].get("kind")):
            raise CheckpointError(f"{folder}: a model for '{tree.get('name')}', but {folders[0]} is for another task")
        for name in sorted(own.keys() | shapes[0].keys()):
            if own.get(name) != shapes[0].get(name):
                raise CheckpointError(
                    f"{folder}: {name} has shape {own.get(name)}, in {folders[0]} {shapes[0].get(name)}; "
                    "only models of one net have a mean"
                )
    mean = averaged(folders)
    write_model_folder(out, mean, trees[0], Assets(folders[0] / ASSETS))
    return len(mean)
