"""Features by utterance: computed on the way, written to archives by shards, read again."""

import json
import os
import pickle
import shutil
from functools import partial
from pathlib import Path

import kaldiio
import numpy as np
import pytest

from speecht5_cli.data.archives import read_matrix, write_archive
from speecht5_cli.data.audio import AudioRef, write_audio
from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.data.feature_source import (
    ComputedFeatures,
    Extract,
    JoinedFeatures,
    extract_log_mel,
    extract_mfcc,
    layer_info,
    log_mel_info,
    mfcc_info,
)
from speecht5_cli.data.feature_store import FeatureFolder, write_features
from speecht5_cli.data.features import log_mel, mfcc
from speecht5_cli.data.frames import n_unit_frames
from speecht5_cli.errors import DataError


def wave(seconds: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(int(seconds * 16_000)) * 0.1).astype(np.float32)


@pytest.fixture
def data_dir(tmp_path: Path) -> DataDir:
    scp = {}
    for number in range(11):
        path = tmp_path / "wav" / f"{number}.wav"
        write_audio(path, wave(0.1 + 0.05 * (number % 4), number))
        scp[f"s-{number:02}"] = str(path)
    return write_tables(tmp_path / "data", {"wav.scp": scp, "utt2spk": dict.fromkeys(scp, "s")})


def just(extract: Extract) -> Extract:
    return extract


def fake_layer(waves: list[np.ndarray]) -> list[np.ndarray]:
    """(T, 2) of a model that counts its frames and sums its input; like a real one, it sees batches."""
    longest = max(map(len, waves))
    assert len(waves) * longest <= 80 * 16_000 or len(waves) == 1
    return [np.stack([np.arange(n_unit_frames(len(w))), np.full(n_unit_frames(len(w)), w.sum())], 1) for w in waves]


def infinite(waves: list[np.ndarray]) -> list[np.ndarray]:
    return [log_mel(wave) * np.inf for wave in waves]


def refuse() -> Extract:
    raise AssertionError("nothing is left to compute")


def test_written_features_are_those_of_the_sound(data_dir: DataDir, tmp_path: Path) -> None:
    out = tmp_path / "mfcc"
    n_frames = write_features(data_dir, out, mfcc_info(), partial(just, extract_mfcc))
    folder = FeatureFolder(out)
    assert folder.info == mfcc_info()
    assert folder.utterances == data_dir.utterances
    total = 0
    for utterance, features in folder.read(folder.utterances):
        stored = kaldiio.load_mat(DataDir(data_dir.path).table("wav.scp")[utterance])[1]
        np.testing.assert_array_equal(features, mfcc(stored / np.float32(32768)))
        assert (out / "utt2num_frames").read_text().count(f"{utterance} {len(features)}\n") == 1
        total += len(features)
    assert n_frames == total
    assert {len(matrix) for matrix in kaldiio.load_scp(str(out / "feats.scp")).values()} == {8, 13, 18, 23}


def test_number_of_processes_does_not_change_features(data_dir: DataDir, tmp_path: Path) -> None:
    for nj in (1, 2):
        write_features(data_dir, tmp_path / str(nj), log_mel_info(), partial(just, extract_log_mel), nj=nj)
    one, two = FeatureFolder(tmp_path / "1"), FeatureFolder(tmp_path / "2")
    for (_, a), (_, b) in zip(one.read(one.utterances), two.read(two.utterances), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)  # the order of BLAS's sums depends on its threads


def test_a_folder_may_move(data_dir: DataDir, tmp_path: Path) -> None:
    write_features(data_dir, tmp_path / "old", log_mel_info(), partial(just, extract_log_mel))
    shutil.move(tmp_path / "old", tmp_path / "new")
    folder = FeatureFolder(tmp_path / "new")
    assert len(list(folder.read(folder.utterances))) == 11
    with pytest.raises(DataError, match="no utterance 's-99'"):
        next(folder.read(["s-99"]))


