"""YAML lists of flat mappings as a stream: MuST-C's of 280,000 entries takes minutes and gigabytes as a whole."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from speecht5_cli.errors import DataError

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml's where PyYAML was built with it


def read_mappings(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, key -> value as it is written) of every item; an item that is no flat mapping comes as {}.

    Raises DataError, with line and column, for what is no YAML list.
    """
    try:
        with path.open("rb") as file:
            yield from _mappings(yaml.parse(file, Loader=_LOADER), path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None


def _mappings(events: Iterator[yaml.Event], path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    depth, line, flat = 0, 0, True
    words: list[str] = []
    for event in events:
        if isinstance(event, yaml.ScalarEvent):
            if depth < 2:
                yield _line(event, path, depth), {}
            else:
                words.append(event.value)
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth == 1 and not isinstance(event, yaml.SequenceStartEvent):
                raise DataError(f"{path}: expected a list of mappings ('- {{duration: ...}}' lines), got one mapping")
            if depth == 2:
                line, words = _line(event, path, depth), []
                flat = isinstance(event, yaml.MappingStartEvent)
            flat = flat and depth < 3
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            if depth == 1:
                yield line, dict(zip(words[::2], words[1::2])) if flat else {}
        elif isinstance(event, yaml.AliasEvent):
            flat = False


def _line(event: yaml.Event, path: Path, depth: int) -> int:
    if depth == 0:
        raise DataError(f"{path}: expected a list of mappings ('- {{duration: ...}}' lines), got plain text")
    assert event.start_mark is not None  # read from a file, every event has its place
    return int(event.start_mark.line) + 1
