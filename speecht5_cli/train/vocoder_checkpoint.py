"""The state of a vocoder's training, and its checkpoints: written in one step, without any pickle."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from speecht5_cli.data.features import LogMelSettings
from speecht5_cli.decode.vocoder_folder import MODEL, write_vocoder
from speecht5_cli.errors import CheckpointError
from speecht5_cli.files import atomic_dir
from speecht5_cli.folders import CHECKPOINTS, STATE
from speecht5_cli.models.discriminators import Discriminators
from speecht5_cli.models.vocoder import HifiGan, plain_weights
from speecht5_cli.tensors import read_tensors, write_tensors
from speecht5_cli.train.checkpoint import load_exactly
from speecht5_cli.train.optim import Optimizer

_GENERATOR, _JUDGES = "generator.safetensors", "discriminators.safetensors"
_OPTIMIZER, _JUDGE_OPTIMIZER = "generator_optimizer.safetensors", "discriminators_optimizer.safetensors"


@dataclass
class Adversaries:
    """Two nets that learn from each other. The generator keeps its weights as length and direction."""

    generator: HifiGan
    judges: Discriminators
    optimizer: Optimizer
    judge_optimizer: Optimizer
    step: int = 0  # finished updates

    @property
    def device(self) -> torch.device:
        """Where both nets lie."""
        return self.generator.mean.device


def save(exp: Path, nets: Adversaries, features: LogMelSettings, *, keep: int) -> None:
    """Write the checkpoint of this step and the vocoder itself, then remove all but the `keep` newest checkpoints.

    Raises CheckpointError when the disk refuses.
    """
    place = exp / CHECKPOINTS / str(nets.step)
    try:
        with atomic_dir(place) as out:
            write_tensors(out / _GENERATOR, nets.generator.state_dict())
            write_tensors(out / _JUDGES, nets.judges.state_dict())
            write_tensors(out / _OPTIMIZER, nets.optimizer.state())
            write_tensors(out / _JUDGE_OPTIMIZER, nets.judge_optimizer.state())
            (out / STATE).write_text(json.dumps({"step": nets.step, "torch": torch.__version__}), encoding="utf-8")
    except OSError as error:
        raise CheckpointError(
            f"{place}: not written: {error.strerror or error}; the former one is still whole: make room and run the "
            "same command again"
        ) from error
    write_vocoder(exp / MODEL, nets.generator, plain_weights(nets.generator.state_dict()), features)
    for old in _steps(exp)[:-keep]:
        shutil.rmtree(exp / CHECKPOINTS / str(old))


def newest(exp: Path) -> int | None:
    """The step of the newest checkpoint, if there is one."""
    return next(reversed(_steps(exp)), None)


def _steps(exp: Path) -> list[int]:
    """The steps that have a whole checkpoint, in order."""
    return sorted(int(path.parent.name) for path in (exp / CHECKPOINTS).glob(f"[0-9]*/{STATE}"))


def resume(exp: Path, step: int, nets: Adversaries) -> None:
    """Load a checkpoint. Raises CheckpointError naming what does not fit."""
    place = exp / CHECKPOINTS / str(step)
    load_exactly(nets.generator, read_tensors(place / _GENERATOR), str(place / _GENERATOR))
    load_exactly(nets.judges, read_tensors(place / _JUDGES), str(place / _JUDGES))
    nets.optimizer.load_state(read_tensors(place / _OPTIMIZER))
    nets.judge_optimizer.load_state(read_tensors(place / _JUDGE_OPTIMIZER))
    nets.step = step


def take_discriminators(nets: Adversaries, init: Path) -> bool:
    """Load those of the experiment that `init` is, or lies in; False when there are none, or of other sizes."""
    for exp in (init, init.parent):
        step = newest(exp)
        if step is None:
            continue
        try:
            place = exp / CHECKPOINTS / str(step) / _JUDGES
            load_exactly(nets.judges, read_tensors(place), str(place))
        except CheckpointError:
            return False
        return True
    return False
