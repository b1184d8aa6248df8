"""`speecht5 features`: log-mels, MFCCs or a model's hidden states of a data dir, in Kaldi archives."""

from pathlib import Path

import typer

from speecht5_cli.commands.feature_options import LAYER, MODEL, NJ, PIPES, FeatureOptions, Kind
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.feature_store import FEATS_JSON, FEATS_SCP, NUM_FRAMES, write_features
from speecht5_cli.provenance import made


def add_to(app: typer.Typer) -> None:
    app.command("features", help="Compute the features of a data dir into OUT: feats.scp and feats.*.ark.")(features)


def features(
    data_dir: Path = typer.Argument(metavar="DIR", help="A data dir."),
    out: Path = typer.Argument(help="Folder to write."),
    kind: Kind = typer.Option(
        ..., help="logmel (80 at 62.5 Hz), mfcc (39 at 100 Hz), or layer: hidden states of --model at 50 Hz."
    ),
    model: Path | None = MODEL,
    layer: int | None = LAYER,
    nj: int = NJ,
    allow_pipes: bool = PIPES,
) -> None:
    """An interrupted run goes on where it was."""
    options = FeatureOptions.given(kind, model, layer)
    data = DataDir(data_dir)
    outputs = [out / name for name in (FEATS_SCP, FEATS_JSON, NUM_FRAMES)]
    with made(out, "features", options=options.record(), inputs=options.inputs(data_dir), outputs=outputs) as making:
        if making.done:
            print(f"{out}: up to date")
            return
        info, make_extract = options.plan()
        n_frames = write_features(
            data,
            out,
            info,
            make_extract,
            nj=options.nj(nj),
            allow_pipes=allow_pipes,
            afresh=making.why == "forced",
        )
    print(
        f"{out / FEATS_SCP}: {len(data.utterances)} utterances, {n_frames} frames of {info.dim} at {info.rate_hz:g} Hz"
    )
