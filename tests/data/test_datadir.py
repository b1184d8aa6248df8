"""Data dirs: opening, taking apart, joining; pipes and archives in wav.scp."""

from collections.abc import Callable
from pathlib import Path

import kaldiio
import numpy as np
import pytest

from speecht5_cli.data.audio import AudioRef, read_audio
from speecht5_cli.data.datadir import DataDir, combine, write_tables
from speecht5_cli.errors import DataError

Speech = Callable[..., Path]


@pytest.fixture
def segmented(tmp_path: Path, speech: Speech) -> DataDir:
    """Two recordings, three segments."""
    talk, other = speech("talk.wav", 4.0), speech("other.flac", 2.0)
    return write_tables(
        tmp_path / "data" / "segmented",
        {
            "utt2spk": {"cid-1": "cid", "cid-2": "cid", "dan-1": "dan"},
            "wav.scp": {"talk": str(talk), "other": str(other)},
            "segments": {"cid-1": "talk 0 1.5", "cid-2": "talk 1.5 4", "dan-1": "other 0.5 2"},
            "text": {"cid-1": "one", "cid-2": "two", "dan-1": "three"},
            "spk2gender": {"cid": "m", "dan": "m"},
            "reco2dur": {"talk": "4", "other": "2"},
        },
    )


def test_opening(good_dir: Path, tmp_path: Path) -> None:
    data = DataDir(good_dir)
    assert data.utterances == ["ann-1", "ann-2", "bob-1"]
    assert data.files() == ["spk2utt", "text", "utt2dur", "utt2spk", "wav.scp"]
    assert data.table("text")["ann-2"] == "guten Tag, Jürgen"
    assert data.durations() == dict.fromkeys(data.utterances, 1.5)
    with pytest.raises(DataError, match="no such data dir"):
        DataDir(tmp_path / "nowhere")
    with pytest.raises(DataError, match="has no utt2spk"):
        DataDir(tmp_path)


def test_segments_lead_into_recordings(segmented: DataDir) -> None:
    refs = segmented.audio()
    assert refs["cid-2"] == AudioRef(segmented.table("wav.scp")["talk"], 1.5, 4.0)
    assert {name: len(read_audio(ref)) for name, ref in refs.items()} == {
        "cid-1": 24_000,
        "cid-2": 40_000,
        "dan-1": 24_000,
    }
    assert segmented.durations() == {"cid-1": 1.5, "cid-2": 2.5, "dan-1": 1.5}


def test_a_malformed_segment_is_named(segmented: DataDir) -> None:
    (segmented.path / "segments").write_text("cid-1 talk 0 x\n")
    with pytest.raises(DataError, match=r"segments: cid-1: .*'talk 0 x'"):
        DataDir(segmented.path).audio()
    (segmented.path / "segments").write_text("cid-1 nothing 0 1\n")
    with pytest.raises(DataError, match=r"a recording of wav\.scp"):
        DataDir(segmented.path).audio()


def test_durations_come_from_headers_when_nothing_else_knows(good_dir: Path) -> None:
    (good_dir / "utt2dur").unlink()
    assert DataDir(good_dir).durations() == dict.fromkeys(("ann-1", "ann-2", "bob-1"), 1.5)


def test_durations_run_no_pipe_unasked(good_dir: Path, speech: Speech) -> None:
    pipe = f"cat {speech('piped.wav', 0.5)} |"
    (good_dir / "utt2dur").unlink()
    (good_dir / "wav.scp").write_text("".join(f"{name} {pipe}\n" for name in ("ann-1", "ann-2", "bob-1")))
    with pytest.raises(DataError, match="--allow-pipes"):
        DataDir(good_dir).durations()
    assert DataDir(good_dir).durations(allow_pipes=True)["bob-1"] == 0.5


def test_archives_in_wav_scp(good_dir: Path) -> None:
    waves = {name: np.full(800 * (i + 1), 16_384, np.int16) for i, name in enumerate(("ann-1", "ann-2", "bob-1"))}
    sounds = {name: (16_000, wave) for name, wave in waves.items()}
    kaldiio.save_ark(str(good_dir / "wav.ark"), sounds, scp=str(good_dir / "wav.scp"))
    (good_dir / "utt2dur").unlink()
    data = DataDir(good_dir)
    assert data.durations() == {"ann-1": 0.05, "ann-2": 0.1, "bob-1": 0.15}
    wave = read_audio(data.audio()["bob-1"])
    assert len(wave) == 2_400
    assert (wave == 0.5).all()


