"""Rows of a Hugging Face dataset that was saved to disk (`dataset.save_to_disk(folder)`), read by pyarrow alone."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speecht5_cli.errors import DataError, UsageError

if TYPE_CHECKING:
    import pyarrow

_STATE, _SPLITS = "state.json", "dataset_dict.json"
_ROWS_AT_ONCE = 256  # sounds lie inside the rows


def saved_sets(folder: Path) -> dict[str, Path]:
    """Set -> folder of a saved dictionary of datasets; "" -> folder of a single one; {} if the folder is neither."""
    if (folder / _STATE).is_file():
        return {"": folder}
    if not (folder / _SPLITS).is_file():
        return {}
    return {name: folder / name for name in _json(folder / _SPLITS).get("splits", [])}


class ArrowRows:
    """The rows of one saved set. Raises UsageError without pyarrow, DataError for a damaged folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        state = _json(folder / _STATE)
        if state.get("_indices_data_files"):
            raise DataError(f"{folder}: its rows are picked through an index; save it again after flatten_indices()")
        listed = [folder / item["filename"] for item in state.get("_data_files", [])]
        self.files = listed or sorted(folder.glob("*.arrow"))
        if not self.files:
            raise DataError(f"{folder}: no data files; expected data-00000-of-00001.arrow and the like")
        with _opened(self.files[0]) as reader:
            self.names = tuple(reader.schema.names)

    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """(number, column -> value), numbers from 1; a sound is a mapping with `path` and `bytes`."""
        number = 0
        for file in self.files:
            with _opened(file) as reader:
                for batch in reader:
                    for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                        for row in batch.slice(start, _ROWS_AT_ONCE).to_pylist():
                            number += 1
                            yield number, row


def _opened(file: Path) -> "pyarrow.ipc.RecordBatchStreamReader":
    try:
        import pyarrow
    except ImportError:
        raise UsageError(
            "a dataset saved to disk is read by pyarrow, which is not installed; install it with: pip install pyarrow"
        ) from None
    try:
        return pyarrow.ipc.open_stream(pyarrow.memory_map(str(file)))
    except FileNotFoundError:
        raise DataError(f"{file}: no such file, but {_STATE} names it") from None
    except pyarrow.ArrowInvalid as error:
        raise DataError(f"{file}: not readable as an Arrow stream: {error}") from None


def _json(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; is {file.parent} a saved dataset?") from None
    except ValueError as error:
        raise DataError(f"{file}: not readable as JSON: {error}") from None
