"""How an output was made, so that a repeated command is skipped when nothing changed and redone when something did.

A command wraps its work in `made(folder, name, ...)`. The record lies in `folder/.made/<name>.json` (hidden from
Kaldi's tools) and holds the command, our version, the options and a fingerprint of every input; it is written last,
so its presence also says that the work was finished. Logs, records and caches never count as content.
"""

import hashlib
import json
import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speecht5_cli import __version__
from speecht5_cli.errors import UsageError
from speecht5_cli.files import atomic_write

FORCE = "SPEECHT5_FORCE"  # set by `run.sh --force`: nothing is skipped
_HASHED_WHOLE = 8 << 20  # larger files are told apart by size and time of change
_NOT_CONTENT = {".made", "provenance.json", "train.log", "tensorboard", "plots", "decode", "__pycache__"}


@dataclass
class Making:
    """What `made` gives to the block: `done` says that the output is there and up to date.

    The block may add to `outputs` what it could not name before, and correct the fingerprints of `inputs` that it
    completes itself (a corpus that is generated where it is read).
    """

    done: bool
    outputs: list[Path]
    inputs: dict[str, str]
    why: str = ""


@contextmanager
def made(
    folder: Path,
    name: str,
    *,
    options: Mapping[str, Any],
    inputs: Iterable[Path],
    outputs: Iterable[Path],
    marks: Mapping[str, str] | None = None,
    force: bool = False,
) -> Iterator[Making]:
    """Run the block unless `outputs` exist and were made with the same options from the same inputs.

    The block must look at `.done` and return at once when it is true. Its record is written when it ends well.
    `marks` are further inputs whose fingerprints the caller took.
    """
    record_path = folder / ".made" / f"{name}.json"
    outputs = [Path(path) for path in outputs]
    wanted = {
        "version": __version__,
        "options": json.loads(json.dumps(dict(options), default=str)),
        "inputs": {**{str(path): fingerprint(path) for path in inputs}, **(marks or {})},
    }
    why = "forced" if force or forced() else _outdated(record_path, wanted, outputs)
    if not why:
        yield Making(True, outputs, wanted["inputs"])
        return
    record_path.unlink(missing_ok=True)
    started = time.time()
    yield Making(False, outputs, wanted["inputs"], why)
    record = {
        "command": shlex.join(["speecht5", *sys.argv[1:]]),
        **wanted,
        "started": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(started)),
        "seconds": round(time.time() - started, 1),
        "outputs": [os.path.relpath(path, folder) for path in outputs],
    }
    with atomic_write(record_path) as out:
        json.dump(record, out, indent=1)


def refuse_others(folder: Path, mark: str) -> None:
    """Raise UsageError for a folder with something in it but not `mark`, which the command leaves in what it makes.

    For commands that replace a folder as a whole.
    """
    if folder.is_dir() and not (folder / mark).exists() and any(path.name != ".made" for path in folder.iterdir()):
        raise UsageError(f"{folder}: is there already, and this command did not make it; choose another name")


def with_archives(paths: Iterable[Path]) -> list[Path]:
    """The paths, and behind each .scp the archive of that name that lies beside it.

    Vectors that are computed anew leave the .scp as it is: same utterances, same places.
    """
    found = []
    for path in paths:
        archive = path.with_suffix(".ark")
        found += [path, archive] if path.suffix == ".scp" and archive.exists() else [path]
    return found


def forced() -> bool:
    """Whether the user wants everything done again (`run.sh --force`)."""
    return os.environ.get(FORCE) == "1"


def _outdated(record_path: Path, wanted: dict[str, Any], outputs: list[Path]) -> str:
    """Why the work must be done, or nothing."""
    try:
        record = json.loads(record_path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return "not made yet"
    folder = record_path.parents[1]
    for path in [*outputs, *(folder / path for path in record.get("outputs", ()))]:
        if not path.exists():
            return f"{path} is missing"
    for key in ("version", "options"):
        if record.get(key) != wanted[key]:
            return f"other {key}"
    if list(record.get("inputs", {}).values()) != list(wanted["inputs"].values()):
        changed = [path for path, mark in wanted["inputs"].items() if record["inputs"].get(path) != mark]
        return f"changed: {', '.join(changed) or 'the list of inputs'}"
    return ""


def fingerprint(path: Path) -> str:
    """A short hash of a file or a folder; 'missing' when there is none."""
    if path.is_file():
        return _file_mark(path)
    if not path.is_dir():
        return "missing"
    digest = hashlib.sha256()
    for folder, subfolders, files in os.walk(path):
        subfolders[:] = sorted(set(subfolders) - _NOT_CONTENT)
        for name in sorted(set(files) - _NOT_CONTENT):
            file = Path(folder, name)
            digest.update(f"{file.relative_to(path)}\0{_file_mark(file)}\n".encode())
    return digest.hexdigest()[:16]


def listing_fingerprint(path: Path, *, leave_out: Path | None = None) -> str:
    """As `fingerprint`, from names, sizes and times only: for corpora of many large files.

    `leave_out` is a folder inside, such as the one that is to be written.
    """
    if not path.is_dir():
        return fingerprint(path)
    digest = hashlib.sha256()
    outside = leave_out.resolve() if leave_out else None
    for folder, subfolders, files in os.walk(path):
        subfolders[:] = sorted(name for name in subfolders if Path(folder, name).resolve() != outside)
        for name in sorted(files):
            file = os.path.join(folder, name)  # noqa: PTH118 - Path is three times slower on 300,000 files
            try:
                stat = os.stat(file)  # noqa: PTH116
            except FileNotFoundError:  # a link to nowhere
                stat = os.lstat(file)
            digest.update(f"{os.path.relpath(file, path)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _file_mark(path: Path) -> str:
    stat = path.stat()
    if stat.st_size > _HASHED_WHOLE:
        return f"{stat.st_size}-{stat.st_mtime_ns}"
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
