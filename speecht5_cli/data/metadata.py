"""The small JSON files that lie beside data and say what they are: feats.json, units.json, kmeans.json."""

import json
from pathlib import Path
from typing import TypeVar

from speecht5_cli.config import from_tree, to_tree
from speecht5_cli.errors import ConfigError, DataError
from speecht5_cli.files import atomic_write

T = TypeVar("T")


def read_metadata(cls: type[T], path: Path, hint: str) -> T:
    """The dataclass `cls` from a JSON file. Raises DataError; `hint` says what makes such a file."""
    try:
        return from_tree(cls, json.loads(path.read_text(encoding="utf-8")), str(path))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {hint}") from None
    except (ValueError, ConfigError) as error:
        raise DataError(f"{path}: not what {hint}: {error}") from None


def write_metadata(path: Path, metadata: object) -> None:
    """Write a dataclass (or plain values) as JSON."""
    with atomic_write(path) as out:
        json.dump(to_tree(metadata), out, indent=1, ensure_ascii=False)
        out.write("\n")
