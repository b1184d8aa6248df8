"""The LM text: the reference files, oddities, and blocks against lines."""

import gzip
import json
from hashlib import sha256
from pathlib import Path

import pytest

from speecht5_cli.corpora import librispeech_lm
from speecht5_cli.corpora.librispeech_lm import prepare
from speecht5_cli.errors import DataError, UsageError


@pytest.fixture
def trees(shared: Path) -> Path:
    return shared / "data" / "trees" / "librispeech_lm"


def test_the_good_text(trees: Path, tmp_path: Path) -> None:
    expected = json.loads((trees / "expected.json").read_text())["good"]["counts"]
    (report,) = prepare(trees / "good", tmp_path)
    text = (tmp_path / "text" / "train.txt").read_text()
    assert (report.n_lines, report.n_words, report.rejected.total()) == (expected["lines"], expected["words"], 0)
    assert len(set(text.split())) == expected["vocabulary"]
    assert sorted(set(text.upper()) - {"\n"}) == expected["characters"]
    assert sha256(text.upper().encode()).hexdigest() == expected["sha256_of_text"]
    assert not (tmp_path / "text" / "train.rejected.tsv").exists()


def test_the_nasty_text(trees: Path, tmp_path: Path) -> None:
    expected = json.loads((trees / "expected.json").read_text())["nasty"]
    (report,) = prepare(trees / "nasty", tmp_path)
    lines = (tmp_path / "text" / "train.txt").read_text().split("\n")
    assert lines == [
        "the first plain line",  # 1
        "a line with crlf",
        "two blanks inside",  # 5
        "leading tab and trailing blank",
        "lower case line",
        "line separator inside",  # 11
        "next line inside",
        "vertical tab and file separator",
        "the first plain line",  # 15
        "don't 'tis o'clock",
        "last line without newline",  # 20
        "",
    ]
    left_out = dict(line.split("\t") for line in (tmp_path / "text" / "train.rejected.tsv").read_text().splitlines())
    assert set(left_out) == {f"line {number}" for number in (3, 4, 8, 9, 10, 14, 17, 18, 19)}
    assert report.n_lines + report.rejected.total() == expected["counts"]["lines_split_at_newline_only"]
    assert report.n_lines + report.rejected.total() - report.rejected["empty"] == expected["counts"]["lines_non_empty"]
    assert "not UTF-8" in left_out["line 9"]
    assert left_out["line 10"] == "foreign characters: é (U+00E9)"
    assert report.remarks[:2] == [
        "1 lines with letters in lower case, which all of them become",
        "3 lines with unusual blanks, which became plain ones",
    ]
    assert "9 left out" in str(report) and "4 x foreign characters" in str(report)


def test_two_gzip_members_are_one_text(trees: Path, tmp_path: Path) -> None:
    (report,) = prepare(trees / "nasty" / "two_members.txt.gz", tmp_path)
    assert (report.n_lines, report.rejected.total()) == (200, 0)


@pytest.mark.parametrize(
    ("name", "message"),
    [("truncated", "ends early; the download"), ("not_gzip", "not readable as gzip"), ("empty", "the file is empty")],
)
def test_damaged_files_leave_nothing(trees: Path, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        prepare(trees / "nasty" / f"{name}.txt.gz", tmp_path)
    assert not list(tmp_path.rglob("*.t*"))


def test_blocks_give_what_lines_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the blocks fall, and whether or not a block is plain."""
    content = b"ONE TWO\n\nIT'S THREE\n" * 5 + b"FOUR  FIVE \nSIX\n" * 3 + b"SEVEN"
    wanted = b"one two\nit's three\n" * 5 + b"four five\nsix\n" * 3 + b"seven\n"
    (tmp_path / "text.txt").write_bytes(content)
    for size in (1, 7, 20, 64, 1 << 20):
        monkeypatch.setattr(librispeech_lm, "_BLOCK", size)
        (report,) = prepare(tmp_path / "text.txt", tmp_path / "out")
        assert (tmp_path / "out" / "text" / "train.txt").read_bytes() == wanted
        assert (report.n_lines, report.n_words, report.rejected["empty"]) == (17, 2 * 10 + 3 * 3 + 1, 5)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"\xef\xbb\xbfMARK AT THE START", "mark at the start"),
        (b"RETURN\rINSIDE", "return inside"),
        (b"NO\xc2\xa0BREAK", "no break"),
        ("QUOTE ’S".encode(), None),  # a typographic apostrophe is another character
        ("COMBINING E\u0301".encode(), None),
        (b"ZERO\xe2\x80\x8bWIDTH", None),
        (b"A" * 101, None),
        (b"A" * 100, "a" * 100),
        (b"AB " * 1700, None),
        (b"<s> LINE </s>", None),
    ],
)
def test_odd_lines(tmp_path: Path, line: bytes, kept: str | None) -> None:
    (tmp_path / "text.txt").write_bytes(line + b"\nPLAIN\n")
    prepare(tmp_path / "text.txt", tmp_path)
    lines = (tmp_path / "text" / "train.txt").read_text().splitlines()
    assert lines == ([kept, "plain"] if kept else ["plain"])


def test_a_list_of_earlier_faults_does_not_stay(tmp_path: Path) -> None:
    source = tmp_path / "text.txt"
    source.write_text("1914\nGOOD\n")
    (report,) = prepare(source, tmp_path)
    assert report.rejected_file.exists()
    source.write_text("GOOD\n")
    (report,) = prepare(source, tmp_path)
    assert not report.rejected_file.exists()


def test_where_the_text_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither a file nor a folder with librispeech-lm-norm\.txt\.gz"):
        prepare(tmp_path, tmp_path)
    (tmp_path / "librispeech-lm-norm.txt").write_text("UNPACKED\n")
    assert prepare(tmp_path, tmp_path / "out")[0].n_lines == 1
    with gzip.open(tmp_path / "librispeech-lm-norm.txt.gz", "wb") as packed:
        packed.write(b"PACKED\nTOO\n")
    assert prepare(tmp_path, tmp_path / "out")[0].n_lines == 2
    with pytest.raises(UsageError, match="no part 'train'"):
        prepare(tmp_path, tmp_path, parts=["train"])
