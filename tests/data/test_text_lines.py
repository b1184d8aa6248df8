"""Plain text files of any size, line by line."""

import pickle
from pathlib import Path

import pytest

from speecht5_cli.data import text_lines
from speecht5_cli.data.text_lines import TextLines
from speecht5_cli.errors import DataError


def lines_of(path: Path, content: str | bytes) -> TextLines:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return TextLines(path)


def content(lines: TextLines) -> list[str]:
    return [lines.line(number) for number in range(len(lines))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo\n", ["one", "two"]),
        ("one\ntwo", ["one", "two"]),  # the last line end is missing
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("\n\none\n", ["", "", "one"]),
        (" one \t\n", ["one"]),
        ("grün\nسلام می\u200cروم\n", ["grün", "سلام می\u200cروم"]),
        ("", []),
        ("one\u2028still one\n", ["one\u2028still one"]),  # only \n ends a line
    ],
)
def test_lines(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert content(lines_of(tmp_path / "a.txt", text)) == expected


@pytest.mark.parametrize("block", [1, 2, 3, 7])
def test_line_ends_are_found_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(text_lines, "_BLOCK", block)
    expected = ["one", "", "three words here", "é", "five"]
    assert content(lines_of(tmp_path / "a.txt", "\n".join(expected))) == expected


def test_lengths_are_bytes_without_the_line_end(tmp_path: Path) -> None:
    assert lines_of(tmp_path / "a.txt", "one\n\nfour\né").lengths.tolist() == [3, 0, 4, 2]
    assert lines_of(tmp_path / "a.txt", "").lengths.tolist() == []


def test_in_any_order_and_in_a_worker(tmp_path: Path) -> None:
    lines = lines_of(tmp_path / "a.txt", "one\ntwo\nthree\n")
    assert [lines.line(number) for number in (2, 0, 1)] == ["three", "one", "two"]
    assert content(pickle.loads(pickle.dumps(lines))) == ["one", "two", "three"]


def test_what_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.txt:2: not UTF-8"):
        content(lines_of(tmp_path / "a.txt", b"good\nb\xe9\n"))
    with pytest.raises(DataError, match="no such text file"):
        TextLines(tmp_path / "none.txt")
    with pytest.raises(DataError, match="no such text file"):
        TextLines(tmp_path)