def test_an_interrupted_run_goes_on(data_dir: DataDir, tmp_path: Path) -> None:
    out = tmp_path / "feats"
    (tmp_path / "wav/10.wav").rename(tmp_path / "wav/gone")
    with pytest.raises(DataError, match=r"utterance s-10: .*no such file"):
        write_features(data_dir, out, log_mel_info(), partial(just, extract_log_mel))
    (tmp_path / "wav/gone").rename(tmp_path / "wav/10.wav")
    done = {path: path.stat().st_mtime_ns for path in out.glob("feats.*.ark")}
    assert len(done) == 3
    assert not (out / "feats.scp").exists()
    write_features(data_dir, out, log_mel_info(), partial(just, extract_log_mel))
    assert done.items() <= {path: path.stat().st_mtime_ns for path in out.glob("feats.*.ark")}.items()
    assert len(FeatureFolder(out).utterances) == 11
    assert not list(out.glob(".feats*"))


def test_other_features_are_no_continuation(data_dir: DataDir, tmp_path: Path) -> None:
    out = tmp_path / "feats"
    (tmp_path / "wav/10.wav").rename(tmp_path / "wav/gone")
    with pytest.raises(DataError):
        write_features(data_dir, out, log_mel_info(), partial(just, extract_log_mel))
    (tmp_path / "wav/gone").rename(tmp_path / "wav/10.wav")
    write_features(data_dir, out, mfcc_info(), partial(just, extract_mfcc))
    folder = FeatureFolder(out)
    assert all(features.shape[1] == 39 for _, features in folder.read(folder.utterances))


def test_arks_of_more_shards_are_removed(data_dir: DataDir, tmp_path: Path) -> None:
    out = tmp_path / "feats"
    write_features(data_dir, out, log_mel_info(), partial(just, extract_log_mel), nj=2)
    assert len(list(out.glob("feats.*.ark"))) == 8
    write_features(data_dir, out, log_mel_info(), partial(just, extract_log_mel), nj=1)
    assert len(list(out.glob("feats.*.ark"))) == 4


def test_batches_do_not_mix_up_utterances(data_dir: DataDir) -> None:
    source = ComputedFeatures(data_dir.audio(), layer_info(2, model="0" * 16, layer=6), partial(just, fake_layer))
    sums = {utterance: features[0, 1] for utterance, features in source.read(reversed(data_dir.utterances))}
    assert list(sums) == list(reversed(data_dir.utterances))
    for utterance, (_, features) in zip(data_dir.utterances, source.read(data_dir.utterances), strict=True):
        assert features[0, 1] == sums[utterance]


def test_long_utterances_get_batches_of_their_own(tmp_path: Path) -> None:
    seconds = {"a": 30.0, "b": 1.0, "c": 45.0, "d": 2.0, "e": 90.0}
    for name, duration in seconds.items():
        write_audio(tmp_path / f"{name}.wav", np.zeros(int(duration * 16_000), np.float32))
    refs = {name: AudioRef(str(tmp_path / f"{name}.wav")) for name in seconds}
    found = dict(ComputedFeatures(refs, layer_info(2, model="0", layer=1), partial(just, fake_layer)).read(seconds))
    assert {name: len(features) for name, features in found.items()} == {
        name: n_unit_frames(int(duration * 16_000)) for name, duration in seconds.items()
    }


