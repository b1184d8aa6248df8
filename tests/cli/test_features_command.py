"""`speecht5 features` from the outside."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from speecht5_cli.commands import features
from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.datadir import write_tables
from speecht5_cli.data.feature_store import FeatureFolder
from speecht5_cli.data.frames import n_unit_frames
from speecht5_cli.errors import UsageError


def run(*words: object) -> str:
    app = typer.Typer()
    features.add_to(app)
    app.callback()(lambda: None)
    result = CliRunner().invoke(app, ["features", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in (1, 2, 3):
        write_audio(tmp_path / f"{number}.wav", 0.1 * rng.standard_normal(1000 * number))
    scp = {f"s-{number}": str(tmp_path / f"{number}.wav") for number in (1, 2, 3)}
    return write_tables(tmp_path / "data", {"wav.scp": scp, "utt2spk": dict.fromkeys(scp, "s")}).path


def test_log_mel_and_mfcc(data_dir: Path, tmp_path: Path) -> None:
    assert "3 utterances, 24 frames of 80 at 62.5 Hz" in run(data_dir, tmp_path / "mel", "--kind", "logmel")
    assert "3 utterances, 32 frames of 39 at 100 Hz" in run(data_dir, tmp_path / "mfcc", "--kind", "mfcc", "--nj", 1)
    assert FeatureFolder(tmp_path / "mel").info.settings["fft_samples"] == 1024
    assert "up to date" in run(data_dir, tmp_path / "mel", "--kind", "logmel", "--nj", 2)
    assert "up to date" not in run(data_dir, tmp_path / "mel", "--kind", "mfcc", "--nj", 1)


def test_a_layer_of_a_model(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from speecht5_cli.train import restore

    def extractor(model: Path, layer: int) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
        return lambda waves: [np.full((n_unit_frames(len(wave)), 4), layer, np.float32) for wave in waves]

    monkeypatch.setattr(restore, "layer_extractor", extractor)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.safetensors").write_bytes(b"weights")
    run(data_dir, tmp_path / "layer", "--kind", "layer", "--model", tmp_path / "model", "--layer", 6)
    folder = FeatureFolder(tmp_path / "layer")
    assert (folder.info.kind, folder.info.layer, folder.info.rate_hz, folder.info.dim) == ("layer", 6, 50, 4)
    assert len(folder.info.model or "") == 16
    assert {utterance: matrix.shape for utterance, matrix in folder.read(folder.utterances)} == {
        "s-1": (2, 4),
        "s-2": (6, 4),
        "s-3": (9, 4),
    }


@pytest.mark.parametrize(
    "words", [("layer",), ("layer", "--layer", 6), ("mfcc", "--layer", 6), ("logmel", "--model", "m")]
)
def test_options_that_do_not_go_together(data_dir: Path, tmp_path: Path, words: tuple[object, ...]) -> None:
    with pytest.raises(UsageError, match="--kind layer needs --model and --layer"):
        run(data_dir, tmp_path / "out", "--kind", *words)
