"""`speecht5 features`: log-mels, MFCCs or a model's hidden states of a data dir, in Kaldi archives."""

import hashlib
from collections.abc import Callable
from enum import Enum
from functools import cache, partial
from pathlib import Path

import numpy as np
import typer

from speecht5_cli.data.audio import SAMPLE_RATE
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.feature_source import (
    Extract,
    FeatureInfo,
    extract_log_mel,
    extract_mfcc,
    layer_info,
    log_mel_info,
    mfcc_info,
)
from speecht5_cli.data.feature_store import FEATS_JSON, FEATS_SCP, NUM_FRAMES, write_features
from speecht5_cli.errors import UsageError
from speecht5_cli.provenance import made
from speecht5_cli.workers import sensible_nj


class KindOption(str, Enum):
    logmel = "logmel"
    mfcc = "mfcc"
    layer = "layer"


def add_to(app: typer.Typer) -> None:
    app.command("features", help="Compute the features of a data dir into OUT: feats.scp and feats.*.ark.")(features)


def features(
    data_dir: Path = typer.Argument(metavar="DIR", help="A data dir."),
    out: Path = typer.Argument(help="Folder to write."),
    kind: KindOption = typer.Option(
        ..., help="logmel (80 at 62.5 Hz), mfcc (39 at 100 Hz), or layer: hidden states of --model at 50 Hz."
    ),
    model: Path | None = typer.Option(None, help="For --kind layer: experiment, checkpoint or model folder."),
    layer: int | None = typer.Option(None, min=1, help="For --kind layer: which one of the encoder, from 1."),
    nj: int = typer.Option(0, help="Processes; 0: as cores and memory allow, and one for --kind layer."),
    allow_pipes: bool = typer.Option(False, "--allow-pipes", help="Run the shell commands that wav.scp may hold."),
) -> None:
    """An interrupted run goes on where it was."""
    if len({kind is KindOption.layer, model is not None, layer is not None}) > 1:
        raise UsageError("--kind layer needs --model and --layer, and the other kinds have no use for them")
    data = DataDir(data_dir)
    inputs = [data_dir / name for name in ("utt2spk", "wav.scp", "segments")]
    if model is not None:
        from speecht5_cli.train.restore import model_folder

        model = model_folder(model)
        inputs.append(model)
    outputs = [out / name for name in (FEATS_SCP, FEATS_JSON, NUM_FRAMES)]
    with made(out, "features", options={"kind": kind, "layer": layer}, inputs=inputs, outputs=outputs) as making:
        if making.done:
            print(f"{out}: up to date")
            return
        info, make_extract = _plan(kind, model, layer)
        n_frames = write_features(
            data,
            out,
            info,
            make_extract,
            nj=nj or (sensible_nj() if model is None else 1),
            allow_pipes=allow_pipes,
            afresh=making.why == "forced",
        )
    print(
        f"{out / FEATS_SCP}: {len(data.utterances)} utterances, {n_frames} frames of {info.dim} at {info.rate_hz:g} Hz"
    )


def _plan(kind: KindOption, model: Path | None, layer: int | None) -> tuple[FeatureInfo, Callable[[], Extract]]:
    """What is to be computed, and what each process calls to get the function that does it."""
    if model is None or layer is None:
        return (log_mel_info() if kind is KindOption.logmel else mfcc_info()), partial(_of_sound, kind)
    silence = np.zeros(SAMPLE_RATE, np.float32)
    (states,) = _of_layer(model, layer)([silence])
    return layer_info(states.shape[1], model=_weights_hash(model), layer=layer), partial(_of_layer, model, layer)


def _of_sound(kind: KindOption) -> Extract:
    return extract_log_mel if kind is KindOption.logmel else extract_mfcc


@cache  # one model a process, however many shards
def _of_layer(model: Path, layer: int) -> Extract:
    from speecht5_cli.train.restore import layer_extractor

    return layer_extractor(model, layer)


def _weights_hash(model: Path) -> str:
    """Of the content, so that a copy of a model is the same model."""
    from speecht5_cli.train.checkpoint import MODEL

    digest = hashlib.sha256()
    with (model / MODEL).open("rb") as weights:
        while block := weights.read(1 << 24):
            digest.update(block)
    return digest.hexdigest()[:16]
