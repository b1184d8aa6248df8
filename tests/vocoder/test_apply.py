"""`speecht5 vocoder`: copies of data dirs, waves of features and of hypotheses, the command's two verbs."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from speecht5_cli.commands.vocoder import add_to
from speecht5_cli.config import write_yaml
from speecht5_cli.data.archives import write_archive
from speecht5_cli.data.audio import read_audio
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.features import log_mel
from speecht5_cli.data.hypotheses import Decoding, read_decoding, read_hypotheses, write_hypotheses
from speecht5_cli.data.tables import read_table, write_table
from speecht5_cli.decode.griffin_lim import griffin_lim
from speecht5_cli.errors import DataError, SpeechT5Error, UsageError
from speecht5_cli.plugins import Hypothesis
from speecht5_cli.train.vocoder_apply import apply_vocoder


def run(*words: object) -> str:
    import typer

    app = typer.Typer()
    add_to(app)
    done = CliRunner().invoke(app, ["vocoder", *map(str, words)])
    if isinstance(done.exception, SpeechT5Error):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def write_mels(folder: Path, mels: dict[str, np.ndarray]) -> None:
    places = write_archive(folder / "feats.1.ark", mels.items())
    write_table(folder / "feats.scp", {key: f"{folder}/feats.1.ark:{at}" for key, (at, _) in places.items()})


def assert_near(path: Path | str, wave: np.ndarray) -> None:
    """The file holds the wave, in 16 bits."""
    np.testing.assert_allclose(read_audio(str(path)), np.clip(wave, -1, 1), atol=1 / 32767)


def test_a_copied_data_dir_is_a_data_dir(vowels: Path, tmp_path: Path) -> None:
    assert "20 waves" in run("apply", "griffin-lim", vowels, tmp_path / "copy", "--nj", 1)
    copy, original = DataDir(tmp_path / "copy"), DataDir(vowels)
    assert copy.utterances == original.utterances
    assert copy.table("text") == original.table("text")
    name = copy.utterances[5]
    wave = read_audio(copy.audio()[name])
    assert_near(vowels.parent / copy.table("wav.scp")[name], griffin_lim(log_mel(read_audio(original.audio()[name]))))
    assert copy.durations()[name] == pytest.approx(len(wave) / 16_000)
    assert "up to date" in run("apply", "griffin-lim", vowels, tmp_path / "copy")


def test_pieces_of_recordings_are_copied_by_utterance(vowels: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_table(data / "wav.scp", {"tape": str(vowels / "wav/bob-09.wav")})
    write_table(data / "segments", {"bob-a": "tape 0.1 0.3", "bob-b": "tape 0.4 0.8"})
    write_table(data / "utt2spk", {"bob-a": "bob", "bob-b": "bob"})
    apply_vocoder("griffin-lim", data, tmp_path / "copy")
    assert set(read_table(tmp_path / "copy/wav.scp")) == {"bob-a", "bob-b"}
    assert DataDir(tmp_path / "copy").durations() == {"bob-a": 13 * 256 / 16_000, "bob-b": 26 * 256 / 16_000}


def test_features_win_over_sounds(vowels: Path, tmp_path: Path) -> None:
    mel = log_mel(read_audio(str(vowels / "wav/ann-03.wav"))) - 0.5
    write_mels(tmp_path / "mels", {"ann-03": mel})
    write_table(tmp_path / "mels/wav.scp", {"ann-03": "nowhere.wav"})
    apply_vocoder("griffin-lim", tmp_path / "mels", tmp_path / "out")
    assert_near(tmp_path / "out/wav/ann-03.wav", griffin_lim(mel))


def test_hypotheses_stay_hypotheses(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mels = {name: rng.normal(-2, 0.3, (7, 80)).astype(np.float32) for name in ("a", "b/c")}
    said = [Hypothesis(name, np.zeros(300, np.float32), 0.5, stopped="length") for name in mels]
    decoding = Decoding(
        task="tts", output="speech", model="m", data="d", settings={"vocoder": "x"}, audio_s=1.0, work_s=0.5
    )
    write_hypotheses(tmp_path / "hyp", said, decoding, utterances=mels)
    write_mels(tmp_path / "hyp", mels)
    apply_vocoder("griffin-lim", tmp_path / "hyp", tmp_path / "out")
    again = read_hypotheses(tmp_path / "out")
    assert {one.stopped for one in again.values()} == {"length"}
    for name, mel in mels.items():
        assert_near(again[name].value, griffin_lim(mel))
    record = read_decoding(tmp_path / "out")
    assert (record.task, record.stopped, record.n_utterances) == ("tts", {"length": 2}, 2)


def test_errors_name_utterance_and_folder(vowels: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ghost"):
        apply_vocoder("griffin-lim", tmp_path / "ghost", tmp_path / "out")
    write_mels(tmp_path / "mels", {"ann-03": np.full((5, 80), np.nan, np.float32)})
    with pytest.raises(DataError, match=r"ann-03: .* not finite"):
        apply_vocoder("griffin-lim", tmp_path / "mels", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.tex").touch()
    with pytest.raises(UsageError, match="did not make it"):
        run("apply", "griffin-lim", vowels, tmp_path / "full")
    assert (tmp_path / "full/thesis.tex").exists()


def test_train_then_apply(vowels: Path, tmp_path: Path) -> None:
    tree = {
        "generator": {"channels": 16, "residual_kernels": [3], "residual_dilations": [[1]]},
        "losses": {"adversarial_from": 9},
        "discriminators": {"periods": [2], "period_channels": [2], "n_scales": 0},
        "train": {"steps": 2, "batch_size": 2, "piece_frames": 4},
    }
    write_yaml(tmp_path / "v.yaml", tree)
    write_yaml(tmp_path / "longer.yaml", {"vocoder": {"train": {"steps": 3}}})
    said = run("train", vowels, tmp_path / "v.yaml", "--exp", tmp_path / "exp", "--variant", tmp_path / "longer.yaml")
    assert "a vocoder after 3 steps" in said
    assert "20 waves" in run("apply", tmp_path / "exp", vowels, tmp_path / "out")
    assert json.loads((tmp_path / "out/.made/vocoder.json").read_text())["options"]["vocoder"] == str(tmp_path / "exp")
    with pytest.raises(UsageError, match="one or more data dirs"):
        run("train", tmp_path / "v.yaml", "--exp", tmp_path / "exp")
    assert "20 waves" in run("apply", tmp_path / "exp", vowels, tmp_path / "rounded", "--precision", "bf16")
    name = DataDir(vowels).utterances[0]
    exact, rounded = (read_audio(DataDir(tmp_path / where).audio()[name]) for where in ("out", "rounded"))
    assert exact.shape == rounded.shape and not np.array_equal(exact, rounded)
    with pytest.raises(UsageError, match="a vocoder has none"):
        run("apply", tmp_path / "exp", vowels, tmp_path / "out", "--precision", "int8")
