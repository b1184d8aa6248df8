"""`speecht5 decode`: hypotheses for one data dir, or for all test sets of a recipe's task."""

import os
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from speecht5_cli.config import Tree, merged, parse_overrides, read_yaml
from speecht5_cli.data.hypotheses import read_decoding
from speecht5_cli.decode.options import GRIFFIN_LIM
from speecht5_cli.errors import ConfigError, DataError, UsageError
from speecht5_cli.folders import CONFIG, model_folder, tuned_settings
from speecht5_cli.provenance import made, refuse_others, with_archives
from speecht5_cli.recipe import TaskSets, recipe_here


class Precision(str, Enum):
    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    int8 = "int8"  # linear layers; on a CPU


def add_to(app: typer.Typer) -> None:
    app.command("decode", help="Decode a data dir, or all test sets of a task.")(decode)


def decode(
    overrides: list[str] = typer.Argument(None, metavar="[key=value]...", help="Decoding settings, such as beam=10."),
    task: str = typer.Option(..., "--task", metavar="TASK", help="See `speecht5 tasks`."),
    model: Path = typer.Option(
        None, "--model", help="Experiment or model folder [default: the task's newest experiment]"
    ),
    data: list[Path] = typer.Option([], "--data", help="Data dir [default: the task's test sets in conf/recipe.yaml]"),
    out: Path = typer.Option(None, "--out", help="Folder for the hypotheses [default: EXP/decode/SET]"),
    tune: bool = typer.Option(
        False, "--tune", help="Try all combinations of settings given as key=value,value,... on the dev set."
    ),
    nj: int = typer.Option(1, "--nj", min=1, help="Processes; each holds a copy of the model."),
    batch_seconds: float = typer.Option(120.0, "--batch-seconds", min=0.1, help="Sound that is decoded at once."),
    precision: Precision = typer.Option(Precision.auto, "--precision", help="Numbers of the forward pass."),
    vocoder: str = typer.Option(GRIFFIN_LIM, "--vocoder", help="For speech: griffin-lim, or a vocoder's folder."),
    pictures: bool = typer.Option(False, "--pictures", help="For speech: draw spectrograms and attention, too."),
    allow_pipes: bool = typer.Option(False, "--allow-pipes", help="Let wav.scp run shell commands."),
) -> None:
    sets = recipe_here("--model or --data").sets(task) if model is None or not data else None
    model = model or newest_experiment(sets, task)
    data = data or list((sets.dev if tune else sets.test) if sets else ())
    if out is not None and len(data) > 1:
        raise UsageError(f"--out is one folder, but there are {len(data)} data dirs: {', '.join(map(str, data))}")
    names = [os.path.basename(os.path.abspath(data_dir)) for data_dir in data]  # noqa: PTH100, PTH119 - a link's own
    places = [model / "decode" / name for name in names]
    if out is None and len(set(places)) < len(places):
        raise UsageError(
            f"hypotheses of sets of one name would replace each other: {', '.join(map(str, data))}; "
            "decode them one by one, with --out"
        )
    machine = {"batch_seconds": batch_seconds, "precision": precision.value, "allow_pipes": allow_pipes}
    if tune:
        _tune(task, model, data, list(overrides or []), machine)
        return
    settings = merged(tuned_settings(model), parse_overrides(overrides or []))
    speaking = {"vocoder": vocoder, "pictures": pictures}
    for data_dir, place in zip(data, places):
        _decode(task, model, data_dir, out or place, settings, machine | speaking, nj)


def _decode(task: str, model: Path, data: Path, out: Path, settings: Tree, how: dict[str, Any], nj: int) -> None:
    """One data dir, unless it is decoded already."""
    refuse_others(out, "decode.json")
    if out.resolve() == data.resolve():
        raise UsageError(f"--out {out}: is the data dir itself; choose another name")
    other = _decoded_there(out)
    if other and Path(other).exists() and Path(other).resolve() != data.resolve():
        raise UsageError(f"{out}: holds hypotheses of {other}; give --out, or remove the folder")
    with made(
        out,
        "decode",
        options={"task": task, "settings": settings, **how},
        inputs=[
            model_folder(model),
            *with_archives(data / name for name in ("wav.scp", "segments", "text", "xvector.scp")),
            *_helpers(settings, how["vocoder"]),
        ],
        outputs=[out / "hyp.jsonl"],
    ) as making:
        if making.done:
            print(f"{out}: up to date; skipped")
            return
        from speecht5_cli.train.predict import Request, predict_set

        overrides = {"decode": settings} if settings else {}
        decoding = predict_set(Request(model, data, out, task, overrides, **how), nj=nj)
    ends = ", ".join(f"{number} by {why}" for why, number in decoding.stopped.items())
    print(f"{out}: {decoding.n_utterances} hypotheses (ended: {ends}), RTF {decoding.rtf}")
    if decoding.unsupported:
        print(f"texts with characters that the vocabulary lacks: {decoding.unsupported}, see {out / 'hyp.jsonl'}")


def _decoded_there(out: Path) -> str:
    """The data dir that the hypotheses in the folder are of, wherever this is called from; or nothing."""
    try:
        return read_decoding(out).data_from_root
    except (DataError, ConfigError):  # there are none, or none that can be scored
        return ""


def _helpers(settings: Tree, vocoder: str) -> list[Path]:
    """The other nets that have a part in it."""
    nets = [model_folder(Path(str(settings["lm"])))] if settings.get("lm") else []
    if vocoder != GRIFFIN_LIM:
        from speecht5_cli.decode.vocoder_folder import vocoder_folder

        nets.append(vocoder_folder(Path(vocoder)))
    return nets


def _tune(task: str, model: Path, data: list[Path], words: list[str], how: dict[str, Any]) -> None:
    """Choose settings on a dev set, and keep them with the experiment for later decodes."""
    if len(data) != 1:
        raise UsageError(f"--tune needs one dev set, got {len(data)}: give it with --data")
    grid = {
        key: values if isinstance(values, list) else [values]
        for key, values in parse_overrides(f"{key}=[{text}]" for key, _, text in map(_split, words)).items()
    }
    if all(len(values) == 1 for values in grid.values()):
        raise UsageError("--tune needs settings with several values, such as ctc_weight=0,0.2,0.4")
    from speecht5_cli.train.predict import Request
    from speecht5_cli.train.tune import keep_best, tune

    tuning = tune(Request(model, data[0], model, task, {}, **how), grid)
    name = tuning.metric.name
    for trial in tuning.trials:
        mark = "  <- best" if trial is tuning.best else ""
        print(
            "  ".join(f"{key} {value}" for key, value in trial.settings.items()),
            f" {name} {trial.values[name]:.2f}{mark}",
        )
    kept = keep_best(tuning, model, data[0])
    print(f"{kept}: `speecht5 decode` takes these settings from now on, unless told otherwise")


def _split(word: str) -> tuple[str, str, str]:
    return word.partition("=")


def newest_experiment(sets: TaskSets | None, task: str) -> Path:
    """The experiment of the task whose configuration is the youngest."""
    folder = sets.exp.parent if sets else Path("exp")
    found = [path for path in folder.glob(f"*/{CONFIG}") if read_yaml(path).get("name") == task]
    if not found:
        raise UsageError(f"no experiment for '{task}' in {folder}/: run stage 5 (finetune) first, or give --model")
    return max(found, key=lambda path: path.stat().st_mtime).parent
