"""What a model said about a set: the folder `decode/<set>/`, written in one step and read back.

    hyp.jsonl    one JSON object a line: id; text, class or wav (a path in the folder); score, stopped, nbest, details
    text         the texts in Kaldi form; `utt2label` for classes; `wav.scp` and `wav/` for speech
    vectors.npz  ids and vectors, where hypotheses have one
    decode.json  how it was made (`Decoding`)

The folder is replaced as a whole, so that scores of older hypotheses cannot stay behind. A folder that another
toolkit wrote can be scored too: the table alone is enough for `read_values`.
"""

import json
import math
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from speecht5_cli import __version__
from speecht5_cli.config import Tree, from_tree, to_tree
from speecht5_cli.data.tables import read_lines, read_table, write_lines, write_table
from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_dir, atomic_write
from speecht5_cli.plugins import Hypothesis

VECTORS = "vectors.npz"
Output = Literal["text", "label", "speech"]
TABLE: dict[Output, str] = {"text": "text", "label": "utt2label", "speech": "wav.scp"}
_KEY: dict[Output, str] = {"text": "text", "label": "class", "speech": "wav"}  # of the value in hyp.jsonl
_UNSTATED = "unstated"  # counted for hypotheses that do not say why they ended
_N_NAMED = 5  # ids that a message lists


