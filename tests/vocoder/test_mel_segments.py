"""Pieces of speech and their log-mels: in step to the sample, wherever they are cut."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from speecht5_cli.data.archives import write_archive
from speecht5_cli.data.audio import read_audio
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.feature_source import extract_log_mel, log_mel_info
from speecht5_cli.data.feature_store import write_features
from speecht5_cli.data.features import log_mel
from speecht5_cli.data.mel_segments import drawn_pieces, read_pieces, spoken_in
from speecht5_cli.data.metadata import write_metadata
from speecht5_cli.data.predicted_mels import LogMelFolder
from speecht5_cli.data.tables import write_table
from speecht5_cli.errors import ConfigError, DataError

N = 8


def write_mels(folder: Path, mels: dict[str, np.ndarray]) -> None:
    places = write_archive(folder / "feats.1.ark", mels.items())
    write_table(folder / "feats.scp", {key: f"{folder}/feats.1.ark:{at}" for key, (at, _) in places.items()})


def test_a_piece_is_cut_out_of_the_whole(vowels: Path) -> None:
    spoken = spoken_in([DataDir(vowels)])[3]
    wave = read_audio(spoken.ref)
    mels = log_mel(wave)
    last = spoken.n_frames - N
    for start in (0, 1, 2, 5, last - 1, last):
        mel, sound = spoken.piece(start, N)
        np.testing.assert_allclose(mel, mels[start : start + N], atol=1e-5)
        np.testing.assert_array_equal(sound, wave[start * 256 : (start + N) * 256])


def test_what_is_too_short_is_followed_by_silence(vowels: Path) -> None:
    spoken = spoken_in([DataDir(vowels)])[0]
    mel, sound = spoken.piece(0, 60)
    assert mel.shape == (60, 80)
    assert sound.shape == (60 * 256,)
    assert not sound[int(spoken.duration_s * 16_000) + 1 :].any()
    assert mel[-1].max() == pytest.approx(-10)


def test_batches_depend_on_seed_and_step_alone(vowels: Path) -> None:
    spoken = spoken_in([DataDir(vowels)])
    from_start = drawn_pieces(spoken, n_frames=N, batch_size=4, seed=1)
    first, second = next(from_start), next(from_start)
    assert next(drawn_pieces(spoken, n_frames=N, batch_size=4, seed=1, first_step=1)) == second != first
    assert next(drawn_pieces(spoken, n_frames=N, batch_size=4, seed=2)) != first
    ((mels, waves),) = read_pieces([first])
    assert mels.shape == (4, N, 80)
    assert waves.shape == (4, N * 256)


def test_predicted_mels_keep_step_with_the_sound(vowels: Path, tmp_path: Path) -> None:
    names = DataDir(vowels).utterances[:5]
    waves = {name: read_audio(str(vowels / f"wav/{name}.wav")) for name in names}
    write_mels(tmp_path, {name: log_mel(wave)[:-1] + 0.25 for name, wave in waves.items()})
    spoken = spoken_in([DataDir(vowels)], mels=LogMelFolder(tmp_path))
    assert [one.id for one in spoken] == names
    for start in (0, 4, 1000):  # a place behind the end is moved to the end
        mel, sound = spoken[2].piece(start, N)
        wave = waves[names[2]]
        start = min(start, len(log_mel(wave)) - 1 - N)
        np.testing.assert_allclose(mel, log_mel(wave)[start : start + N] + 0.25, atol=1e-5)
        np.testing.assert_array_equal(sound, wave[start * 256 : (start + N) * 256])


def test_a_prediction_of_another_length_is_refused_with_both(vowels: Path, tmp_path: Path) -> None:
    name = DataDir(vowels).utterances[0]
    write_mels(tmp_path, {name: np.zeros((99, 80), np.float32)})
    (spoken,) = spoken_in([DataDir(vowels)], mels=LogMelFolder(tmp_path))
    for look in (spoken.whole, lambda: spoken.piece(0, N)):
        with pytest.raises(DataError, match=r"ann-00: the predicted log-mel has 99 frames, the sound 2[56];"):
            look()


def test_a_moved_folder_is_found(vowels: Path, tmp_path: Path) -> None:
    data = DataDir(vowels)
    write_features(data, tmp_path / "before", log_mel_info(), lambda: extract_log_mel)
    (tmp_path / "before").rename(tmp_path / "after")
    name = data.utterances[1]
    np.testing.assert_array_equal(
        LogMelFolder(tmp_path / "after").read(name), log_mel(read_audio(str(vowels / f"wav/{name}.wav")))
    )


def _other_settings(folder: Path) -> None:
    info = log_mel_info()
    write_metadata(folder / "feats.json", {**vars(info), "settings": {**info.settings, "low_hz": 0.0}})


def _other_kind(folder: Path) -> None:
    write_metadata(folder / "feats.json", {**vars(log_mel_info()), "kind": "mfcc"})


@pytest.mark.parametrize(
    ("spoil", "what"),
    [(_other_settings, r"low_hz: 0\.0, ours 80\.0"), (_other_kind, "kind 'mfcc', expected 'logmel'")],
)
def test_other_features_are_refused(spoil: Callable[[Path], None], what: str, tmp_path: Path) -> None:
    write_mels(tmp_path, {"a": np.zeros((9, 80), np.float32)})
    assert "a" in LogMelFolder(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ConfigError, match=what):
        LogMelFolder(tmp_path)


def test_folders_and_matrices_that_are_none(vowels: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no feats\.scp"):
        LogMelFolder(tmp_path)
    write_mels(tmp_path, {"a": np.zeros((9, 40), np.float32)})
    with pytest.raises(DataError, match="utterance a: features of 40 values, expected 80"):
        LogMelFolder(tmp_path).read("a")
    with pytest.raises(DataError, match="no utterance with a log-mel in"):
        spoken_in([DataDir(vowels)], mels=LogMelFolder(tmp_path))
