"""Where a model lies: the layout of model folders and experiments. Knows no torch, so that commands may look early."""

import json
from dataclasses import dataclass
from pathlib import Path

from speecht5_cli.config import Tree, read_yaml
from speecht5_cli.errors import CheckpointError

MODEL, CONFIG, ASSETS = "model.safetensors", "config.yaml", "assets"  # of a model folder
CHECKPOINTS, STATE, INDEX = "checkpoints", "state.json", "index.json"
TUNED = "tuned.yaml"  # decoding settings that `decode --tune` chose
FINAL = "model"  # the model folder that a finished run leaves in its experiment


@dataclass
class Kept:
    """One line of checkpoints/index.json."""

    step: int
    metric: float | None = None  # the task's first metric, where validation has measured it
    passing: bool = False  # saved by the clock or on a signal, for resuming only: gone with the next one


def kept_checkpoints(folder: Path) -> list[Kept]:
    """What index.json names and the disk holds, oldest first."""
    try:
        lines = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise CheckpointError(f"{folder / INDEX}: not readable: {error}; remove it and train again") from None
    return [kept for kept in (Kept(**line) for line in lines["kept"]) if (folder / str(kept.step) / STATE).exists()]


def ranked(folder: Path) -> list[Kept]:
    """The measured checkpoints, best first."""
    measured = [kept for kept in kept_checkpoints(folder) if kept.metric is not None]
    if not measured:
        return []
    lower = json.loads((folder / INDEX).read_text(encoding="utf-8"))["better"] == "lower"
    return sorted(measured, key=lambda kept: (kept.metric or 0.0) * (1 if lower else -1))


def tuned_settings(experiment: Path) -> Tree:
    """Decoding settings that were chosen for this experiment, if any were."""
    path = experiment / TUNED
    return read_yaml(path)["settings"] if path.exists() else {}


def model_folder(path: Path) -> Path:
    """The model folder that a path means: itself, or an experiment's final model, best or last checkpoint."""
    if path.is_file():
        raise CheckpointError(f"{path}: a file, and not a model folder or an experiment")
    if (path / MODEL).exists():
        return path
    if (path / FINAL / MODEL).exists():
        return path / FINAL
    checkpoints = path / CHECKPOINTS
    chosen = ranked(checkpoints)[:1] or kept_checkpoints(checkpoints)[-1:]
    if chosen:
        return checkpoints / str(chosen[0].step)
    if checkpoints.exists() or (path / CONFIG).exists():
        raise CheckpointError(f"{path}: the experiment has no finished checkpoint yet")
    what = "neither a model folder nor an experiment" if path.exists() else "no such model folder or experiment"
    raise CheckpointError(f"{path}: {what}")


def read_model_config(folder: Path) -> Tree:
    """The config.yaml of a model folder. Raises CheckpointError when the folder is none."""
    if not (folder / MODEL).exists() or not (folder / CONFIG).exists():
        raise CheckpointError(f"{folder}: no model folder ({MODEL} and {CONFIG} belong in one)")
    return read_yaml(folder / CONFIG)
