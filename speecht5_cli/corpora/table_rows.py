"""Rows of tables that people keep: CSV, TSV and the like, JSON lines, and LJSpeech's metadata.csv."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from speecht5_cli.data.utterance import Rejected
from speecht5_cli.errors import DataError, UsageError

_DELIMITERS = "\t|;,"
_SUFFIXES = (".csv", ".tsv", ".txt", ".psv")
_JSON = (".jsonl", ".json", ".ndjson")
_LONGEST_CELL = 1 << 24
LJ_TABLE, LJ_SOUNDS = "metadata.csv", "wavs"
LJ_COLUMNS = ("id", "raw_text", "text")  # the third is the normalised text


@dataclass
class TableRows:
    """The rows of a table, one by one, and what is wrong with those that are none."""

    file: Path
    sounds: Path  # where relative paths of sounds start
    names: tuple[str, ...]  # of the columns
    rows: Iterator[tuple[int, Mapping[str, Any]]]  # line, column -> value
    rejected: list[Rejected] = field(default_factory=list)


def open_table(source: Path, *, delimiter: str = "", header: bool = True) -> TableRows:
    """The table in a file, or in a folder as LJSpeech has it. Raises UsageError for what is no table that we read.

    `delimiter`: "" takes the one of tab, |, semicolon and comma that is most frequent in the first line. Without a
    `header` the columns are called 1, 2, 3. A quotation mark means something only where commas or semicolons separate.
    """
    if source.is_dir():
        if not (source / LJ_TABLE).is_file():
            raise UsageError(f"{source}: neither a table, nor a folder with {LJ_TABLE} or a saved dataset in it")
        return _lj_speech(source)
    if source.suffix.lower() in _JSON:
        return _json_table(source)
    if source.suffix.lower() in _SUFFIXES:
        return _delimited(source, delimiter, header)
    raise UsageError(f"{source}: no table by its name; expected one of {', '.join((*_SUFFIXES, *_JSON))}, or a folder")


def _lj_speech(folder: Path) -> TableRows:
    """`LJ001-0001|text|normalised text`, without a header; or `name|text`, or with one more column, the speaker."""
    table = _delimited(folder / LJ_TABLE, "|", header=False)
    names = {2: ("id", "text"), 3: LJ_COLUMNS, 4: (*LJ_COLUMNS, "speaker")}.get(len(table.names))
    if names is None:
        raise UsageError(f"{table.file}: {len(table.names)} columns; LJSpeech's have 2 to 4, with | between them")
    sounds = folder / LJ_SOUNDS if (folder / LJ_SOUNDS).is_dir() else folder
    rows = ((line, dict(zip((*names, "audio"), (*row.values(), row["1"])))) for line, row in table.rows)
    return TableRows(table.file, sounds, (*names, "audio"), rows, table.rejected)


def _delimited(file: Path, delimiter: str, header: bool) -> TableRows:
    lines = _lines(file)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{file}: the table is empty")
    delimiter = delimiter or max(_DELIMITERS, key=first.count)
    quoted = delimiter in ",;"
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(
        chain([first], lines), delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    )
    top = next(_complaining(reader, file))
    names = tuple(name.strip() for name in top) if header else tuple(map(str, range(1, len(top) + 1)))
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(f"{file}:1: the column '{min(twice)}' stands there twice")
    table = TableRows(file, file.parent, names, iter(()))
    table.rows = _delimited_rows(table, reader, () if header else (top,))
    return table


def _delimited_rows(
    table: TableRows, reader: Any, first: Iterable[list[str]]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for values in chain(first, _complaining(reader, table.file)):
        where = f"{table.file.name}:{reader.line_num}"
        if not any(map(str.strip, values)):
            continue
        if len(values) != len(table.names):
            reason = f"row of {len(values)} cells: expected {len(table.names)} ({', '.join(table.names)})"
            table.rejected.append(Rejected(where, reason))
        elif any(map(_is_undecoded, values)):
            table.rejected.append(Rejected(where, "row that is not UTF-8: convert the table with iconv"))
        else:
            yield reader.line_num, dict(zip(table.names, values))


def _complaining(reader: Any, file: Path) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise DataError(f"{file}:{reader.line_num}: {error}; is a quotation mark open?") from None


def _json_table(file: Path) -> TableRows:
    """A JSON object a line, or one list of them."""
    table = TableRows(file, file.parent, (), iter(()))
    rows = list(_json_rows(table))
    table.names = tuple(dict.fromkeys(name for _, row in rows for name in row))
    table.rows = iter(rows)
    return table


def _json_rows(table: TableRows) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, item in _json_items(table):
        if isinstance(item, dict):
            yield line, item
        else:
            table.rejected.append(Rejected(f"{table.file.name}:{line}", "no JSON object: expected {...}"))


def _json_items(table: TableRows) -> Iterator[tuple[int, Any]]:
    whole = table.file.suffix.lower() == ".json"
    if whole:
        try:
            content = json.loads(table.file.read_text(encoding="utf-8-sig"))
        except ValueError:  # JSON lines under another name
            pass
        else:
            yield from enumerate(content if isinstance(content, list) else [content], 1)
            return
    for number, line in enumerate(_lines(table.file), 1):
        if not line.strip():
            continue
        try:
            if _is_undecoded(line):
                raise ValueError("not UTF-8")
            yield number, json.loads(line)
        except ValueError as error:
            table.rejected.append(Rejected(f"{table.file.name}:{number}", f"not readable as JSON: {error}"))


def _lines(file: Path) -> Iterator[str]:
    """Lines with their ends, cut at newlines alone; bytes that are not UTF-8 become lone surrogates."""
    try:
        with file.open("rb") as content:
            for number, raw in enumerate(content):
                yield raw.removeprefix(b"" if number else b"\xef\xbb\xbf").decode(errors="surrogateescape")
    except FileNotFoundError:
        raise DataError(f"{file}: no such file") from None


def _is_undecoded(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)
