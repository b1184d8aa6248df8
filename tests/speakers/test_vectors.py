"""Speaker vectors on disk: tables of a data dir, archives, .npy files, voices."""

from pathlib import Path

import kaldiio
import numpy as np
import pytest

from speecht5_cli.data.datadir import DataDir, opened, write_tables
from speecht5_cli.data.speaker_vectors import (
    normalised,
    read_vector,
    read_vectors,
    sounds_of,
    speaker_means,
    write_vectors,
)
from speecht5_cli.data.tables import read_table, write_table
from speecht5_cli.data.voices import give_voices, read_voices, voices_of, write_voices
from speecht5_cli.errors import DataError


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """Two speakers, three utterances; a-1 is converted to b's voice, the others to one recording of a."""
    tables = {
        "utt2spk": {"a-1": "a", "a-2": "a", "b-1": "b"},
        "wav.scp": {"a-1": "/a1.wav", "a-2": "/a2.wav", "b-1": "/b1.wav"},
        "target.scp": {"a-1": "/t1.wav", "a-2": "/t2.wav", "b-1": "/t2.wav"},
        "utt2tgtspk": {"a-1": "b", "a-2": "c", "b-1": "c"},
    }
    return write_tables(tmp_path / "data", tables)


def vectors(*names: str, dim: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: normalised(rng.standard_normal(dim), where=name) for name in names}


