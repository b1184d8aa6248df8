"""From a folder on disk to a model: for decoding, for features, and as the start of another training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from speecht5_cli.config import Tree, from_tree, merged
from speecht5_cli.data.assets import Assets
from speecht5_cli.data.batch import Batch
from speecht5_cli.data.rows import UtteranceRows
from speecht5_cli.data.vocabulary import VOCAB_FILE, SymbolMapping, Vocabulary, mapping
from speecht5_cli.device import best_device
from speecht5_cli.errors import CheckpointError
from speecht5_cli.folders import ASSETS, CONFIG, MODEL, model_folder, read_model_config
from speecht5_cli.models.initialise import without_memory
from speecht5_cli.plugins import TaskPlugin, load_task
from speecht5_cli.tensors import read_tensors
from speecht5_cli.train.checkpoint import fill, own_memory
from speecht5_cli.train.config import RunConfig
from speecht5_cli.train.hubert_folder import KIND as HUBERT
from speecht5_cli.train.hubert_folder import load_hubert
from speecht5_cli.train.precision import Numbers
from speecht5_cli.train.streams import dir_batches

BY_SYMBOL = ("symbols.weight", "ctc_head.1.weight", "ctc_head.1.bias")
STOP = "speech_decoder_postnet.stop.weight"  # a row for each frame of a decoder step
BY_FRAME = (STOP, *(f"speech_decoder_postnet.{name}" for name in ("stop.bias", "mel.weight", "mel.bias")))


@dataclass
class Restored:
    """A model ready for use."""

    folder: Path
    plugin: TaskPlugin
    cfg: RunConfig
    assets: Assets
    model: nn.Module
    numbers: Numbers

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.numbers.device

    def read(self, data: Path, **how: Any) -> tuple[UtteranceRows, Iterator[Batch]]:
        """The utterances of a data dir and their batches; `how` as in `dir_batches`."""
        return dir_batches(self.plugin, self.cfg, self.assets, data, device=self.device, **how)

    @contextmanager
    def inference(self) -> Iterator[None]:
        """What forward passes run in."""
        with torch.inference_mode(), self.numbers():
            yield


def restore(
    path: Path,
    *,
    task: str | None = None,
    overrides: Tree | None = None,
    device: str = "cpu",
    precision: str = "auto",
) -> Restored:
    """The model of a folder, in evaluation mode. `overrides` change the task's block (such as decode.beam).

    `device` "auto" is a GPU if there is one; `precision` is auto, fp32, bf16 or int8. Raises CheckpointError when the
    folder holds another task's model.
    """
    where = best_device() if device == "auto" else torch.device(device)
    numbers = Numbers.of(precision, where)
    folder = model_folder(path)
    tree = read_model_config(folder)
    if tree.get("kind") == HUBERT:
        raise CheckpointError(
            f"{path}: a HuBERT, which is a model for no task; start a training from it (--init), or take features"
        )
    name = tree["name"]
    if task is not None and task != name:
        raise CheckpointError(f"{path}: this is a model for '{name}', not for '{task}'")
    plugin, assets = load_task(name), Assets(folder / ASSETS)
    tree = {**tree, name: merged(tree[name], overrides or {})}
    cfg, model = built(plugin, tree, assets, str(folder / CONFIG))
    fill(model, read_tensors(folder / MODEL), str(folder))
    model = model.to(where).eval()
    numbers.suit(model)  # copies most weights, straight from the file
    if where.type == "cpu":
        own_memory(model)
    return Restored(folder, plugin, cfg, assets, model, numbers)


def built(plugin: TaskPlugin, tree: Tree, assets: Assets, where: str) -> tuple[RunConfig, nn.Module]:
    """The configuration of a model folder, and its model without memory (on the meta device).

    Raises ConfigError that starts with `where`.
    """
    cfg = RunConfig(
        name=plugin.name,
        model=from_tree(plugin.Model, tree["model"], f"{where}: model"),
        task=from_tree(plugin.Config, tree[plugin.name], f"{where}: {plugin.name}"),
    )
    with without_memory():
        return cfg, plugin.build(cfg, assets)


@dataclass
class Inherited:
    """What a new model took over from an old one."""

    kept: list[str]
    new: list[str]  # parts that the old model lacks
    dropped: list[str]  # parts that the new model lacks
    symbols: SymbolMapping | None  # None: the vocabularies are the same, or one side has none
    frames: tuple[int, int] | None = None  # of a decoder step, in the old and the new model, where they differ

    def __str__(self) -> str:
        parts = [
            f"{len(self.kept)} tensors kept",
            f"new: {', '.join(self.new) or 'nothing'}",
            f"not used: {', '.join(self.dropped) or 'nothing'}",
        ]
        if self.symbols:
            parts.append(f"vocabulary: {self.symbols}")
        if self.frames:
            parts.append("frames of a decoder step: {}, were {}".format(*reversed(self.frames)))
        return "; ".join(parts)


def inherit(model: nn.Module, assets: Assets, source: Path) -> Inherited:
    """Start `model` from the model folder `source`: tensors by name, rows of the text tables by symbol.

    With another number of frames a decoder step, those that both have are taken over.

    Raises CheckpointError when a tensor that both have differs in shape.
    """
    folder = model_folder(source)
    tensors = read_tensors(folder / MODEL)
    own = model.state_dict()
    symbols = _carry_symbols(tensors, own, Assets(folder / ASSETS), assets)
    frames = _carry_frames(tensors, own)
    shared = [name for name in own if name in tensors]
    for name in shared:
        if own[name].shape != tensors[name].shape:
            raise CheckpointError(
                f"{folder}: {name} has shape {tuple(tensors[name].shape)}, the new model {tuple(own[name].shape)}; "
                "give the new model the sizes of the old one, or start with --init none"
            )
    model.load_state_dict({name: tensors[name] for name in shared}, strict=False)
    return Inherited(
        shared,
        new=_parts([name for name in own if name not in tensors], shared),
        dropped=_parts([name for name in tensors if name not in own], shared),
        symbols=symbols,
        frames=frames,
    )


def _carry_symbols(
    tensors: dict[str, Tensor], own: dict[str, Tensor], old: Assets, new: Assets
) -> SymbolMapping | None:
    """Put the old rows under the new symbols' ids; symbols that are new keep what they were drawn as."""
    if VOCAB_FILE not in old or VOCAB_FILE not in new:
        for name in BY_SYMBOL:  # no vocabulary on one side: the rows have no names to be carried by
            if name in own and name in tensors and own[name].shape != tensors[name].shape:
                del tensors[name]
        return None
    match = mapping(Vocabulary.load(old.path(VOCAB_FILE)), Vocabulary.load(new.path(VOCAB_FILE)))
    if not match.new and not match.dropped and all(new_id == old_id for new_id, old_id in match.kept.items()):
        return None
    for name in BY_SYMBOL:
        if name in tensors and name in own:
            rows = own[name].clone()
            rows[list(match.kept.keys())] = tensors[name][list(match.kept.values())]
            tensors[name] = rows
    return match


