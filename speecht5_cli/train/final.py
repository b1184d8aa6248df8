"""What a finished run leaves: one model folder, of the best or the last checkpoint or of the mean of several."""

from pathlib import Path
from typing import Literal

from torch import Tensor

from speecht5_cli.train.checkpoint import Checkpoints, read_tensors
from speecht5_cli.train.folders import MODEL

Average = Literal["none", "last", "best"]


def final_checkpoints(checkpoints: Checkpoints, average: Average) -> list[Path]:
    """The checkpoints that make the final model: all kept newest or best ones, or the best (else the last) alone."""
    if average == "last":
        return checkpoints.newest(checkpoints.keep_last)
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