def test_what_is_written_is_read(data: DataDir, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = vectors("b-1", "a-1", "ä")
    write_vectors(Path("data"), "xvector", wanted)
    assert list(read_table(Path("data/xvector.scp"))) == ["a-1", "b-1", "ä"]
    for path in (Path("data/xvector.scp"), Path("data/xvector.ark")):
        found = read_vectors(path)
        assert found.keys() == wanted.keys()
        assert all((found[key] == wanted[key]).all() and found[key].dtype == np.float32 for key in wanted)
    kaldi = kaldiio.load_scp("data/xvector.scp")
    np.testing.assert_array_equal(kaldi["ä"], wanted["ä"])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_vectors(data.path / "xvector.scp").keys() == wanted.keys()


def test_vectors_come_from_many_places(tmp_path: Path) -> None:
    wanted = vectors("x", "y")
    for key, vector in wanted.items():
        np.save(tmp_path / f"{key}.npy", vector)
    kaldiio.save_ark(str(tmp_path / "text.ark"), wanted, text=True)
    write_table(tmp_path / "list.scp", {"x": "x.npy", "y": str(tmp_path / "y.npy")})
    for source in (tmp_path, tmp_path / "text.ark", tmp_path / "list.scp"):
        found = read_vectors(source)
        assert found.keys() == wanted.keys()
        for key, vector in found.items():
            np.testing.assert_allclose(vector, wanted[key], rtol=1e-6)


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    kaldiio.save_ark(str(tmp_path / "p.ark"), {"x": {"a": 1}}, write_function="pickle")
    np.save(tmp_path / "p.npy", np.array([{"a": 1}]), allow_pickle=True)
    for source in (f"{tmp_path}/p.ark:2", tmp_path / "p.npy"):
        with pytest.raises(DataError, match=r"p\.(ark|npy)"):
            read_vector(source)
    with pytest.raises(DataError, match=r"p.ark: 'x': expected a matrix or vector"):
        read_vectors(tmp_path / "p.ark")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.npy: expected archive:offset or an .npy file"):
        read_vector(tmp_path / "no.npy")
    with pytest.raises(DataError, match=r"no \.npy file in this folder"):
        read_vectors(tmp_path)
    with pytest.raises(DataError, match=r"no\.ark"):
        read_vectors(tmp_path / "no.ark")


def test_vectors_get_length_one() -> None:
    vector = normalised(np.array([[[3, 4]]]), where="x", dim=2)
    assert vector.dtype == np.float32 and vector.tolist() == pytest.approx([0.6, 0.8])
    with pytest.raises(DataError, match="x: a vector of 192 values, expected 512"):
        normalised(np.ones(192), where="x", dim=512)
    with pytest.raises(DataError, match=r"x: expected one vector of numbers, got an array \(2, 3\)"):
        normalised(np.ones((2, 3)), where="x")
    for odd in (np.zeros(3), np.array([1.0, np.nan]), np.array([np.inf, 1.0])):
        with pytest.raises(DataError, match="has no direction"):
            normalised(odd, where="x")


def test_means_of_speakers_have_length_one() -> None:
    found = {"a-1": np.array([1.0, 0.0]), "a-2": np.array([0.0, 1.0]), "b-1": np.array([0.0, 1.0])}
    means = speaker_means(found, {"a-1": "a", "a-2": "a", "b-1": "b", "b-2": "b"})
    assert means["a"].tolist() == pytest.approx([0.5**0.5, 0.5**0.5]) and means["b"].tolist() == [0.0, 1.0]


def test_sounds_of_a_dir_of_pairs(data: DataDir) -> None:
    assert {u: ref.source for u, ref in sounds_of(data, "target").items()} == data.table("target.scp")
    assert {u: ref.source for u, ref in sounds_of(data, "source").items()} == data.table("wav.scp")
    (data.path / "target.scp").unlink()
    with pytest.raises(DataError, match=r"no target\.scp; only dirs of pairs"):
        sounds_of(DataDir(data.path), "target")
    write_table(data.path / "wav.scp", {"a-1": "/a1.wav"})
    with pytest.raises(DataError, match=r"'a-2' stands in only one of wav\.scp and the table of speakers \(2 such\)"):
        sounds_of(DataDir(data.path), "source")


def test_a_dir_without_utt2spk_has_a_speaker_an_utterance(tmp_path: Path) -> None:
    write_table(tmp_path / "wav.scp", {"x": "/x.wav", "y": "/y.wav"})
    assert opened(tmp_path).table("utt2spk") == {"x": "x", "y": "y"}
    write_table(tmp_path / "segments", {"x-1": "x 0 1", "x-2": "x 1 2"})
    assert opened(tmp_path).utterances == ["x-1", "x-2"]
    with pytest.raises(DataError, match="no such data dir"):
        opened(tmp_path / "nothing")


def test_voices_for_a_dir(data: DataDir) -> None:
    def given() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        return read_vectors(data.path / "xvector.scp"), read_vectors(data.path / "spk_xvector.scp")

    by_utterance = vectors("a-1", "a-2", "b-1", "b-2")
    assert give_voices(data, by_utterance) == 3
    each, means = given()
    assert each.keys() == {"a-1", "a-2", "b-1"} and (each["a-2"] == by_utterance["a-2"]).all()
    assert means.keys() == {"a", "b"}

    by_speaker = vectors("b", "c")
    give_voices(data, by_speaker, side="target")
    each, means = given()
    assert (each["a-1"] == by_speaker["b"]).all() and (each["b-1"] == by_speaker["c"]).all()
    assert means.keys() == {"b", "c"}

    one = vectors("anyone")
    give_voices(data, one)
    assert all((vector == one["anyone"]).all() for vector in given()[0].values())

    with pytest.raises(DataError, match="3 of 3 utterances have no vector, 'a-1' among them; the 2 vectors are named"):
        give_voices(data, by_speaker)


def test_voices_of_a_model_folder(tmp_path: Path) -> None:
    write_voices(tmp_path / "model", vectors("anna", "bea"))
    stored = voices_of(tmp_path / "model")
    assert list(stored) == ["anna", "bea"]
    assert (read_vector(stored["bea"]) == vectors("anna", "bea")["bea"]).all()
    assert write_voices(tmp_path / "one.npy", vectors("x")) == [tmp_path / "one.npy"]
    with pytest.raises(DataError, match="one file for 2 vectors"):
        write_voices(tmp_path / "two.npy", vectors("x", "y"))
    with pytest.raises(DataError, match=r"'\.\./x': a voice's name becomes a file name"):
        write_voices(tmp_path / "model", {"../x": np.ones(4)})


def test_voices_are_read_by_name(tmp_path: Path) -> None:
    np.save(tmp_path / "anna.npy", 2 * np.ones((1, 4)))
    (voice,) = read_voices(tmp_path / "anna.npy", dim=4).items()
    assert voice[0] == "anna" and voice[1].tolist() == [0.5] * 4
    assert list(read_voices(tmp_path / "anna.npy", name="narrator", dim=4)) == ["narrator"]
    np.save(tmp_path / "bea.npy", np.ones(4))
    assert list(read_voices(tmp_path, dim=4)) == ["anna", "bea"]
    assert list(read_voices(tmp_path, name="bea", dim=4)) == ["bea"]
    with pytest.raises(DataError, match="no 'bee' among 2 vectors; did you mean 'bea'"):
        read_voices(tmp_path, name="bee", dim=4)
    with pytest.raises(DataError, match=r"anna\.npy: 'anna': a vector of 4 values, expected 512"):
        read_voices(tmp_path / "anna.npy")
