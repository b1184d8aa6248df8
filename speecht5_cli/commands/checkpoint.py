"""`speecht5 checkpoint`: models of fairseq and Hugging Face in and out, what a model holds, the mean of several."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from speecht5_cli.config import Tree
from speecht5_cli.errors import CheckpointError, UsageError
from speecht5_cli.folders import CONFIG, MODEL, model_folder, read_model_config
from speecht5_cli.plugins import TASKS, TaskPlugin, installed, load_task
from speecht5_cli.provenance import made

if TYPE_CHECKING:
    from speecht5_cli.train.foreign import Foreign


class Source(str, Enum):
    fairseq = "fairseq"
    hf = "hf"
    pwg = "pwg"


class Target(str, Enum):
    fairseq = "fairseq"
    hf = "hf"


@dataclass(frozen=True)
class Kind:
    """A kind of model as another toolkit calls it."""

    name: str
    tasks: dict[str, Tree] = field(default_factory=dict)  # ours that it can be, and how their settings differ


LANGUAGE_MODEL = "language_modeling"  # fairseq's name of the task
FAIRSEQ = (
    Kind("pretrain", {"pretrain": {}}),
    Kind("s2t", {"asr": {}, "st": {}}),
    Kind("t2s", {"tts": {}}),
    Kind("s2s", {"vc": {}, "se": {}}),
    Kind("s2c", {"sid": {}}),
    Kind(LANGUAGE_MODEL, {"lm": {}}),
)
HF_VOCODER, HF_HUBERT = "speecht5_hifigan", "hubert"  # model_type of config.json
HF = (
    # It has no CTC head.
    Kind(
        "SpeechT5ForSpeechToText",
        {"asr": {"ctc_head": False, "ctc_weight": 0.0, "decode": {"ctc_weight": 0.0}}, "st": {}},
    ),
    Kind("SpeechT5ForTextToSpeech", {"tts": {"guided": 10.0}}),
    Kind("SpeechT5ForSpeechToSpeech", {"vc": {"decode": {"max_ratio": 20.0}}, "se": {"decode": {"max_ratio": 20.0}}}),
    Kind(HF_VOCODER, {"vocoder": {}}),  # no task, but what its config.yaml says in place of one
)
KINDS = {"fairseq": FAIRSEQ, "hf": HF}

Model = typer.Argument(metavar="MODEL", help="Experiment, checkpoint or model folder.")


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="Models of other toolkits in and out; what a model holds.", no_args_is_help=True)
    group.command("info", help="What is it, how large, and which tasks can it start?")(info)
    group.command("import", help="Make a model folder from a fairseq checkpoint or a Hugging Face folder.")(import_)
    group.command("export", help="Write a model for Hugging Face or for the original code.")(export)
    group.command("average", help="Make a model folder of the mean of several models.")(average)
    app.add_typer(group, name="checkpoint")


def info(paths: list[Path] = typer.Argument(metavar="PATH...")) -> None:
    from speecht5_cli.train.inspection import inspect

    plugins = _plugins()
    for path in paths:
        print("\n".join(inspect(path, plugins).lines()))


def import_(
    source: Path = typer.Argument(metavar="SRC", help="The .pt file, or the folder."),
    out: Path = typer.Argument(metavar="DST", help="Model folder to write."),
    toolkit: Source = typer.Option(..., "--from", help="Who wrote it; pwg: ParallelWaveGAN, a vocoder."),
    task: str = typer.Option(None, "--task", metavar="TASK", help="Which it is for, if the file does not say so."),
    vocab: list[Path] = typer.Option(
        [], "--vocab", metavar="FILE", help="dict.txt, and the SentencePiece model [default: those beside SRC]"
    ),
) -> None:
    """Nothing of the file is run. Every tensor is used, known to be of no use, or an error."""
    _refuse_foreign_folder(out, CONFIG)
    options = {"from": toolkit.value, "task": task}
    with made(out, "import", options=options, inputs=[source, *vocab], outputs=[out / CONFIG]) as making:
        if making.done:
            print(f"{out}: up to date")
            return
        print("\n".join(_imported(source, out, toolkit, task, vocab)))


def _imported(source: Path, out: Path, toolkit: Source, task: str | None, vocab: list[Path]) -> list[str]:
    """Import, and say what was imported."""
    if toolkit is Source.pwg:
        from speecht5_cli.train.vocoder_files import import_pwg_vocoder

        return [f"{out}: vocoder, {import_pwg_vocoder(source, out)}"]
    kind = _model_type(source) if toolkit is Source.hf else ""
    if kind == HF_VOCODER:
        from speecht5_cli.train.vocoder_files import import_hf_vocoder

        return [f"{out}: vocoder, {import_hf_vocoder(source, out)}"]
    if kind == HF_HUBERT:
        from speecht5_cli.train.hubert_files import import_hubert

        return import_hubert(source, out).lines()
    from speecht5_cli.train.foreign import import_model
    from speecht5_cli.train.foreign_vocabulary import find_vocabulary

    foreign = _read(source, toolkit)
    foreign.vocabulary = find_vocabulary(vocab, beside=foreign.path.parent) or foreign.vocabulary
    name, settings = _task_of(foreign, toolkit, task)
    return import_model(foreign, load_task(name), settings, out).lines()


def _model_type(folder: Path) -> str:
    """What config.json says the folder holds."""
    from speecht5_cli.train.hf_files import read_config

    return str(read_config(folder).get("model_type"))


def _read(source: Path, toolkit: Source) -> "Foreign":
    from speecht5_cli.train.fairseq_export import CHECKPOINT
    from speecht5_cli.train.fairseq_files import read_fairseq
    from speecht5_cli.train.hf_files import read_hf

    if toolkit is Source.hf:
        return read_hf(source)
    return read_fairseq(source / CHECKPOINT if source.is_dir() else source)


def _task_of(foreign: "Foreign", toolkit: Source, task: str | None) -> tuple[str, Tree]:
    """The task's name, and the settings of its block. Raises UsageError when neither user nor file says it."""
    kind = next((kind for kind in KINDS[toolkit.value] if kind.name == foreign.kind), Kind(foreign.kind))
    if task is None and not kind.tasks:
        raise UsageError(f"{foreign.path}: the file does not say what it was trained for; give --task")
    name = task or next(iter(kind.tasks))
    return name, kind.tasks.get(name, {})


