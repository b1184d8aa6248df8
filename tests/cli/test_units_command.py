"""From sound to unit labels on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from speecht5_cli.commands import features, units
from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.data.features import mfcc
from speecht5_cli.data.frames import n_unit_frames
from speecht5_cli.data.units import UnitInfo, read_units
from speecht5_cli.errors import DataError, UsageError


def run(*words: object) -> str:
    app = typer.Typer()
    features.add_to(app)
    units.add_to(app)
    result = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def tones(folder: Path, name: str, seed: int) -> Path:
    """A data dir of two speakers whose utterances are sequences of tones and noise."""
    rng = np.random.default_rng(seed)
    tables: dict[str, dict[str, str]] = {"wav.scp": {}, "utt2spk": {}}
    for number in range(4):
        seconds = np.arange(3200) / 16_000
        parts = [0.3 * np.sin(2 * np.pi * hz * seconds) for hz in rng.choice([200, 900, 2500, 5000], 5)]
        utterance = f"{'ab'[number % 2]}-{name}{number}"
        write_audio(folder / f"{utterance}.wav", np.concatenate(parts) + rng.normal(0, 0.01, 16_000))
        tables["wav.scp"][utterance] = str(folder / f"{utterance}.wav")
        tables["utt2spk"][utterance] = utterance[0]
    return write_tables(folder / name, tables).path


def test_from_sound_to_labels(tmp_path: Path) -> None:
    train, dev = tones(tmp_path, "train", 0), tones(tmp_path, "dev", 1)
    for data_dir in (train, dev):
        run("features", data_dir, tmp_path / "mfcc" / data_dir.name, "--kind", "mfcc", "--nj", 1)
    kmeans = tmp_path / "km"
    fit = ("units", "fit", tmp_path / "mfcc/train", tmp_path / "mfcc/dev", kmeans, "--clusters", 8, "--restarts", 2)
    assert "8 of 8 clusters used by 784 frames of 8 utterances" in run(*fit)
    assert "up to date" in run(*fit)

    printed = run("units", "label", kmeans, tmp_path / "mfcc/dev", dev, "--name", "units_it2")
    assert "392 labels at 100 Hz for 4 utterances" in printed
    assert "up to date" in run("units", "label", kmeans, tmp_path / "mfcc/dev", dev, "--name", "units_it2")
    info = UnitInfo.load(dev, "units_it2")
    line = DataDir(dev).table("units_it2")["a-dev0"]
    assert len(read_units(line, info, n_unit_frames(16_000), utterance="a-dev0")) == 49

    (tmp_path / "phones").write_text("a-dev0 " + "a " * 49 + "b " * 49 + "\n")
    printed = run("units", "report", kmeans, tmp_path / "mfcc/dev", "--alignment", tmp_path / "phones")
    assert "clusters used" in printed
    assert "PNMI" in printed
    numbers = json.loads((kmeans / "report.json").read_text())
    assert numbers["usage"]["n_frames"] == 392
    assert 0 < numbers["phones"]["pnmi"] <= 1
    assert "up to date" in run("units", "label", kmeans, tmp_path / "mfcc/dev", dev, "--name", "units_it2")


def test_labels_without_features_on_disk(tmp_path: Path) -> None:
    """From the sound in one go: the same clusters and the same labels as through a folder, in any number of shards."""
    train, dev = tones(tmp_path, "train", 0), tones(tmp_path, "dev", 1)
    for data_dir in (train, dev):
        run("features", data_dir, tmp_path / "mfcc" / data_dir.name, "--kind", "mfcc", "--nj", 1)
    fit = ("--clusters", 8, "--restarts", 2, "--max-frames", 150)
    run("units", "fit", tmp_path / "mfcc/train", tmp_path / "mfcc/dev", tmp_path / "km", *fit)
    run("units", "label", tmp_path / "km", tmp_path / "mfcc/dev", dev)
    expected = (dev / "units").read_bytes()

    for nj in (1, 2):
        fused = ("units", "fit", train, dev, tmp_path / f"km{nj}", *fit, "--kind", "mfcc", "--nj", nj)
        assert "of 7 utterances" in run(*fused)
        assert "up to date" in run(*fused)
        ours, theirs = (json.loads((tmp_path / name / "kmeans.json").read_text()) for name in (f"km{nj}", "km"))
        assert ours == theirs
        label = ("units", "label", tmp_path / "km", dev, "--name", f"units_{nj}", "--kind", "mfcc", "--nj", nj)
        said = run(*label)
        assert "392 labels at 100 Hz for 4 utterances" in said
        assert "unit labels: 4 in " in said and "RTF" in said
        assert "up to date" in run(*label)
        assert (dev / f"units_{nj}").read_bytes() == expected
    assert not list(dev.glob(".units*"))
    numbers = []
    for source in ((tmp_path / "mfcc/dev",), (dev, "--kind", "mfcc", "--nj", 1)):
        run("units", "report", tmp_path / "km", *source)
        numbers.append(json.loads((tmp_path / "km/report.json").read_text()))
    assert numbers[0] == numbers[1]


def test_labels_of_a_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from speecht5_cli.train import restore

    def extractor(model: Path, layer: int) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
        return lambda waves: [mfcc(wave)[::2, :layer] for wave in waves]

    monkeypatch.setattr(restore, "layer_extractor", extractor)
    for name in ("model", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text(name)
    train, km = tones(tmp_path, "train", 0), tmp_path / "km"
    layer = ("--kind", "layer", "--model", tmp_path / "model", "--layer", 6)
    assert "8 of 8 clusters used by 196 frames" in run("units", "fit", train, km, "--clusters", 8, *layer)
    assert "196 labels at 50 Hz" in run("units", "label", km, train, "--name", "units_it2", *layer)
    assert UnitInfo.load(train, "units_it2").rate_hz == 50
    for wrong, complaint in (
        (("--kind", "layer", "--model", tmp_path / "other", "--layer", 6), "layer 6 of model"),
        (("--kind", "layer", "--model", tmp_path / "model", "--layer", 5), "layer 5 of model"),
        (("--kind", "mfcc"), "features at 100 Hz, but the k-means model was fitted at 50 Hz"),
    ):
        with pytest.raises(DataError, match=complaint):
            run("units", "label", km, train, "--name", "units_it2", *wrong)


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    data_dir = tones(tmp_path, "train", 0)
    for words in (("km", data_dir), ("km", "features", data_dir, "--kind", "mfcc")):
        with pytest.raises(UsageError, match="expected KMEANS FEATURES DATADIR, or KMEANS DATADIR with --kind"):
            run("units", "label", *words)
    for words in (("--layer", 3), ("--model", "m")):
        with pytest.raises(UsageError, match="--model and --layer need --kind layer"):
            run("units", "fit", data_dir, tmp_path / "km", "--clusters", 8, *words)


def test_a_table_needs_the_name_of_units(tmp_path: Path) -> None:
    for name in ("text", "units/../text", "unitsx"):
        with pytest.raises(UsageError, match="a name that starts with 'units_'"):
            run("units", "label", tmp_path, tmp_path, tmp_path, "--name", name)
