"""Model folders (what decoding needs) and checkpoints (what an exact resume needs besides), without any pickle.

A model folder holds model.safetensors, config.yaml (task, model, the task's block) and assets/. A checkpoint is a model
folder with optimizer.safetensors and state.json; it is written beside its place and renamed, so it is whole or absent.
"""

import json
import shutil
from dataclasses import asdict, is_dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from speecht5_cli.config import to_tree, write_yaml
from speecht5_cli.data.assets import Assets
from speecht5_cli.errors import CheckpointError
from speecht5_cli.files import atomic_dir, atomic_write
from speecht5_cli.folders import ASSETS, CHECKPOINTS, CONFIG, INDEX, MODEL, STATE, Kept, kept_checkpoints, ranked
from speecht5_cli.tensors import read_tensors, write_tensors
from speecht5_cli.train.config import RunConfig
from speecht5_cli.train.loop import Progress
from speecht5_cli.train.optim import Optimizer

OPTIMIZER = "optimizer.safetensors"


def write_model_folder(folder: Path, tensors: dict[str, Tensor], tree: dict[str, Any], assets: Assets) -> None:
    """Write a model folder at `folder`, in one step. Raises CheckpointError when the disk refuses."""
    try:
        with atomic_dir(folder) as out:
            _write_model(out, tensors, tree, assets)
    except OSError as error:
        raise CheckpointError(f"{folder}: not written: {error.strerror or error}") from error


def _write_model(out: Path, tensors: dict[str, Tensor], tree: dict[str, Any], assets: Assets) -> None:
    write_tensors(out / MODEL, tensors)
    write_yaml(out / CONFIG, tree)
    if assets.folder.exists():
        shutil.copytree(assets.folder, out / ASSETS)


def model_tree(cfg: RunConfig) -> dict[str, Any]:
    """The part of a run's configuration that belongs to the model and not to one machine: what paths led to is in
    the assets."""
    return {"name": cfg.name, "model": to_tree(cfg.model), cfg.name: _without_paths(cfg.task)}


def _without_paths(settings: Any) -> Any:
    if not is_dataclass(settings):
        return to_tree(settings)
    paths = [name for name, value in vars(settings).items() if _leads_out(value)]
    # With a path goes what only it has a use for: with lm, lm_weight.
    dropped = {name for name in vars(settings) for path in paths if name == path or name.startswith(f"{path}_")}
    return {name: _without_paths(value) for name, value in vars(settings).items() if name not in dropped}


def _leads_out(value: Any) -> bool:
    return any(isinstance(item, Path) for item in (value if isinstance(value, tuple) else (value,)))


class Checkpoints:
    """The checkpoints of an experiment: which there are, how good they were, which to keep."""

    def __init__(self, exp: Path, *, keep_last: int, keep_best: int, better: Literal["lower", "higher"]) -> None:
        self.folder = exp / CHECKPOINTS
        self.keep_last, self.keep_best, self.better = max(keep_last, 1), keep_best, better

    def newest(self, n: int, *, passing: bool = True) -> list[Path]:
        """The folders of the n newest, oldest first; `passing` ones among them or not."""
        known = [kept for kept in kept_checkpoints(self.folder) if passing or not kept.passing]
        return [self.folder / str(kept.step) for kept in known[-n:]]

    def best(self, n: int) -> list[Path]:
        """The folders of the n best, best first; those without a measurement do not take part."""
        return [self.folder / str(kept.step) for kept in ranked(self.folder)[:n]]

    def save(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        progress: Progress,
        cfg: RunConfig,
        assets: Assets,
        metric: float | None,
        *,
        passing: bool = False,
    ) -> Path:
        """Write the checkpoint of this step and remove those that need not be kept any longer; a `passing` one is
        only for resuming, and not among those that are."""
        place = self.folder / str(progress.step)
        try:
            with atomic_dir(place) as out:
                _write_model(out, model.state_dict(), model_tree(cfg), assets)
                write_tensors(out / OPTIMIZER, optimizer.state())
                with atomic_write(out / STATE) as file:
                    json.dump({"progress": asdict(progress), "torch": torch.__version__}, file, indent=1)
            self._record(Kept(progress.step, metric, passing))
        except OSError as error:
            raise CheckpointError(
                f"{place}: the checkpoint of step {progress.step} is not written: {error.strerror or error}; "
                "the former one is still whole: make room and run the same command again"
            ) from error
        return place

    def _record(self, new: Kept) -> None:
        """Enter the new one, and drop those that are neither among the newest nor among the best."""
        known = kept_checkpoints(self.folder)
        self._write_index([*(kept for kept in known if kept.step != new.step), new])
        everything = kept_checkpoints(self.folder)
        regular = [kept for kept in everything if not kept.passing]
        wanted = [*regular[-self.keep_last :], *ranked(self.folder)[: self.keep_best], everything[-1]]
        keep = {kept.step for kept in wanted}
        self._write_index([kept for kept in everything if kept.step in keep])
        for kept in everything:
            if kept.step not in keep:
                shutil.rmtree(self.folder / str(kept.step))

    def _write_index(self, lines: list[Kept]) -> None:
        kept = [asdict(line) for line in sorted(lines, key=lambda line: line.step)]
        with atomic_write(self.folder / INDEX) as out:
            json.dump({"better": self.better, "kept": kept}, out, indent=1)


def resume(place: Path, model: nn.Module, optimizer: Optimizer) -> Progress:
    """Load a checkpoint into model and optimiser. Raises CheckpointError naming what does not fit."""
    load_exactly(model, read_tensors(place / MODEL), str(place))
    optimizer.load_state(read_tensors(place / OPTIMIZER))
    try:
        return Progress(**json.loads((place / STATE).read_text(encoding="utf-8"))["progress"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{place / STATE}: not readable: {error}") from None


def load_exactly(model: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    """Load all tensors and no other ones. Raises CheckpointError with the names and both shapes."""
    _check_fit(model, tensors, where)
    model.load_state_dict(tensors)


def fill(model: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    """As `load_exactly` for a model without memory (on the meta device): its weights are the tensors themselves.

    Those that `read_tensors` gives still lie in their file; `own_memory` takes them out of it.
    """
    _check_fit(model, tensors, where)
    model.load_state_dict({name: tensors[name].to(own.dtype) for name, own in model.state_dict().items()}, assign=True)
    for module in model.modules():
        if rebuild := getattr(module, "rebuild", None):  # of buffers that are computed, not stored
            rebuild()


def own_memory(model: nn.Module) -> None:
    """Copy a model's tensors, in place, so that nothing that happens to a file can reach them."""
    for tensor in chain(model.parameters(), model.buffers()):
        tensor.data = tensor.data.clone()


def _check_fit(model: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    wanted = model.state_dict()
    missing, extra = sorted(wanted.keys() - tensors.keys()), sorted(tensors.keys() - wanted.keys())
    if missing or extra:
        raise CheckpointError(
            f"{where}: does not fit the model: {len(missing)} tensors missing ({', '.join(missing[:3])}), "
            f"{len(extra)} not known ({', '.join(extra[:3])})"
        )
    for name, tensor in wanted.items():
        if tensor.shape != tensors[name].shape:
            raise CheckpointError(
                f"{where}: {name} has shape {tuple(tensors[name].shape)}, the model {tuple(tensor.shape)}"
            )
