"""`speecht5 vocoder mels|train|apply`: from log-mels to waves."""

from pathlib import Path

import typer

from speecht5_cli.commands.decode import Precision
from speecht5_cli.commands.speakers import Of
from speecht5_cli.config import from_tree, merged, parse_overrides, read_settings
from speecht5_cli.data.feature_store import FEATS_JSON, FEATS_SCP, NUM_FRAMES
from speecht5_cli.decode.options import GRIFFIN_LIM
from speecht5_cli.errors import UsageError
from speecht5_cli.folders import model_folder
from speecht5_cli.plugins import variant_blocks
from speecht5_cli.provenance import made, refuse_others, with_archives
from speecht5_cli.workers import sensible_nj

PIPES = typer.Option(False, "--allow-pipes", help="Run the shell commands that wav.scp may hold.")


def add_to(app: typer.Typer) -> None:
    vocoder = typer.Typer(no_args_is_help=True, help="Vocoders: log-mels -> waves.")
    vocoder.command("train", help="Train a HiFi-GAN, from scratch or from another vocoder.")(train)
    vocoder.command("apply", help="Make the waves of a folder of log-mels, or copies of the sounds of a data dir.")(
        apply
    )
    vocoder.command("mels", help="Predict the log-mels that a vocoder is fine-tuned on, by teacher forcing.")(mels_of)
    app.add_typer(vocoder, name="vocoder")


def train(
    words: list[str] = typer.Argument(metavar="DATA... [CONFIG.yaml] [key=value]..."),
    exp: Path = typer.Option(..., "--exp", metavar="DIR", help="Experiment folder; the same command resumes it."),
    variant: Path = typer.Option(None, "--variant", metavar="FILE", help="Its block `vocoder` wins over CONFIG."),
    init: Path = typer.Option(None, "--init", metavar="VOCODER", help="Vocoder to start from."),
    mels: Path = typer.Option(
        None, "--mels", metavar="DIR", help="Folder of log-mels that a model predicted for the same utterances."
    ),
    of: Of = typer.Option(Of.source, "--of", help="In a dir of pairs: whose sound to learn."),
    allow_pipes: bool = PIPES,
) -> None:
    """The vocoder is the folder DIR/model; it can be named by DIR, too."""
    overrides = [word for word in words if "=" in word and not Path(word).exists()]
    files = [word for word in words if word.endswith((".yaml", ".yml"))]
    data = [word for word in words if word not in overrides and word not in files]
    if not data or len(files) > 1:
        raise UsageError("expected one or more data dirs, and at most one .yaml file")
    from speecht5_cli.train.vocoder import VocoderConfig
    from speecht5_cli.train.vocoder_run import VocoderSources, run_vocoder

    tree = read_settings(Path(files[0]) if files else None, "vocoder", variant, variant_blocks())
    config = from_tree(VocoderConfig, merged(tree, parse_overrides(overrides)), files[0] if files else "config")
    sources = VocoderSources(data=tuple(map(Path, data)), side=of.value, mels=mels, init=init, allow_pipes=allow_pipes)
    print(run_vocoder(config, sources, exp))


def apply(
    vocoder: str = typer.Argument(metavar="VOCODER", help=f"Folder of a vocoder, or {GRIFFIN_LIM}."),
    source: Path = typer.Argument(
        metavar="SRC", help="Folder with feats.scp (of features, or of hypotheses), or a data dir to copy."
    ),
    out: Path = typer.Argument(metavar="OUT", help="Folder to write: wav.scp, wav/, and the tables of SRC."),
    nj: int = typer.Option(0, help=f"Processes; 0: as cores and memory allow for {GRIFFIN_LIM}, else one."),
    precision: Precision = typer.Option(Precision.auto, "--precision", help="bf16, or float32; of a trained vocoder."),
    allow_pipes: bool = PIPES,
) -> None:
    """A data dir without feats.scp is copied: every sound through its log-mel and back."""
    if precision is Precision.int8:
        raise UsageError("precision int8 is for linear layers, and a vocoder has none; take bf16 or fp32")
    refuse_others(out, ".made/vocoder.json")
    inputs = [source / name for name in ("feats.scp", "feats.json", "wav.scp", "segments", "text", "hyp.jsonl")]
    if vocoder != GRIFFIN_LIM:
        from speecht5_cli.decode.vocoder_folder import vocoder_folder

        inputs.append(vocoder_folder(Path(vocoder)))
    with made(
        out,
        "vocoder",
        options={"vocoder": vocoder, "precision": precision.value},
        inputs=inputs,
        outputs=[out / "wav.scp"],
    ) as making:
        if making.done:
            print(f"{out}: up to date")
            return
        from speecht5_cli.train.vocoder_apply import apply_vocoder

        nj = nj or (sensible_nj() if vocoder == GRIFFIN_LIM else 1)
        n = apply_vocoder(vocoder, source, out, precision=precision.value, nj=nj, allow_pipes=allow_pipes)
    print(f"{out / 'wav.scp'}: {n} waves")


def mels_of(
    model: Path = typer.Argument(metavar="MODEL", help="Experiment or model folder of a task that speaks."),
    data: Path = typer.Argument(metavar="DATA", help="A data dir of the task, with the speech to be said."),
    out: Path = typer.Argument(metavar="OUT", help="Folder to write: feats.scp and its archives."),
    batch_seconds: float = typer.Option(120.0, "--batch-seconds", help="Of a batch, padding counted."),
    nj: int = typer.Option(1, "--nj", help="Processes."),
    allow_pipes: bool = PIPES,
) -> None:
    """By teacher forcing: from recorded frames, or noisy ones, so that prediction and sound keep step."""
    tables = ["utt2spk", "text", "wav.scp", "segments", "target.scp", "utt2tgtspk", "xvector.scp"]
    inputs = [*with_archives(data / name for name in tables), model_folder(model)]
    outputs = [out / name for name in (FEATS_SCP, FEATS_JSON, NUM_FRAMES)]
    refuse_others(out, ".made/forced-mels.json")
    with made(out, "forced-mels", options={}, inputs=inputs, outputs=outputs) as making:
        if making.done:
            print(f"{out}: up to date")
            return
        from speecht5_cli.train.forced_mels import Request, write_forced_mels

        n = write_forced_mels(Request(model, data, batch_seconds, allow_pipes), out, nj=nj)
    print(f"{out / FEATS_SCP}: log-mels of {n} utterances")
