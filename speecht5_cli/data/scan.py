"""Reading a table that may be broken: every line that can be used, and everything that is wrong."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speecht5_cli.data.problems import Problem
from speecht5_cli.data.rules import Rule

_BLANKS = re.compile(r"[ \t]+")
_BOM = b"\xef\xbb\xbf"


@dataclass
class Scanned:
    """A table as it stands on disk."""

    path: Path
    rule: Rule
    values: dict[str, str] = field(default_factory=dict)  # usable lines, with what could be mended mended
    lines: dict[str, int] = field(default_factory=dict)  # key -> number of the first line that starts with it
    broken: dict[str, str] = field(default_factory=dict)  # key -> why it has no usable line
    problems: list[Problem] = field(default_factory=list)

    def complain(self, message: str, line: int | None = None, key: str = "", **more: Any) -> None:
        """Note a problem of this file."""
        self.problems.append(Problem(self.path, message, line, key, **more))

    def give_up(self, keys: Iterable[str], why: str) -> None:
        """Take the keys' lines for unusable."""
        for key in keys:
            self.broken.setdefault(key, why)
            self.values.pop(key, None)


def scanned(path: Path, rule: Rule) -> Scanned:
    """Read `path` to its end, whatever is in it."""
    table = Scanned(path, rule)
    content = path.read_bytes()
    if not content.strip():
        table.complain("the file is empty")
        return table
    if content.startswith(_BOM):
        table.complain("starts with a byte-order mark, which becomes a part of the first key", 1)
        content = content.removeprefix(_BOM)
    if not content.endswith(b"\n"):
        table.complain("no line break at the end of the last line", content.count(b"\n") + 1)
    if n_returns := content.count(b"\r\n"):
        first = content[: content.index(b"\r\n")].count(b"\n") + 1
        table.complain(f"{n_returns} lines end in CR LF, as on Windows; expected LF", first)
        content = content.replace(b"\r\n", b"\n")
    order: list[str] = []
    for number, line in _decoded(table, content.removesuffix(b"\n").split(b"\n")):
        _take_line(table, number, line, order)
    _check_order(table, order)
    table.give_up(list(table.broken), "")
    return table


def _decoded(table: Scanned, raw_lines: list[bytes]) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(raw_lines, 1):
        try:
            yield number, raw.decode()
        except UnicodeDecodeError as error:
            key = (raw.split(None, 1) or [b""])[0].decode(errors="replace")
            byte = f"0x{raw[error.start]:02X} at byte {error.start + 1} of the line"
            table.complain(f"not UTF-8: {byte}; convert the file with iconv", number, key)
            table.broken.setdefault(key, "a line that is not UTF-8")
            table.lines.setdefault(key, number)


def _take_line(table: Scanned, number: int, line: str, order: list[str]) -> None:
    key, value = _fields(line)
    if not key:
        table.complain("empty line", number)
        return
    order.append(key)
    if not key.isprintable():
        table.complain(f"the key {key!r} holds white space or characters that do not print", number, key)
        table.broken.setdefault(key, "an unusable key")
    faults = table.rule.faults(value)
    for fault in faults:
        table.complain(fault, number, key)
    mended = table.rule.mended(value) if faults else value
    if key in table.lines:
        _take_again(table, number, key, mended)
        return
    table.lines[key] = number
    table.values[key] = mended
    if faults and (left := table.rule.faults(mended)):
        table.broken.setdefault(key, left[0])


def _fields(line: str) -> tuple[str, str]:
    """Key and rest of a line, split as Kaldi does: at blanks and tabs only."""
    line = line.strip(" \t")
    if "\t" in line:
        line = _BLANKS.sub(" ", line, 1)
    key, _, value = line.partition(" ")
    return key, value.lstrip(" \t")


def _take_again(table: Scanned, number: int, key: str, value: str) -> None:
    """A second line of one key: harmless if it says the same, else nobody knows which one is right."""
    first = table.lines[key]
    if table.values.get(key) == value:
        table.complain(f"stands here for the second time, as in line {first}", number, key)
        return
    table.complain(f"contradicts line {first}: '{value}' here, '{table.values.get(key, '')}' there", number, key)
    table.broken.setdefault(key, f"contradictory lines {first} and {number}")


def _check_order(table: Scanned, order: list[str]) -> None:
    places = [place for place in range(1, len(order)) if order[place] < order[place - 1]]
    if places:
        one, two = order[places[0] - 1], order[places[0]]
        table.complain(
            f"not sorted by bytes: '{two}' (line {table.lines[two]}) stands after '{one}' (line {table.lines[one]}), "
            f"and so in {len(places)} places; sort with LC_ALL=C",
            table.lines[two],
            two,
        )
