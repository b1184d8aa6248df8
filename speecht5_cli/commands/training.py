"""`speecht5 pretrain` and `speecht5 finetune`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from speecht5_cli.config import Tree, merged, parse_overrides, read_settings
from speecht5_cli.errors import UsageError
from speecht5_cli.plugins import TaskPlugin, load_task, variant_blocks
from speecht5_cli.recipe import find_recipe

if TYPE_CHECKING:
    from speecht5_cli.train.config import RunConfig

PRETRAIN = "pretrain"

Config = typer.Argument(
    ..., metavar="CONFIG", help="YAML file with the blocks model, data, optim, train and the task's."
)
Overrides = typer.Argument(
    None, metavar="[key=value]...", help="Settings that win over the file, such as optim.lr=1e-4."
)
Exp = typer.Option(..., "--exp", metavar="DIR", help="Experiment folder; the same command again resumes it.")
Variant = typer.Option(
    None, "--variant", metavar="FILE", help="YAML with blocks named after tasks; this task's block wins over CONFIG."
)
Probe = typer.Option(False, "--probe", help="Only find out how large a micro-batch fits on this machine.")
Ngpu = typer.Option(1, "--ngpu", min=1, help="Processes to train with, through torchrun.")


def add_to(app: typer.Typer) -> None:
    app.command("pretrain", help="Pre-train on unlabelled speech and text.")(pretrain)
    app.command("finetune", help="Train a task, from a pre-trained model or from scratch.")(finetune)


def pretrain(
    config: Path = Config,
    overrides: list[str] = Overrides,
    exp: Path = Exp,
    variant: Path = Variant,
    init: str = typer.Option("none", "--init", metavar="MODEL", help="Model to start from, or none."),
    ngpu: int = Ngpu,
    probe: bool = Probe,
) -> None:
    _train(PRETRAIN, config, variant, overrides, exp, init, ngpu, probe=probe)


def finetune(
    config: Path = Config,
    overrides: list[str] = Overrides,
    task: str = typer.Option(..., "--task", metavar="TASK", help="See `speecht5 tasks`."),
    exp: Path = Exp,
    variant: Path = Variant,
    init: str = typer.Option("none", "--init", metavar="MODEL", help="Experiment or model to start from, or none."),
    ngpu: int = Ngpu,
    probe: bool = Probe,
    overfit: int = typer.Option(
        0, "--overfit", metavar="N", help="Self-test: learn N utterances by heart; fails when their error stays high."
    ),
) -> None:
    if task == PRETRAIN:
        raise UsageError("pre-training has a command of its own: speecht5 pretrain")
    _train(task, config, variant, overrides, exp, init, ngpu, probe=probe, overfit=overfit)


def _train(
    task: str,
    config: Path,
    variant: Path | None,
    overrides: list[str] | None,
    exp: Path,
    init: str,
    ngpu: int,
    *,
    probe: bool,
    overfit: int = 0,
) -> None:
    plugin = load_task(task)
    tree = with_sets(
        merged(read_settings(config, task, variant, variant_blocks()), parse_overrides(overrides or [])), task
    )
    start = None if init == "none" else Path(init)
    cfg = configured(plugin, tree, start, str(config))  # refuses a wrong configuration before torch is loaded
    _check_sets(plugin, cfg, dev=not (probe or overfit))
    if probe:
        _probe(plugin, cfg, start)
        return
    if overfit:
        from speecht5_cli.train.overfit import overfit_on

        overfit_on(plugin, cfg, exp, n=overfit, init=start)
        return
    from speecht5_cli.train.distributed import relaunch
    from speecht5_cli.train.run import run

    relaunch(ngpu)
    run(plugin, cfg, exp, init=start)


def _probe(plugin: TaskPlugin, cfg: "RunConfig", init: Path | None) -> None:
    from speecht5_cli.train.batch_probe import advice, probe_batches

    trials = []
    for trial in probe_batches(plugin, cfg, init=init):
        rate, note = trial.cost / trial.seconds, "" if trial.fits else ": too much"
        unit = "s of sound" if plugin.streams(cfg)[0].cost == "seconds" else "tokens"
        print(
            f"batch_seconds {trial.data.batch_seconds:g}: {trial.memory_gb:.1f} GB{note}, {trial.seconds:.2f} s a "
            f"micro-batch, {rate:.0f} {unit} a second"
        )
        trials.append(trial)
    print(f"the fastest that fits, with the same effective batch: {advice(trials, cfg)}")


def _check_sets(plugin: TaskPlugin, cfg: "RunConfig", *, dev: bool) -> None:
    """Raise ConfigError when no training set, or where wanted no dev set, is given for a stream."""
    from speecht5_cli.train.config import sets_of

    for stream in plugin.streams(cfg):
        for of_dev in (False, True) if dev else (False,):
            sets_of(stream, cfg.data, dev=of_dev)


def configured(plugin: TaskPlugin, tree: Tree, init: Path | None, where: str) -> "RunConfig":
    """The whole configuration; with an initial model, sizes come from there."""
    from speecht5_cli.train.config import run_config

    model: Tree | None = None
    if init is not None:
        from speecht5_cli.folders import model_folder, read_model_config

        model = read_model_config(model_folder(init))["model"]
    return run_config(plugin, tree, model=model, where=where)


def with_sets(tree: Tree, task: str) -> Tree:
    """The tree, its data block completed by the sets of conf/recipe.yaml where it names none itself."""
    recipe = find_recipe()
    if recipe is None or task not in recipe.tasks:
        return tree
    sets = recipe.sets(task)
    known: dict[str, Any] = {
        key: [str(path) for path in paths]
        for key, paths in (
            ("train", sets.train),
            ("dev", sets.dev),
            ("train_text", sets.train_text),
            ("dev_text", sets.dev_text),
        )
        if paths
    }
    return merged({"data": known}, tree)
