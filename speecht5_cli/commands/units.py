"""`speecht5 units`: from features to the labels that speech pre-training predicts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from speecht5_cli.commands.feature_options import LAYER, NJ, PIPES, FeatureOptions, Kind
from speecht5_cli.commands.feature_options import MODEL as LAYER_MODEL
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.feature_source import FeatureSource, JoinedFeatures
from speecht5_cli.data.feature_store import FEATS_JSON, FEATS_SCP, FeatureFolder
from speecht5_cli.data.kmeans import CENTROIDS, KMEANS_JSON, FitSettings, KMeans, fit_kmeans
from speecht5_cli.data.metadata import write_metadata
from speecht5_cli.data.tables import read_table
from speecht5_cli.data.unit_labels import write_labels
from speecht5_cli.data.unit_report import report
from speecht5_cli.data.units import UNITS
from speecht5_cli.errors import UsageError
from speecht5_cli.provenance import made

MODEL = typer.Argument(metavar="KMEANS", help="A folder of `speecht5 units fit`.")
SOURCE_HELP = "A folder of `speecht5 features`; with --kind a data dir."
KIND = typer.Option(
    None, "--kind", help="Compute these features on the way, as `speecht5 features` does, instead of reading a folder."
)


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="k-means over features -> unit labels at a stated rate.", no_args_is_help=True)
    group.command("fit", help="Fit a k-means model on a sample of the frames of folders of features, or of data dirs.")(
        fit_command
    )
    group.command("label", help="Write the cluster of every frame into a data dir, as the table `units`.")(
        label_command
    )
    group.command("report", help="Measure a k-means model on features that it was not fitted on.")(report_command)
    app.add_typer(group, name="units")


def fit_command(
    places: list[Path] = typer.Argument(
        metavar="SRC...", help="Folders of `speecht5 features`; with --kind data dirs."
    ),
    out: Path = typer.Argument(help="Folder for the k-means model."),
    clusters: int = typer.Option(..., min=2, help="100 for MFCC, 500 for a layer (HuBERT's numbers)."),
    restarts: int = typer.Option(FitSettings.restarts, min=1, help="Random starts, of which the best is gone on with."),
    percent: float | None = typer.Option(
        FitSettings.percent,
        min=0.001,
        max=100,
        help="Of the utterances to take frames from; if not given, as many as hold four times --max-frames.",
    ),
    max_frames: int = typer.Option(FitSettings.max_frames, min=2, help="At most so many frames in memory."),
    seed: int = typer.Option(FitSettings.seed, help="For the sample and the starts."),
    kind: Kind | None = KIND,
    model: Path | None = LAYER_MODEL,
    layer: int | None = LAYER,
    nj: int = NJ,
    allow_pipes: bool = PIPES,
) -> None:
    computed = FeatureOptions.if_given(kind, model, layer)
    settings = FitSettings(clusters, restarts, percent, max_frames, seed)
    options = vars(settings) | _record(computed)
    outputs = [out / CENTROIDS, out / KMEANS_JSON]
    with made(out, "kmeans", options=options, inputs=_inputs(places, computed), outputs=outputs) as making:
        if making.done:
            print(f"{out}: up to date")
            return
        source = _opened(places, computed, allow_pipes=allow_pipes)
        kmeans = fit_kmeans(source, settings, nj=_processes(computed, nj))
        kmeans.save(out)
    info = kmeans.info
    print(
        f"{out}: {info.n_used} of {clusters} clusters used by {info.n_frames} frames of {info.n_utterances} "
        f"utterances, inertia {info.inertia:.2f} a frame"
    )


def label_command(
    kmeans_dir: Path = MODEL,
    place: Path = typer.Argument(metavar="SRC", help=SOURCE_HELP),
    labelled: Path | None = typer.Argument(
        None, metavar="[DATADIR]", help="The data dir of the features; with --kind it is SRC, and not given."
    ),
    name: str = typer.Option(UNITS, help="The table to write, such as units_it2."),
    kind: Kind | None = KIND,
    model: Path | None = LAYER_MODEL,
    layer: int | None = LAYER,
    nj: int = NJ,
    allow_pipes: bool = PIPES,
) -> None:
    """An interrupted run with --kind goes on where it was."""
    if name.split("_")[0] != UNITS or not name.replace("_", "").isalnum():
        raise UsageError(f"--name {name}: expected '{UNITS}', or a name that starts with '{UNITS}_'")
    computed = FeatureOptions.if_given(kind, model, layer)
    if (labelled is None) == (computed is None):
        raise UsageError("expected KMEANS FEATURES DATADIR, or KMEANS DATADIR with --kind")
    data_dir = labelled or place
    features = _inputs([place], computed)
    inputs = [kmeans_dir / CENTROIDS, kmeans_dir / KMEANS_JSON, *features, data_dir / "utt2spk", data_dir / "utt2dur"]
    outputs = [data_dir / name, data_dir / f"{name}.json"]
    with made(data_dir, name, options={"name": name} | _record(computed), inputs=inputs, outputs=outputs) as making:
        if making.done:
            print(f"{data_dir / name}: up to date")
            return
        kmeans = KMeans.load(kmeans_dir)
        made_from = [making.inputs[str(path)] for path in features]
        done = write_labels(
            kmeans,
            _opened([place], computed, allow_pipes=allow_pipes),
            DataDir(data_dir),
            name=name,
            where=place,
            nj=_processes(computed, nj),
            allow_pipes=allow_pipes,
            made_from=None if making.why == "forced" else f"{_record(computed)} {made_from}",
        )
    print(
        f"{data_dir / name}: {done.n_frames} labels at {kmeans.info.features.rate_hz:g} Hz for {done.n_utterances} "
        f"utterances, {done.n_used} of {kmeans.n_clusters} clusters used"
    )


def report_command(
    kmeans_dir: Path = MODEL,
    place: Path = typer.Argument(metavar="SRC", help=SOURCE_HELP),
    alignment: Path | None = typer.Option(None, help="Phones by frame: `utterance p1 p2 ...`, or separated by commas."),
    alignment_rate: float = typer.Option(100.0, min=1, help="Phones a second in the alignment."),
    out: Path | None = typer.Option(None, help="JSON file for all numbers; report.json in KMEANS if not given."),
    kind: Kind | None = KIND,
    model: Path | None = LAYER_MODEL,
    layer: int | None = LAYER,
    nj: int = NJ,
    allow_pipes: bool = PIPES,
) -> None:
    phones = read_table(alignment) if alignment else None
    computed = FeatureOptions.if_given(kind, model, layer)
    result = report(
        KMeans.load(kmeans_dir),
        _opened([place], computed, allow_pipes=allow_pipes),
        alignment=phones,
        alignment_rate_hz=alignment_rate,
        where=place,
        nj=_processes(computed, nj),
    )
    path = out or kmeans_dir / "report.json"
    write_metadata(path, result)
    usage = result.usage
    print(f"{usage.n_utterances} utterances, {usage.n_frames} frames; all numbers: {path}")
    print(f"  clusters used     {usage.n_used} of {usage.n_clusters}")
    print(f"  usage             entropy {usage.entropy:.3f} nats, perplexity {usage.perplexity:.1f}")
    print(f"  mean run          {usage.mean_run_frames:.2f} frames, {usage.mean_run_ms:.0f} ms")
    print(f"  inertia           {usage.inertia:.2f} a frame")
    if result.phones:
        print(f"  phone purity      {result.phones.phone_purity:.3f} ({result.phones.n_phones} phones)")
        print(f"  cluster purity    {result.phones.cluster_purity:.3f}")
        print(f"  PNMI              {result.phones.pnmi:.3f}")


def _record(computed: FeatureOptions | None) -> dict[str, Any]:
    return computed.record() if computed else {}


def _processes(computed: FeatureOptions | None, nj: int) -> int:
    """One, unless told otherwise, where features are only read."""
    return computed.nj(nj) if computed else max(1, nj)


def _inputs(places: Sequence[Path], computed: FeatureOptions | None) -> list[Path]:
    """What the features are made of."""
    if computed:
        return [file for place in places for file in computed.inputs(place)]
    return [file for place in places for file in _stored(place)]


def _stored(place: Path) -> list[Path]:
    return [place / FEATS_JSON, place / FEATS_SCP, *sorted(place.glob("feats.*.ark"))]


def _opened(places: Sequence[Path], computed: FeatureOptions | None, *, allow_pipes: bool) -> FeatureSource:
    if computed:
        return computed.source(places, allow_pipes=allow_pipes)
    return JoinedFeatures([FeatureFolder(place) for place in places])
