"""LibriTTS's layout: the reference tree, and oddities one by one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from speecht5_cli.corpora.libritts import prepare
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.writer import DataDirReport
from speecht5_cli.errors import DataError, UsageError

WriteSound = Callable[..., Path]


def rejected(report: DataDirReport) -> dict[str, str]:
    return {item.id: item.reason for item in report.rejected}


def test_the_good_tree_loads_without_complaint(shared: Path, tmp_path: Path, accepted: Callable) -> None:
    tree = shared / "data" / "trees" / "libritts"
    expected = json.loads((tree / "expected.json").read_text())["good"]
    reports = {report.out.name.replace("_", "-"): report for report in prepare(tree / "good", tmp_path)}
    assert {name: report.n_kept for name, report in reports.items()} == expected["counts"]["utterances"]
    assert {name: report.n_speakers for name, report in reports.items()} == expected["counts"]["speakers"]
    texts: dict[str, str] = {}
    for report in reports.values():
        assert report.rejected == () and set(report.notes) == {"resampled from 24000 Hz"}
        assert accepted(report.out)
        texts |= DataDir(report.out).table("text")
    assert texts == {name.replace("_", "-", 1): text for name, text in expected["texts"].items()}
    assert DataDir(tmp_path / "dev_clean").table("spk2gender") == {"174": "m", "84": "f"}


@pytest.fixture
def chapter(tmp_path: Path, write_sound: WriteSound) -> Path:
    """A chapter of dev-clean with three utterances; reader 8 makes the order of 84 and 8 matter."""
    for reader in ("84", "8"):
        folder = tmp_path / "LibriTTS" / "dev-clean" / reader / "12"
        for number in range(3):
            stem = f"{reader}_12_00000{number}_000000"
            write_sound(folder / f"{stem}.wav", rate=24_000)
            (folder / f"{stem}.normalized.txt").write_text(f"Number {number}, please.")
            (folder / f"{stem}.original.txt").write_text(f"No. {number}, please.")
    return tmp_path / "LibriTTS" / "dev-clean" / "84" / "12"


def run(chapter: Path, **options: object) -> tuple[DataDir, DataDirReport]:
    (report,) = prepare(chapter.parents[3], chapter.parents[3] / "data", **options)  # type: ignore[arg-type]
    return DataDir(report.out), report


def test_ids_start_with_the_reader(chapter: Path, accepted: Callable) -> None:
    out, report = run(chapter)
    assert out.utterances[:1] + out.utterances[-1:] == ["8-12_000000_000000", "84-12_000002_000000"]
    assert accepted(report.out)
    assert report.remarks[0].startswith("6 recordings of 2 speakers are here, 5736 of 40 were published")
    out, _ = run(chapter, transcript="original")
    assert out.table("text")["84-12_000001_000000"] == "No. 1, please."


def test_texts_with_oddities(chapter: Path) -> None:
    texts = {
        "84_12_000000_000000": '\ufeff"Unbalanced\r\n'.encode(),
        "84_12_000001_000000": b"CAF\xc9",
        "84_12_000002_000000": b" \n",
    }
    for stem, content in texts.items():
        (chapter / f"{stem}.normalized.txt").write_bytes(content)
    out, report = run(chapter)
    assert out.table("text")["84-12_000000_000000"] == '"Unbalanced'
    assert "not UTF-8" in rejected(report)["84_12_000001_000000"]
    assert rejected(report)["84-12_000002_000000"] == "empty text"


def test_a_separator_inside_a_text_becomes_a_blank(chapter: Path) -> None:
    (chapter / "84_12_000000_000000.normalized.txt").write_text("one\u2028two\tthree\n", encoding="utf-8")
    out, report = run(chapter)
    assert out.table("text")["84-12_000000_000000"] == "one two three"
    assert report.notes["unusual blanks in the text"] == 1


def test_files_without_their_partner(chapter: Path) -> None:
    (chapter / "84_12_000000_000000.wav").unlink()
    (chapter / "84_12_000001_000000.normalized.txt").unlink()
    out, report = run(chapter)
    assert [name for name in out.utterances if name.startswith("84")] == ["84-12_000002_000000"]
    assert "no audio file" in rejected(report)["84_12_000000_000000"]
    assert "no transcript" in rejected(report)["84_12_000001_000000"]


def test_files_that_do_not_belong_here(chapter: Path, write_sound: WriteSound) -> None:
    write_sound(chapter / "84_13_000000_000000.wav")
    (chapter / "84_13_000000_000000.normalized.txt").write_text("x")
    write_sound(chapter / "84_12_000000_000000.flac")
    (chapter / "._84_12_000001_000000.wav").touch()
    (chapter / "84_12.trans.tsv").write_text('84_12_000000_000000\t"x\t"x\n')
    write_sound(chapter.parent / "12 copy" / "84_12_000000_000000.wav")
    write_sound(chapter.parents[1] / "notes" / "1" / "x.wav")
    out, report = run(chapter)
    assert len(out.utterances) == 6
    assert rejected(report) == {
        str(chapter / "84_13_000000_000000.wav"): "id of another chapter: 84_13_000000_000000 lies among 84_12_*",
        str(chapter / "84_12_000000_000000.flac"): "second audio file: another one has the same name",
        "dev-clean/84/12 copy": "folder of no chapter: its name is no number",
        "dev-clean/notes": "folder of no reader: its name is no number",
    }


def test_damaged_sound(chapter: Path, write_sound: WriteSound) -> None:
    (chapter / "84_12_000000_000000.wav").write_bytes(b"")
    write_sound(chapter / "84_12_000001_000000.wav", level=0)
    cut = chapter / "84_12_000002_000000.wav"
    cut.write_bytes(cut.read_bytes()[:30])
    _, report = run(chapter)
    reasons = rejected(report)
    assert [reasons[f"84-12_00000{number}_000000"].partition(":")[0] for number in range(3)] == [
        "empty audio file",
        "silent",
        "unreadable audio",
    ]


def test_parts(chapter: Path, tmp_path: Path) -> None:
    out, _ = run(chapter, parts=["dev_clean"])
    assert out.path.name == "dev_clean"
    with pytest.raises(UsageError, match="no part 'dev-cleam'; did you mean 'dev-clean'"):
        run(chapter, parts=["dev-cleam"])
    with pytest.raises(DataError, match="has no test-clean; it has dev-clean"):
        run(chapter, parts=["test-clean"])
    with pytest.raises(DataError, match="none of LibriTTS's subsets"):
        prepare(chapter, tmp_path / "data")
