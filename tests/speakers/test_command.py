"""`speecht5 speakers` from the outside."""

from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from speecht5_cli.commands import speakers
from speecht5_cli.config import read_yaml
from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.data.speaker_vectors import read_vector, read_vectors
from speecht5_cli.data.tables import write_table
from speecht5_cli.data.voices import voices_of
from speecht5_cli.errors import CheckpointError, DataError, UsageError

SMALL = (
    "net.channels=[16,16,16,16,32]",
    "net.dim=12",
    "crop_min_s=0.2",
    "crop_max_s=0.3",
    "batch_size=16",
    "held_out=0.25",
)
GOLDEN = Path(__file__).parents[1] / "golden" / "xvector_speechbrain.npz"


def run(*words: object) -> str:
    app = typer.Typer()
    speakers.add_to(app)
    app.callback()(lambda: None)
    result = CliRunner().invoke(app, ["speakers", *map(str, words)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def data(make_dir) -> DataDir:
    return make_dir("command")


@pytest.fixture(scope="module")
def net(data: DataDir, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nets") / "xvector"
    said = run("fit", data.path, folder, *SMALL, "steps=80", "lr=5e-3")
    assert "step 80 of 80: loss " in said and "held out: accuracy" in said and "on 28 trials" in said
    return folder


def test_fit_leaves_net_settings_and_scores(net: Path, data: DataDir) -> None:
    assert {file.name for file in net.glob("x*")} == {"xvector.safetensors", "xvector.yaml"}
    assert read_yaml(net / "config.yaml")["steps"] == 80
    assert read_yaml(net / "scores.yaml")["n_speakers"] == 4
    assert "up to date" in run("fit", data.path, net, *SMALL, "steps=80", "lr=5e-3")


def test_fit_takes_a_file_and_overrides(data: DataDir, tmp_path: Path) -> None:
    file = tmp_path / "xvector.yaml"
    file.write_text("steps: 7\nbatch_size: 8\nnet: {channels: [8, 8, 8, 8, 16], dim: 12}\n")
    run("fit", data.path, tmp_path / "out", file, "steps=2", "crop_min_s=0.2", "crop_max_s=0.2")
    settings = read_yaml(tmp_path / "out" / "config.yaml")
    assert (settings["steps"], settings["batch_size"], settings["net"]["dim"]) == (2, 8, 12)
    (tmp_path / "small.yaml").write_text("xvector: {batch_size: 4, net: {dim: 10}}\ntts: {}\n")
    words = ["--variant", tmp_path / "small.yaml", "steps=2", "crop_min_s=0.2", "crop_max_s=0.2"]
    run("fit", data.path, tmp_path / "small", file, *words)
    settings = read_yaml(tmp_path / "small" / "config.yaml")
    assert (settings["steps"], settings["batch_size"], settings["net"]["dim"]) == (2, 4, 10)
    with pytest.raises(UsageError, match="one or more data dirs"):
        run("fit", data.path)


def test_embed_writes_vectors_of_utterances_and_speakers(net: Path, data: DataDir) -> None:
    assert "vectors of 32 utterances and 4 speakers" in run("embed", net, data.path)
    each, means = read_vectors(data.path / "xvector.scp"), read_vectors(data.path / "spk_xvector.scp")
    assert list(each) == data.utterances and list(means) == ["s0", "s1", "s2", "s3"]
    assert all(v.shape == (12,) and abs(np.linalg.norm(v) - 1) < 1e-6 for v in [*each.values(), *means.values()])
    own = [each[u] @ means[s] for u, s in data.table("utt2spk").items()]
    other = [each[u] @ means[t] for u, s in data.table("utt2spk").items() for t in means if t != s]
    assert np.mean(own) > np.mean(other) + 0.5
    assert "up to date" in run("embed", net, data.path)


def test_processes_do_not_change_the_vectors(net: Path, data: DataDir) -> None:
    run("embed", net, data.path)
    alone = read_vectors(data.path / "xvector.scp")
    (data.path / "xvector.scp").unlink()
    run("embed", net, data.path, "--nj", 2)
    for utterance, vector in read_vectors(data.path / "xvector.scp").items():
        np.testing.assert_allclose(vector, alone[utterance], atol=1e-5)


def test_embed_without_speakers(net: Path, data: DataDir, tmp_path: Path) -> None:
    write_table(tmp_path / "wav.scp", dict(list(data.table("wav.scp").items())[:3]))
    assert "vectors of 3 utterances and 3 speakers" in run("embed", net, tmp_path)
    each, means = read_vectors(tmp_path / "xvector.scp"), read_vectors(tmp_path / "spk_xvector.scp")
    assert all(np.allclose(each[key], means[key]) for key in each) and not (tmp_path / "utt2spk").exists()


def test_embed_the_targets_of_pairs(net: Path, data: DataDir, tmp_path: Path) -> None:
    run("embed", net, data.path)
    known, wav = read_vectors(data.path / "xvector.scp"), data.table("wav.scp")
    tables = {
        "utt2spk": {"s0-a": "s0", "s0-b": "s0", "s1-a": "s1"},
        "wav.scp": {"s0-a": wav["s0-00"], "s0-b": wav["s0-01"], "s1-a": wav["s1-00"]},
        "target.scp": {"s0-a": wav["s2-00"], "s0-b": wav["s3-00"], "s1-a": wav["s2-00"]},
        "utt2tgtspk": {"s0-a": "s2", "s0-b": "s3", "s1-a": "s2"},
    }
    pairs = write_tables(tmp_path / "pairs", tables)
    run("embed", net, pairs.path, "--of", "source")
    np.testing.assert_allclose(read_vectors(pairs.path / "xvector.scp")["s1-a"], known["s1-00"], atol=1e-5)
    assert "3 targets of utterances and 4 speakers" in run("embed", net, pairs.path)
    assert "up to date" in run("embed", net, pairs.path, "--of", "target")
    each, means = read_vectors(pairs.path / "xvector.scp"), read_vectors(pairs.path / "spk_xvector.scp")
    np.testing.assert_allclose(each["s1-a"], known["s2-00"], atol=1e-5)
    np.testing.assert_array_equal(each["s1-a"], each["s0-a"])
    assert list(means) == ["s0", "s1", "s2", "s3"]  # who converts is compared with who speaks
    np.testing.assert_allclose(means["s1"], known["s1-00"], atol=1e-5)


def test_embed_names_an_utterance_that_is_too_short(net: Path, tmp_path: Path) -> None:
    write_audio(tmp_path / "x.wav", np.zeros(100, np.float32))
    write_table(tmp_path / "wav.scp", {"x": str(tmp_path / "x.wav")})
    with pytest.raises(DataError, match=r"x: 100 samples at 16 kHz are too short .* needs 480"):
        run("embed", net, tmp_path)


def test_a_net_that_is_none(data: DataDir, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no xvector.safetensors here; `speecht5 speakers fit`"):
        run("embed", tmp_path, data.path)


def test_eer(net: Path, data: DataDir, tmp_path: Path) -> None:
    run("embed", net, data.path)
    said = run("eer", data.path)
    assert said.endswith("% on 496 trials, 112 of them target\n")
    assert float(said.split()[1].rstrip("%")) < 20
    (tmp_path / "trials").write_text("s0-00 s0-01 target\ns0-00 s3-01 nontarget\n")
    assert run("eer", data.path, "--trials", tmp_path / "trials") == "EER 0.00% on 2 trials, 1 of them target\n"


def test_import_of_speechbrains_net(data: DataDir, tmp_path: Path) -> None:
    with np.load(GOLDEN) as golden:
        state = {name[6:]: torch.from_numpy(array) for name, array in golden.items() if name.startswith("state/")}
        wave, vector = golden["wave/0"] / 32768, golden["vector/0"]
    (tmp_path / "theirs").mkdir()
    torch.save(state, tmp_path / "theirs" / "embedding_model.ckpt")
    for source in (tmp_path / "theirs", tmp_path / "theirs" / "embedding_model.ckpt"):
        assert "vectors have 32 values" in run("import", source, tmp_path / "ours")
    write_audio(tmp_path / "x.wav", wave)
    write_table(tmp_path / "wav.scp", {"x": str(tmp_path / "x.wav")})
    run("embed", tmp_path / "ours", tmp_path)
    ours = read_vectors(tmp_path / "xvector.scp")["x"]
    np.testing.assert_allclose(ours, vector / np.linalg.norm(vector), atol=1e-4)  # the wave was written as 16 bits


def test_import_refuses_what_is_no_such_net(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match=r"other.ckpt: not the weights of SpeechBrain's x-vector net"):
        run("import", tmp_path / "other.ckpt", tmp_path / "out")
    torch.save({"a": Path("x")}, tmp_path / "code.ckpt")
    with pytest.raises(CheckpointError, match=r"code.ckpt: not readable as tensors"):
        run("import", tmp_path / "code.ckpt", tmp_path / "out")
    with pytest.raises(CheckpointError, match=r"none.ckpt: no such file"):
        run("import", tmp_path / "none.ckpt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_import_of_vectors(net: Path, data: DataDir, tmp_path: Path) -> None:
    run("embed", net, data.path)
    spoken = data.path / "spk_xvector.scp"
    run("import", spoken, tmp_path / "model", "--dim", 12)
    assert sorted(voices_of(tmp_path / "model")) == [f"s{i}" for i in range(4)]
    run("import", spoken, tmp_path / "anna.npy", "--dim", 12, "--name", "s2")
    np.testing.assert_allclose(read_vector(tmp_path / "anna.npy"), read_vectors(spoken)["s2"], atol=1e-7)
    with pytest.raises(DataError, match="a vector of 12 values, expected 512"):
        run("import", tmp_path / "anna.npy", tmp_path / "model")
    assert "vectors of 32 utterances" in run("import", tmp_path / "anna.npy", data.path, "--dim", 12)
    assert len({tuple(vector) for vector in read_vectors(data.path / "xvector.scp").values()}) == 1
    assert "vectors of 32" in run("embed", net, data.path)  # the import is no reason to skip
