"""Models of other toolkits on their way to a model folder: every tensor is accounted for, or the import ends.

A reader (fairseq_files, hf_files) brings the tensors under our names; here they are compared with the net that they
must be, and with the net that a task needs.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from speecht5_cli.config import Tree, from_tree
from speecht5_cli.data.assets import Assets
from speecht5_cli.data.frames import UNIT_RATE_HZ
from speecht5_cli.data.tables import write_lines
from speecht5_cli.data.units import UNITS, UnitInfo
from speecht5_cli.data.vocabulary import LAST, Vocabulary
from speecht5_cli.errors import CheckpointError, ConfigError
from speecht5_cli.folders import CONFIG, read_model_config
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.models.initialise import without_memory
from speecht5_cli.models.keymaps import Rules, inverted, renamed
from speecht5_cli.models.lm import LanguageModel
from speecht5_cli.models.lm_config import LMConfig
from speecht5_cli.models.sizes import n_classes, n_symbols, n_units, sizes_of, smallest_tree
from speecht5_cli.models.speecht5 import SpeechT5
from speecht5_cli.plugins import TaskPlugin
from speecht5_cli.train.checkpoint import write_model_folder
from speecht5_cli.train.restore import built

T = TypeVar("T")
CLASSES = "classes.txt"  # the asset of a model with a class head: one name a line


@dataclass
class Foreign:
    """What another toolkit's file holds."""

    path: Path
    kind: str  # as that toolkit calls it: t5_task, or the architecture
    weights: dict[str, Tensor]  # under our names
    rules: Rules  # our names -> theirs
    fields: dict[str, Any]  # of the model's configuration, as the file says
    unused: dict[str, list[str]] = field(default_factory=dict)  # reason -> their names that nothing reads
    vocabulary: Vocabulary | None = None

    def tree(self) -> Tree:
        """The `model:` block; what the weights show goes before what the file says.

        Raises CheckpointError when the weights fit no model.
        """
        try:
            return smallest_tree(self.fields | sizes_of(self.weights))
        except ValueError as error:  # it starts with the name of a tensor
            name, _, what = str(error).partition(" ")
            raise CheckpointError(f"{self.path}: not the weights of a SpeechT5: {self.name(name)} {what}") from None

    def net(self) -> nn.Module:
        """All nets that the weights belong to."""
        return SpeechT5(_configured(ModelConfig, self), _parts(self.weights))

    def fits(self, vocabulary: Vocabulary) -> bool:
        """Whether the text table has a row for each symbol."""
        return n_symbols(self.weights) in (0, len(vocabulary))

    def name(self, ours: str) -> str:
        """Their name of a tensor, for messages."""
        return renamed(ours, self.rules) or ours


@dataclass
class ForeignLanguageModel(Foreign):
    """`fields` are all of its configuration."""

    def tree(self) -> Tree:
        """The `model:` block."""
        return self.fields

    def net(self) -> nn.Module:
        """The model as large as its table."""
        return LanguageModel(_configured(LMConfig, self), n_symbols(self.weights))

    def fits(self, vocabulary: Vocabulary) -> bool:
        """It may lack the last two, which nobody says."""
        spare = len(LAST) if vocabulary.symbols[-len(LAST) :] == LAST else 0
        return n_symbols(self.weights) in (len(vocabulary), len(vocabulary) - spare)


@dataclass
class Imported:
    """What became of a file's tensors."""

    folder: Path
    task: str
    n_tensors: int
    n_parameters: int
    not_needed: list[str]  # nets that the task does not use
    unused: dict[str, list[str]]

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{self.folder}: {self.task}, {self.n_tensors} tensors, {self.n_parameters / 1e6:.2f} M parameters"]
        if self.not_needed:
            lines.append(f"  left out, not needed for {self.task}: {', '.join(self.not_needed)}")
        lines += [f"  left out, {reason}: {', '.join(_grouped(names))}" for reason, names in self.unused.items()]
        return lines


def under_our_names(theirs: Mapping[str, Tensor], rules: Rules, path: Path) -> dict[str, Tensor]:
    """Our name -> tensor. Raises CheckpointError that names tensors without a rule."""
    back = inverted(rules)
    weights, unknown = {}, []
    for name, tensor in theirs.items():
        ours = renamed(name, back)
        if ours is None:
            unknown.append(name)
        else:
            weights[ours] = tensor
    if unknown:
        raise CheckpointError(
            f"{path}: {len(unknown)} tensors that no SpeechT5 has, such as {', '.join(unknown[:3])}; nothing is written"
        )
    return weights


def same_heads(path: Path, weights: Mapping[str, Tensor], *claimed: Any) -> None:
    """Refuse other numbers of heads (None: not said) than the relative positions show. Raises CheckpointError."""
    table, norm = weights.get("encoder.relative.table"), weights.get("encoder.norm.weight")
    if table is None or norm is None or table.dim() != 2:
        return  # said of another place
    heads = len(norm) // max(table.size(1), 1)
    for number in claimed:
        if number not in (None, heads):
            raise CheckpointError(
                f"{path}: {number} attention heads, but its relative positions have the width of {heads}; encoder and "
                "decoder must have the same number"
            )


