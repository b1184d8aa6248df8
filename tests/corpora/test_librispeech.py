"""LibriSpeech's layout: the reference trees, and oddities one by one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from speecht5_cli.corpora.libri_layout import read_speakers
from speecht5_cli.corpora.librispeech import PUBLISHED, prepare
from speecht5_cli.corpora.published import Published
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.validate import validate
from speecht5_cli.data.writer import DataDirReport
from speecht5_cli.errors import DataError, UsageError

WriteSound = Callable[..., Path]


@pytest.fixture
def trees(shared: Path) -> Path:
    return shared / "data" / "trees" / "librispeech"


def rejected(report: DataDirReport) -> dict[str, str]:
    return {item.id: item.reason for item in report.rejected}


def test_the_good_tree_loads_without_complaint(trees: Path, tmp_path: Path) -> None:
    expected = json.loads((trees / "expected.json").read_text())["good"]
    *sets, written = prepare(trees / "good", tmp_path)
    reports = {report.out.name.replace("_", "-"): report for report in sets}
    assert {name: report.n_kept for name, report in reports.items()} == expected["counts"]["utterances"]
    assert {name: report.n_speakers for name, report in reports.items()} == expected["counts"]["speakers"]
    assert all(report.rejected == () and not report.notes for report in reports.values())
    texts: dict[str, str] = {}
    for report in reports.values():
        texts |= DataDir(report.out).table("text")
        assert validate(report.out) == []
    assert texts == {utterance: text.lower() for utterance, text in expected["texts"].items()}
    assert DataDir(tmp_path / "dev_clean").table("spk2gender") == {"174": "m", "84": "f"}
    assert written.out.read_text().splitlines() == list(DataDir(tmp_path / "dev_clean").table("text").values())
    assert (written.n_lines, written.remarks) == (5, ["without dev-other, which is not there"])


def test_the_nasty_tree_comes_out_as_expected(trees: Path, tmp_path: Path) -> None:
    expected = json.loads((trees / "expected.json").read_text())["nasty"]
    (report, _) = prepare(trees / "nasty", tmp_path)
    out = DataDir(report.out)
    wanted = {name for kind in ("keep", "convert") for name, _ in expected[kind]}
    assert set(out.utterances) == wanted
    assert report.n_speakers == expected["counts"]["speakers_with_clean_utterances"]
    left_out = rejected(report)
    for name, why in expected["bad"]:
        assert any(name.rstrip("/") in one for one in left_out), (name, why)
    for name, why in expected["warn"]:  # the rule here: all of them are left out
        assert name in left_out, (name, why)
    for name, _ in expected["ignore"]:
        assert not any(name in one for one in left_out)
    notes = dict(report.notes) | dict.fromkeys(report.remarks, 1)
    for deviation in ("resampled from 44100 Hz", "down-mixed from 2 channels", ".wav"):
        assert any(deviation in note for note in notes), deviation
    assert out.table("text")["116-288047-0000"] == "the boat came in at last"
    assert out.table("text")["116-288045-0018"] == out.table("text")["116-288045-0019"] == "nobody had seen it before"
    assert not any(problem.severity == "error" for problem in validate(report.out))


def test_real_recordings_without_transcripts(shared: Path, tmp_path: Path) -> None:
    (report,) = prepare(shared / "data" / "LibriSpeech-251spk", tmp_path, with_text=False, check_audio=False)
    assert (report.n_kept, report.n_speakers, report.rejected) == (251, 251, ())
    assert not DataDir(report.out).has("text")


@pytest.fixture
def corpus(tmp_path: Path, write_sound: WriteSound) -> Path:
    """Two readers of dev-clean with two chapters each and two utterances in each."""
    root = tmp_path / "LibriSpeech"
    for reader in ("84", "1272"):
        for chapter in ("10", "9"):
            folder = root / "dev-clean" / reader / chapter
            for number in (0, 1):
                write_sound(folder / f"{reader}-{chapter}-{number:04d}.flac")
            lines = (f"{reader}-{chapter}-{number:04d} IT'S NUMBER {'OI'[number]}\n" for number in (0, 1))
            (folder / f"{reader}-{chapter}.trans.txt").write_text("".join(lines))
    (root / "SPEAKERS.TXT").write_text("; a comment\n84 | F | dev-clean | 8 | A | B\n1272 | M | dev-clean | 8 | C\n")
    return root


def test_reader_is_speaker_and_text_is_lower_case(corpus: Path, tmp_path: Path) -> None:
    (report, _) = prepare(corpus.parent, tmp_path / "data")  # the folder that holds LibriSpeech does as well
    out = DataDir(tmp_path / "data" / "dev_clean")
    assert out.table("utt2spk")["1272-9-0001"] == "1272"
    assert out.table("text")["84-10-0000"] == "it's number o"
    assert out.table("spk2gender") == {"84": "f", "1272": "m"}
    assert (report.n_kept, report.n_speakers, report.rejected) == (8, 2, ())
    assert report.remarks == (
        "8 recordings of 2 speakers are here, 2703 of 40 were published; is all of it unpacked?",
        "0.00 h are usable, 5.4 h were published; is all of it unpacked?",
    )


def test_a_complete_subset_has_no_remark(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PUBLISHED, "dev-clean", Published(8, 2, 0.0))
    (report, _) = prepare(corpus, tmp_path / "data")
    assert report.remarks == ()


def test_flac_goes_before_other_formats(corpus: Path, tmp_path: Path, write_sound: WriteSound) -> None:
    folder = corpus / "dev-clean" / "84" / "9"
    write_sound(folder / "84-9-0000.wav")
    (folder / "84-9-0001.flac").unlink()
    write_sound(folder / "84-9-0001.wav")
    (report, _) = prepare(corpus, tmp_path / "data")
    sources = DataDir(report.out).table("wav.scp")
    assert (Path(sources["84-9-0000"]).suffix, Path(sources["84-9-0001"]).suffix) == (".flac", ".wav")
    assert rejected(report) == {str(folder / "84-9-0000.wav"): "second audio file: 84-9-0000 has one already"}
    assert "1 recordings are .wav" in report.remarks[-1]


def test_a_transcript_given_twice(corpus: Path, tmp_path: Path) -> None:
    transcript = corpus / "dev-clean" / "84" / "9" / "84-9.trans.txt"
    transcript.write_text("84-9-0000 SAME\n84-9-0000 same \n84-9-0001 ONE\n84-9-0001 OTHER\n84-9-0001 ONE\n")
    (report, _) = prepare(corpus, tmp_path / "data")
    assert DataDir(report.out).table("text")["84-9-0000"] == "same"
    assert set(rejected(report)) == {"84-9-0001"}
    assert "two different transcripts" in rejected(report)["84-9-0001"]


def test_a_missing_reader_in_the_speaker_table(corpus: Path, tmp_path: Path) -> None:
    (corpus / "SPEAKERS.TXT").write_text("84 | F | dev-clean | 8 | A\n1272 | ? | dev-clean | 8 | C\n")
    (report, _) = prepare(corpus, tmp_path / "data")
    assert not (report.out / "spk2gender").exists()
    assert "no spk2gender: it would lack 1 speakers, such as 1272" in report.remarks


def test_a_malformed_speaker_table_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "SPEAKERS.TXT").write_text("; header\n84 F dev-clean\n")
    with pytest.raises(DataError, match=r"SPEAKERS\.TXT:2: expected 'reader \| sex"):
        read_speakers(tmp_path / "SPEAKERS.TXT")


def test_parts(corpus: Path, tmp_path: Path) -> None:
    for spelling in ("dev-clean", "dev_clean"):
        assert [report.out.name for report in prepare(corpus, tmp_path / "data", parts=[spelling])] == ["dev_clean"]
    with pytest.raises(UsageError, match="no part 'dev-clear'; did you mean 'dev-clean'"):
        prepare(corpus, tmp_path / "data", parts=["dev_clear"])
    with pytest.raises(DataError, match="has no test-clean; it has dev-clean"):
        prepare(corpus, tmp_path / "data", parts=["test-clean"])
    with pytest.raises(DataError, match="none of LibriSpeech's subsets"):
        prepare(corpus / "dev-clean", tmp_path / "data")


def test_the_transcripts_of_the_dev_sets_as_text(corpus: Path, tmp_path: Path) -> None:
    (corpus / "dev-clean").rename(corpus / "dev-other")
    (written,) = prepare(corpus, tmp_path / "data", parts=["text"])
    assert written.out == tmp_path / "data" / "text" / "dev.txt"
    assert sorted(written.out.read_text().splitlines()) == ["it's number i"] * 4 + ["it's number o"] * 4
    assert str(written).splitlines()[0].endswith("dev.txt: 8 lines, 24 words")
    (corpus / "dev-other").rename(corpus / "train-clean-100")
    with pytest.raises(DataError, match="has neither of dev-clean and dev-other for the text"):
        prepare(corpus, tmp_path / "data", parts=["text"])
    assert len(prepare(corpus, tmp_path / "data")) == 1


def test_the_layout_alone(corpus: Path, tmp_path: Path) -> None:
    """Without the audio check the sound is not opened."""
    (corpus / "dev-clean" / "84" / "9" / "84-9-0000.flac").write_bytes(b"")
    (report, _) = prepare(corpus, tmp_path / "data", check_audio=False)
    assert (report.n_kept, report.duration_s) == (8, None)