def export(
    model: Path = Model,
    out: Path = typer.Argument(metavar="DST", help="Folder to write."),
    toolkit: Target = typer.Option(..., "--to", help="Who is to read it."),
) -> None:
    """hf: `from_pretrained` reads DST. fairseq: DST/checkpoint.pt, dict.txt and the SentencePiece model."""
    from speecht5_cli.train.fairseq_export import CHECKPOINT
    from speecht5_cli.train.hf_files import HF_CONFIG

    _refuse_foreign_folder(out, CHECKPOINT if toolkit is Target.fairseq else HF_CONFIG)
    folder = model_folder(model)
    tree = read_model_config(folder)
    name = str(tree.get("name"))
    kinds = KINDS[toolkit.value]
    kind = next((each.name for each in kinds if name in each.tasks), None)
    if kind is None:
        known = ", ".join(sorted({task for each in kinds for task in each.tasks}))
        raise CheckpointError(f"{folder}: a model for '{name}'; {toolkit.value} knows models for {known}")
    if tree.get(name, {}).get("decoder_input") == "source":
        raise CheckpointError(f"{folder}: {name}.decoder_input is source, which no decoder of {toolkit.value} can read")
    with made(out, "export", options={"to": toolkit.value}, inputs=[folder], outputs=[out]) as making:
        if making.done:
            print(f"{out}: up to date")
            return
        lines = _exported(folder, out, toolkit, kind)
    print("\n".join(lines))


def _exported(folder: Path, out: Path, toolkit: Target, kind: str) -> list[str]:
    """Export, and say what was exported."""
    if kind == HF_VOCODER:
        from speecht5_cli.train.vocoder_files import export_hf_vocoder

        export_hf_vocoder(folder, out)
        return [f"{out}: vocoder"]
    if toolkit is Target.hf:
        from speecht5_cli.train.hf_files import export_hf

        return export_hf(folder, out, kind).lines()
    from speecht5_cli.train.fairseq_export import export_fairseq, export_language_model

    language = kind == LANGUAGE_MODEL
    return (export_language_model(folder, out) if language else export_fairseq(folder, out, kind)).lines()


def average(
    paths: list[Path] = typer.Argument(metavar="MODEL... OUT", help="Two models or more, and the folder to write."),
) -> None:
    """Settings and vocabulary are the first model's."""
    if len(paths) < 3:
        raise UsageError("expected two models or more, and the folder to write")
    *models, out = paths
    _refuse_foreign_folder(out, CONFIG)
    inputs = [model_folder(path) for path in models]
    with made(out, "average", options={}, inputs=inputs, outputs=[out / MODEL]) as making:
        if making.done:
            print(f"{out}: up to date")
            return
        from speecht5_cli.train.final import average_models

        n_tensors = average_models(models, out)
    print(f"{out}: the mean of {len(models)} models, {n_tensors} tensors")


def _refuse_foreign_folder(out: Path, mark: str) -> None:
    """A folder is replaced as a whole, so only one that looks like an earlier output may be there."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / mark).exists()):
        raise UsageError(f"{out}: is there already, and holds no {mark}; give another name")


def _plugins() -> list[TaskPlugin]:
    """All tasks that load."""
    plugins = []
    for name in installed(TASKS):
        try:
            plugins.append(load_task(name))
        except UsageError:  # `speecht5 tasks` tells why
            continue
    return plugins