def check(foreign: Foreign) -> None:
    """Compare every tensor with the nets that the file claims to hold. Raises CheckpointError naming tensors."""
    with without_memory():
        wanted = foreign.net().state_dict()
    missing = [foreign.name(name) for name in wanted if name not in foreign.weights]
    unknown = [foreign.name(name) for name in foreign.weights if name not in wanted]
    if missing or unknown:
        parts = [f"lacks {', '.join(missing[:3])}"] * bool(missing) + [f"has {', '.join(unknown[:3])}"] * bool(unknown)
        raise CheckpointError(
            f"{foreign.path}: {len(missing)} tensors are missing and {len(unknown)} are not known: {'; '.join(parts)}"
        )
    for name, tensor in foreign.weights.items():
        if tensor.shape != wanted[name].shape:
            raise CheckpointError(
                f"{foreign.path}: {foreign.name(name)} has shape {tuple(tensor.shape)}; by the other tensors it "
                f"must be {tuple(wanted[name].shape)}"
            )


def import_model(foreign: Foreign, plugin: TaskPlugin, task: Tree, out: Path) -> Imported:
    """Write the model folder `out` for a task; `task` are the settings of its block that differ from the defaults.

    Raises CheckpointError when a tensor does not fit, the task needs one that the file lacks, or the vocabulary has
    another size than the text table; then nothing is written.
    """
    check(foreign)
    tree = {"name": plugin.name, "model": foreign.tree(), plugin.name: task}
    with tempfile.TemporaryDirectory() as folder:
        assets = write_assets(foreign, Path(folder))
        net = _net(foreign, plugin, tree, assets)
        wanted = net.state_dict()
        write_model_folder(out, {name: foreign.weights[name] for name in wanted}, tree, assets)
    not_needed = sorted({_net_of(name) for name in foreign.weights if name not in wanted})
    n_parameters = sum(parameter.numel() for parameter in net.parameters())
    return Imported(out, plugin.name, len(wanted), n_parameters, not_needed, foreign.unused)


def _net(foreign: Foreign, plugin: TaskPlugin, tree: Tree, assets: Assets) -> nn.Module:
    """The task's model, without memory. Raises CheckpointError when the file lacks what it needs."""
    try:
        _, net = built(plugin, tree, assets, str(foreign.path))
    except CheckpointError as error:  # an asset is missing: "folder: no '...', which this task needs"
        hint = "" if foreign.vocabulary else "; give its dict.txt and SentencePiece model with --vocab"
        what = str(error).removeprefix(f"{assets.folder}: ")
        raise CheckpointError(f"{foreign.path}: no model for '{plugin.name}': {what}{hint}") from None
    wanted = net.state_dict()
    missing = sorted({_net_of(name) for name in wanted if name not in foreign.weights})
    if missing:
        raise CheckpointError(
            f"{foreign.path}: no model for '{plugin.name}', since it has no {', '.join(missing)}; is --task the one "
            "that it was trained for?"
        )
    for name, tensor in wanted.items():
        if tensor.shape != foreign.weights[name].shape:
            raise CheckpointError(
                f"{foreign.path}: {foreign.name(name)} has shape {tuple(foreign.weights[name].shape)}, a model for "
                f"'{plugin.name}' {tuple(tensor.shape)}"
            )
    return net


def _configured(kind: type[T], foreign: Foreign) -> T:
    try:
        return from_tree(kind, foreign.tree(), str(foreign.path))
    except ConfigError as error:
        raise CheckpointError(str(error)) from None


def _parts(weights: Mapping[str, Tensor]) -> Parts:
    nets = {name.partition(".")[0] for name in weights}
    return Parts(
        speech_in="speech_encoder_prenet" in nets,
        text_in="text_encoder_prenet" in nets,
        text_out="symbols" in nets,
        speech_out="speech_decoder_prenet" in nets,
        codebook="quantizer" in nets,
        vocabulary=n_symbols(weights),
        blank=0 if "ctc_head" in nets else None,  # which symbol it is does not matter for the shapes
        units=n_units(weights),
        classes=n_classes(weights),
    )


def config_to_export(folder: Path, toolkit: str) -> ModelConfig:
    """What defines the network of a model folder. Raises CheckpointError for a setting that no other toolkit has."""
    cfg = from_tree(ModelConfig, read_model_config(folder)["model"], f"{folder / CONFIG}: model")
    if cfg.symbol_scale != 1.0:
        raise CheckpointError(f"{folder}: model.symbol_scale is {cfg.symbol_scale}; {toolkit} has no such setting")
    return cfg


def write_assets(foreign: Foreign, folder: Path) -> Assets:
    """Vocabulary, description of units, classes: whatever the weights need to be understood."""
    vocabulary = foreign.vocabulary
    if vocabulary is not None:
        if not foreign.fits(vocabulary):
            raise CheckpointError(
                f"{foreign.path}: {foreign.name('symbols.weight')} has {n_symbols(foreign.weights)} rows, the "
                f"vocabulary {len(vocabulary)} symbols; it is another model's"
            )
        vocabulary.save(folder)
        if n_classes(foreign.weights):
            write_lines(folder / CLASSES, vocabulary.symbols)
    if n_units(foreign.weights):
        UnitInfo(UNIT_RATE_HZ, n_units(foreign.weights), None).save(folder, UNITS)
    return Assets(folder)


def _net_of(name: str) -> str:
    return name.partition(".")[0]


def _grouped(names: list[str]) -> list[str]:
    """Names with their layers' numbers replaced by *, each once, with its count."""
    counts = Counter(re.sub(r"\.\d+\.", ".*.", name) for name in names)
    return [f"{name} x {n}" if n > 1 else name for name, n in counts.items()]
