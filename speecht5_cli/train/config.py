"""The blocks of a training configuration that all tasks share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from speecht5_cli.config import Tree, from_tree, merged, to_tree
from speecht5_cli.errors import ConfigError
from speecht5_cli.models.config import ModelConfig
from speecht5_cli.plugins import Stream, TaskPlugin

# Settings that may differ when a run is resumed: they change neither the model nor the order of its steps.
FREE_TO_CHANGE = (
    "data.workers",
    "train.checkpoint_layers",
    "train.log_every",
    "train.save_every_steps",
    "train.save_every_minutes",
    "train.keep_last",
    "train.decode_dev",
)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is trained on, and how much of it makes a batch. Empty sets are taken from conf/recipe.yaml."""

    train: tuple[Path, ...] = ()
    dev: tuple[Path, ...] = ()
    train_text: tuple[Path, ...] = ()  # plain text files, for tasks with a stream of text
    dev_text: tuple[Path, ...] = ()
    batch_seconds: float = 87.5  # of a micro-batch, padding counted
    batch_tokens: int = 12_040  # of a micro-batch of text
    batch_items: int = 0  # utterances of a micro-batch at most; 0: no limit
    min_seconds: float = 0.1  # shorter and longer utterances are left out of training
    max_seconds: float = 30.0
    max_tokens: int = 600
    workers: int = 2  # processes that read audio ahead
    allow_pipes: bool = False  # let wav.scp run shell commands

    def __post_init__(self) -> None:
        _above_zero(self, "batch_seconds", "batch_tokens", "max_seconds", "max_tokens")


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """AdamW as fairseq applies it (decay decoupled and on every parameter), and the learning rate's course."""

    lr: float = 2e-4  # peak
    schedule: Literal["polynomial", "tri_stage", "inverse_sqrt", "triangular", "constant"] = "polynomial"
    warmup_steps: int = 64_000
    hold_steps: int = 0  # tri_stage: steps at the peak
    initial_scale: float = 0.01  # tri_stage: lr / peak at the start
    final_scale: float = 0.05  # tri_stage: lr / peak at the end
    floor: float = 1e-8  # triangular: the lowest lr
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    weight_decay: float = 0.01
    clip_norm: float = 5.0  # 0: no clipping
    micro_batches: int = 1  # that make an update, over all processes; each process accumulates its share

    def __post_init__(self) -> None:
        _above_zero(self, "lr", "eps", "micro_batches")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long, how often, how exactly."""

    max_steps: int = 800_000
    seed: int = 1337
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # auto: bf16 on a GPU that has it, fp32 elsewhere
    checkpoint_layers: bool = False  # keep no activations inside of layers, compute them again: less memory, more time
    compile: bool = False  # layers by torch.compile: pays on a GPU, after a minute or two
    # micro_batch: mean of the micro-batches' losses, as the original. global: each term over the whole update's weight.
    normalise: Literal["micro_batch", "global"] = "micro_batch"
    log_every: int = 100
    validate_every: int = 1_000
    save_every_steps: int = 1_000
    save_every_minutes: float = 10.0
    keep_last: int = 2  # checkpoints
    keep_best: int = 1  # by the task's first metric
    average: Literal["none", "last", "best"] = "none"  # which kept checkpoints the final model is the mean of
    decode_dev: int = 4  # utterances that every validation really decodes and shows

    def __post_init__(self) -> None:
        _above_zero(self, "max_steps", "log_every", "validate_every", "save_every_steps", "save_every_minutes")


def _above_zero(settings: Any, *names: str) -> None:
    for name in names:
        if (value := vars(settings)[name]) <= 0:
            raise ValueError(f"{name} is {value}, and must be above 0")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole run: `task` is the block that carries the task's name in the YAML."""

    name: str  # of the task
    model: Any
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    task: Any = None

    def __post_init__(self) -> None:
        ups_and_downs = self.optim.warmup_steps + self.optim.hold_steps
        if self.optim.schedule != "constant" and ups_and_downs > self.train.max_steps:
            raise ValueError(
                f"optim.warmup_steps + optim.hold_steps = {ups_and_downs} is more than train.max_steps = "
                f"{self.train.max_steps}"
            )


def sets_of(stream: Stream, data: DataConfig, *, dev: bool = False) -> tuple[Path, ...]:
    """The data dirs, or files of plain text, that a stream is read from. Raises ConfigError when none is given."""
    key = ("dev" if dev else "train") + ("_text" if stream.cost == "tokens" else "")
    paths: tuple[Path, ...] = {
        "train": data.train, "dev": data.dev, "train_text": data.train_text, "dev_text": data.dev_text
    }[key]  # fmt: skip
    if not paths:
        raise ConfigError(f"config.data.{key}: no set is given for the stream '{stream.name}'")
    return paths


def run_config(plugin: TaskPlugin, tree: Tree, *, model: Tree | None = None, where: str = "config") -> RunConfig:
    """The configuration from a YAML's tree. `model` holds the initial model's block, which the tree's keys override.

    Raises ConfigError for anything unknown, and for a size that differs from the initial model's.
    """
    tree = dict(tree)
    if tree.pop("name", plugin.name) != plugin.name:
        raise ConfigError(f"{where}.name: this is a configuration for another task than '{plugin.name}'")
    own = tree.pop("model", None) or {}
    if model is not None:
        if own.get("size", model.get("size")) != model.get("size"):
            raise ConfigError(
                f"{where}.model.size: the initial model is '{model.get('size')}', "
                f"the configuration says '{own['size']}'"
            )
        own = merged(model, own)
    task = tree.pop(plugin.name, None) or {}
    blocks = {
        "name": plugin.name,
        "model": from_tree(plugin.Model, own, f"{where}.model"),
        "task": from_tree(plugin.Config, task, f"{where}.{plugin.name}"),
    }
    if isinstance(blocks["model"], ModelConfig) and blocks["model"].hears_nothing:
        raise ConfigError(
            f"{where}.model.prenet_dropout: 0 with compat 'hf', where it is the share that stays, so the speech "
            "decoder would read nothing; set model.compat to 'original' for a model without dropout there"
        )
    unknown = set(tree) - {"data", "optim", "train"}
    if unknown:
        raise ConfigError(
            f"{where}.{min(unknown)}: unknown block; known: model, data, optim, train, and {plugin.name} of the task"
        )
    return from_tree(RunConfig, {**tree, **blocks}, where)


def run_tree(cfg: RunConfig) -> Tree:
    """The tree that `run_config` reads back."""
    tree = to_tree(cfg)
    tree[cfg.name] = tree.pop("task")
    return tree
