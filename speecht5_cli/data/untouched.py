"""Reference lines as a test set brought them, for scores that others can compare with.

A table such as text.de has cleaned lines, and none for an utterance whose sound is of no use. Published scores rest on
every line as it stands, so a test set may bring untouched.<table>.tsv beside: a row `id <tab> line` for each, in the
order of the corpus. A line whose id the data dir lacks has an empty hypothesis.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from speecht5_cli.errors import DataError


def untouched_name(table: str) -> str:
    """The file of a table's untouched lines."""
    return f"untouched.{table}.tsv"


def untouched_rows(lines: Iterable[tuple[str, str]]) -> Iterator[str]:
    """(id, line) as rows of the file."""
    return (f"{name}\t{line}" for name, line in lines)


def read_untouched(folder: Path, table: str) -> dict[str, str] | None:
    """Id -> line, in the corpus's order; None where the data dir has no such file. Raises DataError for a bad row."""
    path = folder / untouched_name(table)
    if not path.exists():
        return None
    lines: dict[str, str] = {}
    for number, row in enumerate(path.read_bytes().decode().removesuffix("\n").split("\n"), 1):
        name, tab, line = row.partition("\t")
        if not tab or name in lines:
            what = "stands here for the second time" if tab else "has no tab behind it"
            raise DataError(f"{path}:{number}: '{name}' {what}; expected an id of its own, a tab, and the line")
        lines[name] = line
    return lines