def test_a_source_knows_its_frames_and_has_parts(data_dir: DataDir, tmp_path: Path) -> None:
    """Computed or stored, alone or joined; a part survives the way to another process."""
    write_features(data_dir, tmp_path / "mfcc", mfcc_info(), partial(just, extract_mfcc))
    stored = FeatureFolder(tmp_path / "mfcc")
    computed = ComputedFeatures(data_dir.audio(), mfcc_info(), partial(just, extract_mfcc))
    expected = dict(stored.read(stored.utterances))
    halves = [stored.part(data_dir.utterances[:6]), computed.part(data_dir.utterances[6:])]
    for source in (stored, computed, JoinedFeatures(halves)):
        assert source.utterances == data_dir.utterances
        assert {id_: source.n_frames(id_) for id_ in expected} == {id_: len(found) for id_, found in expected.items()}
        wanted = [data_dir.utterances[number] for number in (9, 2)]
        part = pickle.loads(pickle.dumps(source.part(wanted)))
        assert part.utterances == sorted(wanted) and part.info == mfcc_info()
        assert [id_ for id_, _ in part.read(wanted)] == wanted
        for id_, found in part.read(wanted):
            np.testing.assert_array_equal(found, expected[id_])
    (tmp_path / "mfcc/utt2num_frames").write_text("s-01 many\n")
    for id_ in ("s-00", "s-01"):
        with pytest.raises(DataError, match=f"utt2num_frames: no number of frames for utterance '{id_}'"):
            FeatureFolder(tmp_path / "mfcc").n_frames(id_)


def test_computing_refuses_what_is_wrong(data_dir: DataDir, tmp_path: Path) -> None:
    write_audio(tmp_path / "short.wav", wave(0.02, 0))
    refs = {"s-short": AudioRef(str(tmp_path / "short.wav"))}
    with pytest.raises(DataError, match="utterance s-short: 320 samples are too few for mfcc"):
        next(ComputedFeatures(refs, mfcc_info(), partial(just, extract_mfcc)).read(refs))
    with pytest.raises(
        DataError, match=r"utterance s-00: mfcc features \(7, 80\), expected \(8, 39\) for 1600 samples"
    ):
        next(ComputedFeatures(data_dir.audio(), mfcc_info(), partial(just, extract_log_mel)).read(["s-00"]))
    broken = ComputedFeatures(data_dir.audio(), log_mel_info(), partial(just, infinite))
    with pytest.raises(DataError, match=r"s-00: .*not finite"):
        next(broken.read(["s-00"]))


def test_a_folder_without_or_with_wrong_json(data_dir: DataDir, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file; `speecht5 features` makes it"):
        FeatureFolder(tmp_path)
    out = tmp_path / "feats"
    write_features(data_dir, out, log_mel_info(), partial(just, extract_log_mel))
    info = json.loads((out / "feats.json").read_text())
    (out / "feats.json").write_text(json.dumps(info | {"dim": 40}))
    with pytest.raises(DataError, match=r"s-00: features of 80 values, but .*feats\.json says 40"):
        next(FeatureFolder(out).read(["s-00"]))
    (out / "feats.json").write_text(json.dumps(info | {"rate": 50}))
    with pytest.raises(DataError, match=r"feats\.json\.rate: unknown key"):
        FeatureFolder(out)


def test_archives_hold_matrices_and_nothing_else(tmp_path: Path) -> None:
    archive = tmp_path / "a.ark"
    places = write_archive(archive, [("ä", np.ones((3, 2), np.float32)), ("b", np.zeros((4, 2), np.float32))])
    assert {key: n for key, (_, n) in places.items()} == {"ä": 3, "b": 4}
    for key, matrix in kaldiio.load_ark(str(archive)):
        np.testing.assert_array_equal(read_matrix(f"{archive}:{places[key][0]}"), matrix)
    with pytest.raises(DataError, match="expected a matrix"):
        read_matrix(f"{archive}:0")
    marker = tmp_path / "ran"
    for source in (f"touch {marker} |", f"touch {marker} |:0", str(archive)):
        with pytest.raises(DataError):
            read_matrix(source)
    assert not marker.exists()
    kaldiio.save_ark(str(archive), {"x": np.ones(3, np.float32)})
    with pytest.raises(DataError, match="expected a matrix"):
        read_matrix(f"{archive}:2")


@pytest.mark.skipif(os.name == "nt", reason="a pickle is a pickle everywhere, the path is not")
def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    kaldiio.save_ark(str(tmp_path / "p.ark"), {"x": {"a": 1}}, write_function="pickle")
    with pytest.raises(DataError, match="expected a matrix"):
        read_matrix(f"{tmp_path / 'p.ark'}:2")