def command_line() -> str:
    """The command that runs now, as a shell would take it."""
    return shlex.join(["speecht5", *sys.argv[1:]])


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How a set was decoded: what decode.json holds. The caller leaves out what has a default."""

    task: str
    output: Output
    model: str  # as the user typed it, like `data`
    data: str
    settings: Tree  # the task's own block
    audio_s: float  # of the input, or of the output where the input is text
    work_s: float  # summed over the processes
    n_utterances: int = 0
    stopped: dict[str, int] = field(default_factory=dict)  # why hypotheses ended -> how many
    data_from_root: str = ""  # the data dir again, by which another one of that name is known
    unsupported: int = 0  # utterances whose text has characters that the vocabulary lacks; hyp.jsonl names them
    rtf: float | None = None  # seconds of work for a second of audio
    command: str = field(default_factory=command_line)
    version: str = __version__
    date: str = field(default_factory=_now)


def write_hypotheses(
    folder: Path,
    hypotheses: Iterable[Hypothesis],
    decoding: Decoding,
    *,
    utterances: Iterable[str],
    write_speech: Callable[[Hypothesis, Path], None] | None = None,
) -> Decoding:
    """Write the folder, and return `decoding` with its counts filled in.

    The hypotheses may come in any order, one by one; there must be exactly one for each of `utterances`, else DataError
    names the ids and the folder stays as it was. `write_speech(hypothesis, path)` writes one sound file; without it the
    values of speech must be waves, float (n_samples,) at 16 kHz.
    """
    wanted = set(utterances)
    lines: dict[str, str] = {}
    table: dict[str, str] = {}
    vectors: dict[str, np.ndarray] = {}
    stopped: Counter[str] = Counter()
    unsupported = 0
    with atomic_dir(folder) as temporary:
        for hypothesis in hypotheses:
            name = hypothesis.id
            if name in lines or name not in wanted:
                why = "is there twice" if name in lines else f"is no utterance of {decoding.data}"
                raise DataError(f"{folder}: the hypothesis '{name}' {why}; nothing was written")
            value = hypothesis.value
            if decoding.output == "speech":
                value = f"wav/{sound_file(name)}"
                (write_speech or _write_wave)(hypothesis, temporary / value)
            lines[name] = _json_line(hypothesis, decoding.output, value)
            table[name] = _as_typed(folder / value) if decoding.output == "speech" else _folded(value)
            stopped[hypothesis.stopped or _UNSTATED] += 1
            unsupported += "unsupported" in (hypothesis.details or {})
            if hypothesis.vector is not None:
                vectors[name] = hypothesis.vector
        check_ids(lines, wanted, folder)
        write_lines(temporary / "hyp.jsonl", (lines[name] for name in sorted(lines)))
        write_table(temporary / TABLE[decoding.output], table)
        if vectors:
            np.savez(temporary / VECTORS, ids=np.array(list(vectors)), vectors=np.stack(list(vectors.values())))
        rtf = round(decoding.work_s / decoding.audio_s, 4) if decoding.audio_s > 0 else None
        decoding = replace(
            decoding,
            n_utterances=len(lines),
            stopped=dict(sorted(stopped.items())),
            unsupported=unsupported,
            rtf=rtf,
        )
        with atomic_write(temporary / "decode.json") as out:
            json.dump(to_tree(decoding), out, indent=1, ensure_ascii=False)
    return decoding


def read_vectors(folder: Path) -> dict[str, np.ndarray]:
    """Utterance -> the vector of its hypothesis; empty where the folder has none."""
    if not (folder / VECTORS).exists():
        return {}
    with np.load(folder / VECTORS, allow_pickle=False) as arrays:
        return dict(zip(arrays["ids"].tolist(), arrays["vectors"]))


def check_ids(found: Iterable[str], wanted: Iterable[str], where: Path) -> None:
    """Raise DataError, with ids, unless `found` and `wanted` are the same utterances."""
    found, wanted = set(found), set(wanted)
    for ids, what in ((wanted - found, "no hypothesis for"), (found - wanted, "hypotheses, but no reference, for")):
        if ids:
            named = ", ".join(sorted(ids)[:_N_NAMED]) + (", ..." if len(ids) > _N_NAMED else "")
            raise DataError(
                f"{where}: {what} {len(ids)} of {len(wanted)} utterances ({named}); decode this set again, or give the "
                "data dir that was decoded"
            )


def read_decoding(folder: Path) -> Decoding:
    """What decode.json says. Raises DataError when it is missing or broken."""
    path = folder / "decode.json"
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file, so nothing says how {folder} was made; give --task and --ref") from None
    except ValueError as error:
        raise DataError(f"{path}: not readable as JSON: {error}") from None
    return from_tree(Decoding, tree, str(path))


def read_values(folder: Path, output: Output, utterances: Iterable[str]) -> dict[str, str]:
    """Utterance -> text, class, or path of the sound, for exactly `utterances`, sorted. Raises DataError with ids."""
    path = folder / TABLE[output]
    table = read_table(path)
    check_ids(table, utterances, path)
    if output == "speech":
        table = {name: _resolved(source, folder) for name, source in table.items()}
    return {name: table[name] for name in sorted(table)}


def read_hypotheses(folder: Path) -> dict[str, Hypothesis]:
    """All that hyp.jsonl says, by id; the value of speech is its path. Raises DataError with the line."""
    path = folder / "hyp.jsonl"
    found: dict[str, Hypothesis] = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line:
            continue
        try:
            item = json.loads(line)
            key = next(key for key in _KEY.values() if key in item)
            hypothesis = _hypothesis(item, key, folder)
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
            raise DataError(f"{path}:{number}: expected an object with id and text, class or wav, got {line}") from None
        if hypothesis.id in found:
            raise DataError(f"{path}:{number}: '{hypothesis.id}' stands here for the second time")
        found[hypothesis.id] = hypothesis
    return found


def _hypothesis(item: dict[str, Any], key: str, folder: Path) -> Hypothesis:
    return Hypothesis(
        id=item["id"],
        value=folder / item[key] if key == "wav" else item[key],
        score=_number(item.get("score")),
        stopped=item.get("stopped", ""),
        nbest=tuple((entry[key], _number(entry.get("score"))) for entry in item.get("nbest", ())),
        details=item.get("details"),
    )


def _json_line(hypothesis: Hypothesis, output: Output, value: str) -> str:
    key = _KEY[output]
    item: dict[str, Any] = {"id": hypothesis.id, key: value, "score": _finite(hypothesis.score)}
    item["stopped"] = hypothesis.stopped
    if hypothesis.nbest and output != "speech":
        item["nbest"] = [{key: other, "score": _finite(score)} for other, score in hypothesis.nbest]
    if hypothesis.details:
        item["details"] = hypothesis.details
    return json.dumps(item, ensure_ascii=False, default=_plain)


def _finite(score: float) -> float | None:
    """JSON knows no infinity, and the log-probability of a class can be one."""
    return float(score) if math.isfinite(score) else None


def _number(score: float | None) -> float:
    return math.nan if score is None else float(score)


def _plain(value: Any) -> Any:
    """Arrays and their scalars as lists and numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a hypothesis holds a {type(value).__name__}, which hyp.jsonl cannot hold")


def _folded(text: str) -> str:
    """One line with single blanks: a table cannot hold anything else."""
    return " ".join(text.split())


def sound_file(utterance: str) -> str:
    """The name of an utterance's file, whatever is in its id."""
    return utterance.replace("%", "%25").replace("/", "%2F") + ".wav"


def _write_wave(hypothesis: Hypothesis, path: Path) -> None:
    from speecht5_cli.data.audio import write_audio

    write_audio(path, hypothesis.value)


def _as_typed(path: Path) -> str:
    """Kaldi means paths from the folder in which the recipe runs; only outside of it they are absolute."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would leave the recipe through a linked exp/
    return str(absolute.relative_to(Path.cwd())) if absolute.is_relative_to(Path.cwd()) else str(absolute)


def _resolved(source: str, folder: Path) -> str:
    """A relative path is meant from the current folder, else from a parent of the hypotheses."""
    if source.endswith("|"):
        return source
    return next(
        (str(base / source) for base in (Path(), *folder.resolve().parents) if (base / source).exists()), source
    )
