"""Decoding settings chosen on a dev set: a grid is tried whole, the best combination is kept with the experiment.

The encoder reads each batch once, whatever the size of the grid; only the search is repeated. Settings by which sound
is cut before it is read have it read again, and so has a recording in many pieces.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import nn

from speecht5_cli.config import Tree, to_tree, write_yaml
from speecht5_cli.config import replace as with_values
from speecht5_cli.data.datadir import opened
from speecht5_cli.data.hypotheses import Decoding, write_hypotheses
from speecht5_cli.errors import UsageError
from speecht5_cli.folders import TUNED
from speecht5_cli.plugins import Hypothesis, Metric
from speecht5_cli.train.predict import Request, restored_for
from speecht5_cli.train.restore import Restored

CUTTING = ("longest_s", "overlap_s")  # settings of decoding by which sound is cut before it is read


@dataclass(frozen=True)
class Trial:
    """One combination of settings and its scores."""

    settings: dict[str, Any]
    values: dict[str, float]


@dataclass(frozen=True)
class Tuning:
    """All trials of a grid, and the metric that ranks them."""

    metric: Metric
    trials: list[Trial]

    @property
    def best(self) -> Trial:
        """The first of the best ones: put what is cheap first."""
        sign = 1 if self.metric.better == "lower" else -1
        return min(self.trials, key=lambda trial: sign * trial.values[self.metric.name])


def tune(request: Request, grid: Mapping[str, Sequence[Any]]) -> Tuning:
    """Decode and score the data dir with every combination of the grid's values; nothing is written but scores.

    Raises ConfigError for a setting that the task does not have, UsageError for a task whose hypotheses have no rank.
    """
    restored = restored_for(request)
    if restored.plugin.output not in ("text", "label"):
        raise UsageError(f"--tune ranks what is right or wrong; '{restored.cfg.name}' has settings, but no such score")
    combinations = [dict(zip(grid, values)) for values in product(*grid.values())]
    tasks = [with_values(restored.cfg.task, {"decode": settings}, restored.cfg.name) for settings in combinations]
    alike = defaultdict(list)  # numbers of combinations that read the same pieces
    for number, settings in enumerate(combinations):
        alike[tuple(settings.get(key) for key in CUTTING)].append(number)
    hypotheses: dict[int, list[Hypothesis]] = {}
    for numbers in alike.values():
        hypotheses |= zip(numbers, _decoded(restored, request, [tasks[number] for number in numbers]))
    trials = []
    for number, (settings, task) in enumerate(zip(combinations, tasks)):
        values = _scored(restored, request, task, hypotheses[number])
        trials.append(Trial(settings, values))
    metric = next((metric for metric in restored.plugin.metrics if metric.name in trials[0].values), None)
    if metric is None:
        raise UsageError(f"the scores of '{restored.cfg.name}' hold none of its metrics, so nothing can be ranked")
    return Tuning(metric, trials)


def keep_best(tuning: Tuning, experiment: Path, data: Path) -> Path:
    """Write the best settings, and the whole grid, beside the experiment's checkpoints."""
    tree: Tree = {
        "metric": tuning.metric.name,
        "data": str(data),
        "settings": tuning.best.settings,
        "grid": [{**trial.settings, tuning.metric.name: trial.values[tuning.metric.name]} for trial in tuning.trials],
    }
    write_yaml(experiment / TUNED, tree)
    return experiment / TUNED


def _decoded(restored: Restored, request: Request, tasks: Sequence[Any]) -> list[list[Hypothesis]]:
    """The hypotheses of each of the task's configurations, which read the same pieces."""
    found: list[list[Hypothesis]] = [[] for _ in tasks]
    restored = replace(restored, cfg=replace(restored.cfg, task=tasks[0]))
    _, batches = restored.read(request.data, batch_seconds=request.batch_seconds, allow_pipes=request.allow_pipes)
    with restored.inference(), encoding_once(restored.model):
        for batch in batches:
            for said, task in zip(found, tasks):
                cfg = replace(restored.cfg, task=task)
                said += restored.plugin.predict(restored.model, batch, cfg, restored.assets)
    return found


def _scored(restored: Restored, request: Request, task: Any, said: list[Hypothesis]) -> dict[str, float]:
    decoding = Decoding(
        task=restored.cfg.name,
        output=restored.plugin.output,  # type: ignore[arg-type]
        model=str(request.model),
        data=str(request.data),
        settings=to_tree(task),
        audio_s=0.0,
        work_s=0.0,
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "decoded"
        write_hypotheses(place, said, decoding, utterances=opened(request.data).utterances)
        return restored.plugin.score(place, request.data, task).values


@contextmanager
def encoding_once(model: nn.Module) -> Iterator[None]:
    """While the block runs, the model's `encode_speech` gives its last answer again when asked for the same wave."""
    plain: Any = model.encode_speech
    last: list[Any] = [None, None]

    def encode(wav: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if wav is not last[0]:
            last[:] = [wav, plain(wav, *args, **kwargs)]
        return last[1]

    model.encode_speech = encode  # type: ignore[assignment]
    try:
        yield
    finally:
        del model.encode_speech
