"""What a path holds: a model of ours, of fairseq's or of Hugging Face's, and which tasks it can start."""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from speecht5_cli.config import Tree
from speecht5_cli.data.assets import Assets
from speecht5_cli.data.vocabulary import FIRST, LAST, VOCAB_FILE, Vocabulary
from speecht5_cli.errors import CheckpointError, SpeechT5Error
from speecht5_cli.folders import ASSETS, MODEL, model_folder, read_model_config
from speecht5_cli.models.sizes import n_classes, n_symbols, n_units
from speecht5_cli.plugins import TaskPlugin
from speecht5_cli.tensors import tensor_shapes
from speecht5_cli.train.fairseq_files import read_fairseq
from speecht5_cli.train.foreign import Foreign, check, write_assets
from speecht5_cli.train.hf_files import HF_CONFIG, read_config, read_hf
from speecht5_cli.train.hubert_files import read_hubert
from speecht5_cli.train.hubert_folder import KIND as HUBERT
from speecht5_cli.train.restore import built


@dataclass
class Inspection:
    """For people."""

    path: Path
    kind: str
    facts: dict[str, str] = field(default_factory=dict)
    fits: dict[str, str] = field(default_factory=dict)  # task -> "complete", or what is missing

    def lines(self) -> list[str]:
        """A line for each fact."""
        lines = [f"{self.path}: {self.kind}"]
        lines += [f"  {name}: {fact}" for name, fact in self.facts.items()]
        complete = [task for task, state in self.fits.items() if state == ""]
        if complete:
            lines.append(f"  complete for: {', '.join(complete)}")
        return lines + [f"  for {task} it lacks: {state}" for task, state in self.fits.items() if state]


def inspect(path: Path, plugins: Iterable[TaskPlugin]) -> Inspection:
    """Raises CheckpointError for a path that holds none of them."""
    if path.is_file():
        return _foreign(read_fairseq(path), path, "checkpoint of fairseq's", plugins)
    if (path / HF_CONFIG).exists():
        hubert = read_config(path).get("model_type") == HUBERT
        return _foreign(read_hubert(path) if hubert else read_hf(path), path, "folder of Hugging Face's", plugins)
    return _ours(path, plugins)


def _foreign(foreign: Foreign, path: Path, what: str, plugins: Iterable[TaskPlugin]) -> Inspection:
    check(foreign)
    result = Inspection(path, f"{what}, {foreign.kind or 'of an unknown task'}")
    result.facts = _facts(foreign.tree(), foreign.weights)
    rows = n_symbols(foreign.weights)
    if foreign.vocabulary is None and rows:
        result.facts["symbols"] = f"{rows}, which the file does not name: importing needs dict.txt"
        foreign.vocabulary = Vocabulary([*FIRST, *(f"{i}" for i in range(rows - 6)), *LAST])
    for reason, names in foreign.unused.items():
        result.facts[reason] = f"{len(names)} tensors"
    with tempfile.TemporaryDirectory() as folder:
        assets = write_assets(foreign, Path(folder))
        result.fits = _fits({"model": foreign.tree()}, assets, foreign.weights, plugins)
    return result


def _ours(path: Path, plugins: Iterable[TaskPlugin]) -> Inspection:
    folder = model_folder(path)
    tree = read_model_config(folder)
    weights = {name: torch.empty(shape, device="meta") for name, shape in tensor_shapes(folder / MODEL).items()}
    assets = Assets(folder / ASSETS)
    result = Inspection(folder, f"model folder, {tree.get('name') or tree.get('kind')}")
    result.facts = _facts(tree.get("model") or {k: v for k, v in tree.items() if k != "name"}, weights)
    if VOCAB_FILE in assets:
        result.facts["symbols"] = str(len(assets.read(VOCAB_FILE, Vocabulary.load)))
    if assets.folder.exists():
        result.facts["files"] = ", ".join(sorted(file.name for file in assets.folder.iterdir()))
    if "model" in tree:
        result.fits = _fits(tree, assets, weights, plugins)
    return result


def _facts(tree: Tree, weights: Mapping[str, Tensor]) -> dict[str, str]:
    facts = {
        "size": ", ".join(f"{key} {value}" for key, value in tree.items()),
        "tensors": f"{len(weights)}, {sum(tensor.numel() for tensor in weights.values()) / 1e6:.2f} M numbers",
        "nets": ", ".join(sorted({name.partition(".")[0] for name in weights})),
    }
    counts = {"symbols": n_symbols(weights), "units": n_units(weights), "classes": n_classes(weights)}
    return facts | {name: str(n) for name, n in counts.items() if n}


def _fits(tree: Tree, assets: Assets, weights: Mapping[str, Tensor], plugins: Iterable[TaskPlugin]) -> dict[str, str]:
    """Task -> the nets that it needs and the weights have not."""
    result = {}
    for plugin in plugins:
        try:
            _, net = built(plugin, {plugin.name: {}, **tree}, assets, plugin.name)
        except CheckpointError as error:  # an asset is missing
            result[plugin.name] = str(error).removeprefix(f"{assets.folder}: no ").partition(",")[0].strip("'")
            continue
        except SpeechT5Error:  # the model is of another kind than the task's
            continue
        missing = {name.partition(".")[0] for name in net.state_dict() if name not in weights}
        result[plugin.name] = ", ".join(sorted(missing))
    return result
