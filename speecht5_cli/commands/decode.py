"""`speecht5 decode`: hypotheses for one data dir, or for all test sets of a recipe's task."""

from enum import Enum
from pathlib import Path

import typer

from speecht5_cli.config import parse_overrides
from speecht5_cli.errors import UsageError
from speecht5_cli.folders import model_folder
from speecht5_cli.provenance import made
from speecht5_cli.recipe import TaskSets, recipe_here


class Precision(str, Enum):
    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"


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
    nj: int = typer.Option(1, "--nj", help="Processes; each holds a copy of the model."),
    batch_seconds: float = typer.Option(120.0, "--batch-seconds", help="Sound that is decoded at once."),
    precision: Precision = typer.Option(Precision.auto, "--precision", help="Numbers of the forward pass."),
    vocoder: str = typer.Option("griffin-lim", "--vocoder", help="For speech: griffin-lim, or a vocoder's folder."),
    pictures: bool = typer.Option(False, "--pictures", help="For speech: draw spectrograms and attention, too."),
    allow_pipes: bool = typer.Option(False, "--allow-pipes", help="Let wav.scp run shell commands."),
) -> None:
    sets = recipe_here("--model or --data").sets(task) if model is None or not data else None
    model = model or newest_experiment(sets, task)
    data = data or list(sets.test if sets else ())
    if out is not None and len(data) > 1:
        raise UsageError(f"--out is one folder, but there are {len(data)} data dirs: {', '.join(map(str, data))}")
    folder = model_folder(model)
    settings = {"decode": parse_overrides(overrides or [])} if overrides else {}
    for data_dir in data:
        target = out or model / "decode" / data_dir.name
        with made(
            target,
            "decode",
            options={
                "task": task,
                "settings": settings,
                "precision": precision.value,
                "vocoder": vocoder,
                "pictures": pictures,
            },
            inputs=[folder, *(data_dir / name for name in ("wav.scp", "segments", "text", "xvector.scp"))],
            outputs=[target / "hyp.jsonl"],
        ) as making:
            if making.done:
                print(f"{target}: up to date; skipped")
                continue
            from speecht5_cli.train.predict import Request, predict_set

            request = Request(
                model,
                data_dir,
                target,
                task,
                settings,
                batch_seconds=batch_seconds,
                precision=precision.value,
                allow_pipes=allow_pipes,
                vocoder=vocoder,
                pictures=pictures,
            )
            decoding = predict_set(request, nj=nj)
        ends = ", ".join(f"{number} by {why}" for why, number in decoding.stopped.items())
        print(f"{target}: {decoding.n_utterances} hypotheses (ended: {ends}), RTF {decoding.rtf}")


def newest_experiment(sets: TaskSets | None, task: str) -> Path:
    """The experiment of the task whose configuration is the youngest."""
    from speecht5_cli.config import read_yaml
    from speecht5_cli.folders import CONFIG

    folder = sets.exp.parent if sets else Path("exp")
    found = [path for path in folder.glob(f"*/{CONFIG}") if read_yaml(path).get("name") == task]
    if not found:
        raise UsageError(f"no experiment for '{task}' in {folder}/: run stage 5 (finetune) first, or give --model")
    return max(found, key=lambda path: path.stat().st_mtime).parent
