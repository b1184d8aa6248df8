"""The self-test of a recipe: a model that cannot learn ten utterances by heart will not learn ten thousand."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from speecht5_cli.config import replace as with_values
from speecht5_cli.config import to_tree
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.errors import TrainingError, UsageError
from speecht5_cli.plugins import TaskPlugin
from speecht5_cli.train.config import OptimConfig, RunConfig, TrainConfig
from speecht5_cli.train.predict import Request, predict_set
from speecht5_cli.train.run import run

STEPS = 400
CHOSEN = ".overfit"  # data dirs of what was chosen, beside the experiments
HIGHEST_ERROR = 5.0  # per cent, of the first of the task's metrics that scoring knows, or of what it lacks to 100


def overfit_on(plugin: TaskPlugin, cfg: RunConfig, exp: Path, *, n: int, init: Path | None) -> None:
    """Train on n utterances without anything random, decode and score them. Raises TrainingError on a high error.

    Speech is neither right nor wrong: of tasks that speak, the scores are shown, without a verdict.

    The learning rate and all else that does not regularise are the configuration's own.
    """
    if any(stream.cost == "tokens" for stream in plugin.streams(cfg)):
        raise UsageError(f"--overfit needs a task that learns from data dirs; '{plugin.name}' also reads plain text")
    some = exp.parent / CHOSEN / exp.name  # not inside: an older experiment of that name is moved away
    source = DataDir(cfg.data.train[0])
    source.subset(some, source.utterances[:: max(1, len(source.utterances) // n)][:n])
    task = with_values(cfg.task, dict(_unregularised(to_tree(cfg.task))), plugin.name)
    model = with_values(cfg.model, dict(_unregularised(to_tree(cfg.model))), "model")
    small = replace(
        cfg,
        model=model,
        task=task,
        data=replace(cfg.data, train=(some,), dev=(some,), workers=0),
        optim=OptimConfig(lr=cfg.optim.lr, schedule="constant", warmup_steps=50, weight_decay=0.0),
        train=TrainConfig(max_steps=STEPS, seed=cfg.train.seed, log_every=20, validate_every=100, keep_last=1),
    )
    folder = run(plugin, small, exp, init=init)
    hypotheses = exp / "decode" / "overfit"
    predict_set(Request(folder, some, hypotheses, plugin.name, {}))
    values = plugin.score(hypotheses, some, small.task).values
    rates = [metric for metric in plugin.metrics if metric.name in values]
    shown = ", ".join(f"{name} {value:.2f}" for name, value in values.items())
    if not rates:
        print(f"{exp}: after {STEPS} steps on {n} utterances: {shown}; listen to {hypotheses}")  # noqa: T201
        return
    value = values[rates[0].name]
    if (value if rates[0].better == "lower" else 100 - value) > HIGHEST_ERROR:
        expected = f"at most {HIGHEST_ERROR}" if rates[0].better == "lower" else f"at least {100 - HIGHEST_ERROR}"
        raise TrainingError(
            f"{exp}: after {STEPS} steps on {n} utterances: {shown}; expected {rates[0].name} of {expected}"
        )
    print(f"{exp}: learnt by heart: {shown}")  # noqa: T201


def _unregularised(tree: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dropouts, masks, mixing, smoothing and freezing off, wherever a task or a model has them."""
    for key, value in tree.items():
        if isinstance(value, dict) and "prob" in value:
            yield key, {**value, "prob": 0.0}
        elif isinstance(value, dict) and "share" in value:
            yield key, {**value, "share": 0.0}
        elif key == "compat":  # Hugging Face's rates of dropout are shares that stay
            yield key, "original"
        elif key.endswith(("dropout", "layerdrop", "smoothing")):
            yield key, 0.0
        elif key.startswith("freeze"):
            yield key, 0
