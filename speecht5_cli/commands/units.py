"""`speecht5 units`: from features to the labels that speech pre-training predicts."""

from pathlib import Path

import typer

from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.feature_source import JoinedFeatures
from speecht5_cli.data.feature_store import FEATS_JSON, FEATS_SCP, FeatureFolder
from speecht5_cli.data.kmeans import CENTROIDS, KMEANS_JSON, FitSettings, KMeans, fit_kmeans
from speecht5_cli.data.metadata import write_metadata
from speecht5_cli.data.tables import read_table
from speecht5_cli.data.unit_report import report
from speecht5_cli.data.units import UNITS, write_labels
from speecht5_cli.errors import UsageError
from speecht5_cli.provenance import made

SOURCE = typer.Argument(metavar="SRC", help="A folder of `speecht5 features`.")
MODEL = typer.Argument(metavar="KMEANS", help="A folder of `speecht5 units fit`.")


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="k-means over features -> unit labels at a stated rate.", no_args_is_help=True)
    group.command("fit", help="Fit a k-means model on a sample of the frames of one or more folders of features.")(
        fit_command
    )
    group.command("label", help="Write the cluster of every frame into a data dir, as the table `units`.")(
        label_command
    )
    group.command("report", help="Measure a k-means model on features that it was not fitted on.")(report_command)
    app.add_typer(group, name="units")


def fit_command(
    sources: list[Path] = typer.Argument(metavar="SRC...", help="Folders of `speecht5 features`."),
    out: Path = typer.Argument(help="Folder for the k-means model."),
    clusters: int = typer.Option(..., min=2, help="100 for MFCC, 500 for a layer (HuBERT's numbers)."),
    restarts: int = typer.Option(
        FitSettings.restarts, min=1, help="Random starts; with 1, many clusters fit much faster, hardly worse."
    ),
    percent: float = typer.Option(FitSettings.percent, min=0.001, max=100, help="Of the utterances to look at."),
    max_frames: int = typer.Option(FitSettings.max_frames, min=2, help="At most so many frames in memory."),
    seed: int = typer.Option(FitSettings.seed, help="For the sample and the starts."),
) -> None:
    settings = FitSettings(clusters, restarts, percent, max_frames, seed)
    inputs = [file for source in sources for file in _files(source)]
    outputs = [out / CENTROIDS, out / KMEANS_JSON]
    with made(out, "kmeans", options=vars(settings), inputs=inputs, outputs=outputs) as making:
        if making.done:
            print(f"{out}: up to date")
            return
        kmeans = fit_kmeans(JoinedFeatures([FeatureFolder(source) for source in sources]), settings)
        kmeans.save(out)
    info = kmeans.info
    print(
        f"{out}: {info.n_used} of {clusters} clusters used by {info.n_frames} frames of {info.n_utterances} "
        f"utterances, inertia {info.inertia:.2f} a frame"
    )


def label_command(
    model: Path = MODEL,
    source: Path = SOURCE,
    data_dir: Path = typer.Argument(metavar="DATADIR", help="The data dir of the features."),
    name: str = typer.Option(UNITS, help="The table to write, such as units_it2."),
) -> None:
    if name.split("_")[0] != UNITS or not name.replace("_", "").isalnum():
        raise UsageError(f"--name {name}: expected '{UNITS}', or a name that starts with '{UNITS}_'")
    inputs = [model / CENTROIDS, model / KMEANS_JSON, *_files(source), data_dir / "utt2spk", data_dir / "utt2dur"]
    outputs = [data_dir / name, data_dir / f"{name}.json"]
    with made(data_dir, name, options={"name": name}, inputs=inputs, outputs=outputs) as making:
        if making.done:
            print(f"{data_dir / name}: up to date")
            return
        kmeans = KMeans.load(model)
        done = write_labels(kmeans, FeatureFolder(source), DataDir(data_dir), name=name, where=source)
    print(
        f"{data_dir / name}: {done.n_frames} labels at {kmeans.info.features.rate_hz:g} Hz for {done.n_utterances} "
        f"utterances, {done.n_used} of {kmeans.n_clusters} clusters used"
    )


def report_command(
    model: Path = MODEL,
    source: Path = SOURCE,
    alignment: Path | None = typer.Option(None, help="Phones by frame: `utterance p1 p2 ...`, or separated by commas."),
    alignment_rate: float = typer.Option(100.0, min=1, help="Phones a second in the alignment."),
    out: Path | None = typer.Option(None, help="JSON file for all numbers; report.json in KMEANS if not given."),
) -> None:
    phones = read_table(alignment) if alignment else None
    result = report(
        KMeans.load(model), FeatureFolder(source), alignment=phones, alignment_rate_hz=alignment_rate, where=source
    )
    path = out or model / "report.json"
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


def _files(source: Path) -> list[Path]:
    """What the features are made of."""
    return [source / FEATS_JSON, source / FEATS_SCP, *sorted(source.glob("feats.*.ark"))]