def _carry_frames(tensors: dict[str, Tensor], own: dict[str, Tensor]) -> tuple[int, int] | None:
    """Put the first frames of the old model's decoder step in the place of the new one's; None if it has as many.

    What a step says first, it says in both; frames that are new keep what they were drawn as. Nothing is done where
    other sizes differ, too.
    """
    if any(STOP not in weights for weights in (tensors, own)) or len(tensors[STOP]) == len(own[STOP]):
        return None
    old, new = len(tensors[STOP]), len(own[STOP])
    if any(_of_a_frame(tensors[name], old) != _of_a_frame(own[name], new) for name in BY_FRAME):
        return None
    for name in BY_FRAME:
        rows, n_frames = own[name].clone(), min(old, new)
        n_rows = len(rows) // new * n_frames
        rows[:n_rows] = tensors[name][:n_rows]
        tensors[name] = rows
    return old, new


def _of_a_frame(tensor: Tensor, n_frames: int) -> tuple[float, ...]:
    """The shape of what a frame has of a tensor."""
    return (len(tensor) / n_frames, *tensor.shape[1:])


def _parts(names: list[str], shared: list[str]) -> list[str]:
    """The nets that tensors belong to; where a net is there in part, the parts of it."""
    known = {name.split(".", 1)[0] for name in shared}
    return sorted({".".join(name.split(".")[: 2 if name.split(".", 1)[0] in known else 1]) for name in names})


def layer_extractor(path: Path, layer: int) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
    """A function from waves (n_samples,) to the states of an encoder layer (frames, D), counted from 1."""
    from speecht5_cli.data.batch import lens, padded

    device = best_device()
    folder = model_folder(path)
    model: Any
    if read_model_config(folder).get("kind") == HUBERT:
        model = load_hubert(folder).to(device)
    else:
        model = restore(path, device="auto").model
    n_layers = len(model.encoder.layers)
    if not 1 <= layer <= n_layers:
        raise CheckpointError(f"{path}: has encoder layers 1 to {n_layers}, not {layer}")

    def extract(waves: list[np.ndarray]) -> list[np.ndarray]:
        with torch.inference_mode():
            encoded = model.encode_speech(padded(waves).to(device), lens(waves).to(device), upto=layer)
        states = encoded.states.float().cpu().numpy()
        return [row[:n] for row, n in zip(states, encoded.lens.tolist())]

    return extract
