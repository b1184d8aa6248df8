"""The seam: tasks and corpora are found through entry points, ours like anybody else's.

Listing them imports none of them. A plug-in that fails to load is listed with its error; a name that two packages give
is an error that names both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from speecht5_cli.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from speecht5_cli.data.assets import Assets, Source
    from speecht5_cli.data.batch import Batch
    from speecht5_cli.data.rows import Row
    from speecht5_cli.losses.terms import Loss

TASKS = "speecht5.tasks"
CORPORA = "speecht5.corpora"


@dataclass(frozen=True)
class Stream:
    """One source of examples: which files of a data dir (or which text files) an example is made of."""

    name: str
    inputs: tuple[str, ...]  # files of the data dir that decoding needs, such as ("wav.scp",)
    targets: tuple[str, ...] = ()  # files that training needs besides, such as ("text",)
    optional: tuple[str, ...] = ()  # files that are used where they are there
    numbers: str = "none"  # language in which the numbers of its text are read out; none: characters stand as they are
    beside: tuple[Path, ...] = ()  # data dirs whose sounds examples are mixed with
    cost: Literal["seconds", "tokens"] = "seconds"  # what a batch is measured in; "tokens": lines of plain text files


@dataclass(frozen=True)
class Metric:
    """A number that validation or scoring reports."""

    name: str
    better: Literal["lower", "higher"]

    def improves(self, new: float, old: float | None) -> bool:
        """Whether `new` is better than `old`; anything is better than nothing."""
        return old is None or (new < old if self.better == "lower" else new > old)


@dataclass(frozen=True)
class Hypothesis:
    """What a model says about one utterance. `value` is a text, a class name, or a log-mel (frames, mels)."""

    id: str
    value: Any
    score: float = 0.0  # log-probability or the like; higher is better
    stopped: str = ""  # why it ended: "eos", "length", "threshold", ...
    nbest: tuple[tuple[Any, float], ...] = ()
    details: dict[str, Any] | None = None  # further plain values for hyp.jsonl
    attention: "np.ndarray | None" = None  # (U, T) of decoder steps to input positions, for pictures
    vector: "np.ndarray | None" = None  # (D,) what the answer was read from, for verification; to vectors.npz


@dataclass(frozen=True)
class Scores:
    """Numbers of one decoded set. `settings` say how they were computed; `aligned` is a text for people."""

    values: dict[str, float]
    settings: dict[str, str]
    aligned: str = ""
    per_utterance: dict[str, dict[str, float]] | None = None
    counts: dict[str, int] | None = None  # what the values rest on: utterances, words, errors
    # Parts of the set that the results page shows by themselves: "SNR in dB" -> "5" -> numbers as in `values`.
    parts: dict[str, dict[str, dict[str, float]]] | None = None


class TaskPlugin(Protocol):
    """What a task must say. The core owns sampling, sharding, precision, checkpoints, resuming and writing.

    `cfg` is the whole run configuration (`train.config.RunConfig`): `cfg.task` is this plug-in's own block. The module
    that holds the plug-in must not import torch at its top, so that listing tasks stays instant. docs/tutorial.md makes
    a task step by step.
    """

    name: str  # the entry point's name, and --task's value
    summary: str  # one line for `speecht5 tasks`
    # Frozen dataclass: the block of the YAML that carries the task's name. What is in its field `decode`, if it has
    # one, can be changed by `speecht5 decode key=value`.
    Config: type
    Model: type  # frozen dataclass: the `model:` block
    metrics: tuple[Metric, ...]  # the first one chooses the best checkpoint
    output: Literal["text", "speech", "label", "none"]  # what the core writes for a hypothesis

    def streams(self, cfg: Any) -> tuple[Stream, ...]:
        """What examples are made of. With several streams every update sees them one to one."""

    def assets(self, cfg: Any) -> "dict[str, Source]":
        """Files that the model cannot live without: name in the model folder -> where it comes from."""

    def build(self, cfg: Any, assets: "Assets") -> "nn.Module":
        """The model, from the shared core's parts; `assets` gives the files above."""

    def example(self, row: "Row", cfg: Any, assets: "Assets", rng: "np.random.Generator | None") -> dict[str, Any]:
        """One row as arrays; the core adds the row's `id`. In decoding the row has no target files.

        `rng` is None outside of training: then nothing is random. A ValueError becomes a DataError with the id.
        """

    def collate(self, examples: list[dict[str, Any]], cfg: Any, rng: "np.random.Generator | None") -> "Batch":
        """Examples of one stream as a padded batch, with a weight for each loss term: what its sum is divided by."""

    def loss(self, model: "nn.Module", batch: "Batch", cfg: Any, step: int) -> "Loss":
        """Named loss terms; also called in evaluation mode for validation."""

    def predict(self, model: "nn.Module", batch: "Batch", cfg: Any, assets: "Assets") -> list[Hypothesis]:
        """Hypotheses for a batch, in its order; of a long recording's pieces as many at a time as
        `cfg.data.batch_seconds` allows."""

    def score(self, hyp_dir: Path, ref_dir: Path, cfg: Any) -> Scores:
        """Compare files with files; opens no model. `cfg` is the task's own block."""


def installed(group: str) -> dict[str, EntryPoint]:
    """Name -> entry point, sorted by name. Raises UsageError when two packages give the same name."""
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        other = found.get(point.name)
        if other is not None and other.value != point.value:
            raise UsageError(
                f"'{point.name}' in {group} is given by two packages, {_package(other)} and {_package(point)}; "
                "uninstall one of them"
            )
        found[point.name] = point
    return found


def load_task(name: str) -> TaskPlugin:
    """The plug-in of that name. Raises UsageError when it is not installed, or does not load."""
    return _load(TASKS, "task", name)


def load_corpus(name: str) -> Callable[..., Any]:
    """The corpus function of that name. Raises UsageError as `load_task` does."""
    return _load(CORPORA, "corpus", name)


def package_of(point: EntryPoint) -> tuple[str, str]:
    """(package, version) that an entry point belongs to."""
    return (point.dist.name, point.dist.version) if point.dist else ("unknown", "unknown")


def variant_blocks() -> tuple[str, ...]:
    """What blocks of a variant's file (`--variant`) may be named after: a task, or a net with settings of its own."""
    return (*installed(TASKS), "vocoder", "xvector")


def _package(point: EntryPoint) -> str:
    return " ".join(package_of(point))


def _load(group: str, kind: str, name: str) -> Any:
    found = installed(group)
    if name not in found:
        near = get_close_matches(name, found, 1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise UsageError(f"no {kind} '{name}'; {hint}installed: {', '.join(found) or 'none'} (see `speecht5 tasks`)")
    try:
        return found[name].load()
    except (Exception, SystemExit) as error:
        raise UsageError(f"the {kind} '{name}' of {_package(found[name])} does not load: {error}") from error