def test_relative_paths_are_found_from_anywhere(
    good_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kaldi means the folder where the recipe runs, which is a parent of the data dir."""
    lines = [f"{name} audio/{name}.wav\n" for name in ("ann-1", "ann-2", "bob-1")]
    (good_dir / "wav.scp").write_text("ann-0 audio/lost.wav\n" + "".join(lines))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for folder in (tmp_path, good_dir, elsewhere):
        monkeypatch.chdir(folder)
        data = DataDir(good_dir)
        assert len(read_audio(data.audio()["bob-1"])) == 24_000
    assert data.audio()["ann-0"].source == str(tmp_path / "audio/lost.wav")
    assert data.resolved(["/abs.wav", "sox x |"]) == ["/abs.wav", "sox x |"]
    assert data.resolved(["audio/ann-1.wav:12[0:3]"]) == [str(tmp_path / "audio/ann-1.wav:12[0:3]")]


def test_a_subset_has_only_its_own(segmented: DataDir, tmp_path: Path) -> None:
    (segmented.path / "units").write_text("cid-1 1 2\ncid-2 2\ndan-1 3\n")
    (segmented.path / "units.json").write_text("{}")
    (segmented.path / "rejected.tsv").write_text("x\ty\n")
    part = DataDir(segmented.path).subset(tmp_path / "part", ["cid-2", "cid-1"])
    assert part.utterances == ["cid-1", "cid-2"]
    assert part.table("spk2utt") == {"cid": "cid-1 cid-2"}
    assert part.table("units") == {"cid-1": "1 2", "cid-2": "2"}
    assert (part.path / "units.json").read_text() == "{}"
    assert not part.has("rejected.tsv")
    for name, keys in (("wav.scp", {"talk"}), ("reco2dur", {"talk"}), ("spk2gender", {"cid"})):
        assert part.table(name).keys() == keys
    with pytest.raises(DataError, match="no utterance 'eve-1'"):
        segmented.subset(tmp_path / "part", ["cid-1", "eve-1"])
    with pytest.raises(DataError, match="no utterance is left"):
        segmented.subset(tmp_path / "part", [])
    assert DataDir(tmp_path / "part").utterances == ["cid-1", "cid-2"]  # the failed calls changed nothing


def test_a_subset_elsewhere_still_finds_its_sound(
    good_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (good_dir / "wav.scp").write_text("".join(f"{name} audio/{name}.wav\n" for name in ("ann-1", "ann-2", "bob-1")))
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    monkeypatch.chdir(outside)
    part = DataDir(good_dir).subset(outside / "part", ["ann-1"])
    assert len(read_audio(part.audio()["ann-1"])) == 24_000


def test_split(good_dir: Path) -> None:
    assert DataDir(good_dir).split(2) == [["ann-1", "ann-2"], ["bob-1"]]
    assert len(DataDir(good_dir).split(9)) == 3


def test_joining(good_dir: Path, tmp_path: Path, speech: Speech) -> None:
    other = write_tables(
        tmp_path / "other",
        {"utt2spk": {"eve-1": "eve"}, "wav.scp": {"eve-1": str(speech("eve.wav"))}, "utt2lang": {"eve-1": "en"}},
    )
    joined, left_out = combine([DataDir(good_dir), other], tmp_path / "joined")
    assert joined.utterances == ["ann-1", "ann-2", "bob-1", "eve-1"]
    assert left_out == ["text", "utt2dur", "utt2lang"]
    assert joined.table("wav.scp")["eve-1"].endswith("eve.wav")
    with pytest.raises(DataError, match="'ann-1' is also in another"):
        combine([DataDir(good_dir), DataDir(good_dir)], tmp_path / "joined")


def test_joining_segments_with_whole_recordings(good_dir: Path, segmented: DataDir, tmp_path: Path) -> None:
    joined, left_out = combine([segmented, DataDir(good_dir)], tmp_path / "joined")
    assert joined.table("segments")["ann-1"] == "ann-1 0 1.500000"
    assert joined.table("segments")["dan-1"] == "other 0.5 2"
    assert {name: len(read_audio(ref)) for name, ref in joined.audio().items()}["bob-1"] == 24_000
    assert "reco2dur" in left_out


def test_labels_of_different_models_do_not_mix(good_dir: Path, segmented: DataDir, tmp_path: Path) -> None:
    for data, kmeans in ((DataDir(good_dir), "a"), (segmented, "b")):
        (data.path / "units").write_text("".join(f"{name} 1 2\n" for name in data.utterances))
        (data.path / "units.json").write_text(kmeans)
    with pytest.raises(DataError, match=r"units\.json: says something else"):
        combine([DataDir(good_dir), DataDir(segmented.path)], tmp_path / "joined")
