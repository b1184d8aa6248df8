"""Where examples come from: utterances of data dirs, and lines of text files."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.datadir import write_tables
from speecht5_cli.data.rows import CHARACTERS_PER_S, LineRows, UtteranceRows
from speecht5_cli.data.tables import write_table
from speecht5_cli.errors import DataError


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """Three utterances of 0.1, 0.2 and 0.3 s."""
    return make(tmp_path / "one", {"a-1": 0.1, "a-2": 0.2, "b-1": 0.3})


def make(folder: Path, seconds: dict[str, float], **tables: dict[str, str]) -> Path:
    for utterance, duration_s in seconds.items():
        write_audio(folder.parent / "wav" / f"{utterance}.wav", np.full(round(16_000 * duration_s), duration_s))
    wav = {utterance: str(folder.parent / "wav" / f"{utterance}.wav") for utterance in seconds}
    texts = {utterance: f"text of {utterance}" for utterance in seconds}
    speakers = {utterance: utterance[0] for utterance in seconds}
    return write_tables(folder, {"wav.scp": wav, "text": texts, "utt2spk": speakers, **tables}).path


def ids(rows: UtteranceRows) -> list[str]:
    return [rows.id(number) for number in range(len(rows))]


def test_rows_of_several_dirs(one: Path, tmp_path: Path) -> None:
    two = make(tmp_path / "two", {"c-1": 0.5})
    rows = UtteranceRows([one, two], ("wav.scp", "text"))
    assert ids(rows) == ["a-1", "a-2", "b-1", "c-1"]
    assert rows.costs.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.5])
    row = rows.row(3)
    assert (row.id, row["text"], "text" in row, "wav.scp" in row, "units" in row) == (
        "c-1",
        "text of c-1",
        True,
        True,
        False,
    )
    assert row.audio().shape == (8000,)
    assert row.audio().dtype == np.float32
    assert row.audio().max() == pytest.approx(0.5, abs=1e-3)


def test_limits_of_length(one: Path) -> None:
    rows = UtteranceRows([one], ("wav.scp",), shortest=0.15, longest=0.25)
    assert (ids(rows), rows.left_out) == (["a-2"], 2)
    with pytest.raises(DataError, match=r"no utterance between 5 and 6 s"):
        UtteranceRows([one], ("wav.scp",), shortest=5, longest=6)


def test_only_some(one: Path) -> None:
    rows = UtteranceRows([one], ("wav.scp",), only={"b-1"})
    assert (ids(rows), rows.left_out) == (["b-1"], 0)


def test_durations_are_believed(one: Path) -> None:
    write_table(one / "utt2dur", {"a-1": "7", "a-2": "8", "b-1": "9"})
    assert UtteranceRows([one], ("wav.scp",)).costs.tolist() == [7, 8, 9]


def test_segments(tmp_path: Path) -> None:
    write_audio(tmp_path / "r.wav", np.linspace(-0.5, 0.5, 16_000))
    tables = {"wav.scp": {"r": str(tmp_path / "r.wav")}, "utt2spk": {"a-1": "a", "a-2": "a"}}
    tables["segments"] = {"a-1": "r 0.0 0.25", "a-2": "r 0.25 1.0"}
    rows = UtteranceRows([write_tables(tmp_path / "data", tables).path], ("wav.scp",))
    assert rows.costs.tolist() == [0.25, 0.75]
    assert rows.row(1).audio().shape == (12_000,)
    assert rows.row(1).audio()[0] == pytest.approx(-0.25, abs=1e-3)


def test_text_alone_is_measured_in_characters(tmp_path: Path) -> None:
    tables = {"utt2spk": {"a-1": "a", "a-2": "a"}, "text": {"a-1": "short", "a-2": "x" * 30}}
    rows = UtteranceRows([write_tables(tmp_path / "data", tables).path], ("text",))
    assert rows.costs.tolist() == pytest.approx([5 / CHARACTERS_PER_S, 2.0])


def test_optional_files(one: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.ones(3))
    vectors = dict.fromkeys(("a-1", "a-2", "b-1"), "v.npy")
    assert "xvector.scp" not in UtteranceRows([one], ("wav.scp",), optional=("xvector.scp",)).row(0)
    write_table(one / "xvector.scp", vectors)
    row = UtteranceRows([one], ("wav.scp",), optional=("xvector.scp",)).row(0)
    assert Path(row["xvector.scp"]).resolve() == tmp_path / "v.npy"  # relative to a parent of the dir


@pytest.mark.parametrize("name", ["text", "xvector.scp"])
def test_a_table_with_gaps(one: Path, name: str) -> None:
    write_table(one / name, {"a-1": "x"})
    with pytest.raises(DataError, match=rf"{name}: no line for 2 utterances, such as a-2"):
        UtteranceRows([one], ("wav.scp", name))


def test_a_missing_table(one: Path) -> None:
    with pytest.raises(DataError, match=r"text\.de"):
        UtteranceRows([one], ("wav.scp", "text.de"))


def test_wav_scp_with_gaps(one: Path) -> None:
    write_table(one / "wav.scp", {"a-1": "x.wav"})
    write_table(one / "utt2dur", {"a-1": "7", "a-2": "8", "b-1": "9"})
    with pytest.raises(DataError, match=r"wav\.scp: no sound for 2 utterances, such as a-2"):
        UtteranceRows([one], ("wav.scp",))


def test_utt2dur_with_gaps(one: Path) -> None:
    write_table(one / "utt2dur", {"a-1": "7"})
    with pytest.raises(DataError, match=r"no duration for 2 utterances, such as a-2"):
        UtteranceRows([one], ("wav.scp",))


def test_a_sound_that_is_lost_names_its_utterance(one: Path, tmp_path: Path) -> None:
    rows = UtteranceRows([one], ("wav.scp",))
    (tmp_path / "wav" / "a-2.wav").unlink()
    with pytest.raises(DataError, match=r"^utterance a-2: .*a-2\.wav"):
        rows.row(1).audio()


def test_pipes_need_an_allowance(one: Path, tmp_path: Path) -> None:
    command = f"cat {tmp_path}/wav/a-1.wav |"
    write_table(one / "wav.scp", dict.fromkeys(("a-1", "a-2", "b-1"), command))
    write_table(one / "utt2dur", dict.fromkeys(("a-1", "a-2", "b-1"), "0.1"))
    with pytest.raises(DataError, match=r"utterance a-1: .*allow"):
        UtteranceRows([one], ("wav.scp",)).row(0).audio()
    (one / "utt2dur").unlink(missing_ok=True)  # then the length comes from the pipe, too
    assert len(UtteranceRows([one], ("wav.scp",), allow_pipes=True).row(0).audio()) == 1600


def test_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\nthree and more\n")
    (tmp_path / "b.txt").write_text("four\n")
    rows = LineRows([tmp_path / "a.txt", tmp_path / "b.txt"], longest=10)
    assert (len(rows), rows.left_out) == (2, 2)  # an empty line and a long one
    assert [rows.id(number) for number in range(2)] == ["a.txt:1", "b.txt:1"]
    assert [rows.row(number)["text"] for number in range(2)] == ["one", "four"]
    assert rows.costs.tolist() == [3, 4]
    assert "wav.scp" not in rows.row(0)


def test_lines_with_faults(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n")
    with pytest.raises(DataError, match="no line of at most"):
        LineRows([tmp_path / "a.txt"])
    with pytest.raises(DataError, match="no text file is given"):
        LineRows([])


def test_rows_travel_to_workers(one: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    rows = UtteranceRows([one], ("wav.scp", "text"))
    assert pickle.loads(pickle.dumps(rows)).row(2).id == "b-1"
    lines = LineRows([tmp_path / "a.txt"])
    lines.row(0)  # opens the file
    assert pickle.loads(pickle.dumps(lines)).row(1)["text"] == "two"
