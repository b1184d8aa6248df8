"""Kaldi tables and shards."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speecht5_cli.data.datadir import shards
from speecht5_cli.data.tables import inverted, read_lines, read_table, write_lines, write_table
from speecht5_cli.errors import DataError

KEYS = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1)
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc"))).map(str.strip)


@given(st.dictionaries(KEYS, VALUES, min_size=1))
def test_a_table_comes_back_sorted_by_bytes(tmp_path_factory: pytest.TempPathFactory, table: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("tables") / "text"
    write_table(path, table)
    back = read_table(path)
    assert back == table
    assert list(back) == sorted(table, key=str.encode)


@given(st.lists(st.integers()), st.integers(1, 50))
def test_shards_are_contiguous_and_even(items: list[int], n: int) -> None:
    pieces = shards(items, n)
    assert [item for piece in pieces for item in piece] == items
    assert len(pieces) == max(1, min(n, len(items)))
    sizes = [len(piece) for piece in pieces]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)  # the first ones get the remainder


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a 1\n\nb 2\n", ":2: empty line"),
        (b"a 1\na 2\n", ":2: 'a' stands here for the second time"),
        (b"a 1\nb \xc9t\xe9\n", ":2: not UTF-8"),
        (b"", ":1: empty line"),
    ],
)
def test_a_malformed_table_is_named_with_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "text")


def test_reading_is_lenient_where_it_is_safe(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfa\tone  two \r\nb\r\nc x\xe2\x80\xa8y")
    assert read_table(tmp_path / "text") == {"a": "one  two", "b": "", "c": "x\u2028y"}


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="utt2spk: no such file"):
        read_table(tmp_path / "utt2spk")


def test_inversion() -> None:
    assert inverted({"b-2": "b", "a-1": "a", "b-1": "b"}) == {"a": "a-1", "b": "b-1 b-2"}


def test_lines(tmp_path: Path) -> None:
    write_lines(tmp_path / "lines", ["eins", "zwei"])
    assert read_lines(tmp_path / "lines") == ["eins", "zwei"]
