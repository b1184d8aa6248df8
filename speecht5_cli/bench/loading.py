"""From nothing to a command's first line, and from a folder on disk to a model ready for use."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from speecht5_cli.bench.measure import Effort, Row, in_turns, timed_in_turns
from speecht5_cli.bench.nets import drawn, saved, transformers
from speecht5_cli.folders import MODEL
from speecht5_cli.plugins import load_task
from speecht5_cli.train.foreign import import_model
from speecht5_cli.train.hf_files import read_hf

# Programs that print how long their last step takes, with all imports done: the first loading of a process.
_PROGRAM = """
import sys
from pathlib import Path
from time import perf_counter
{imports}
path = Path(sys.argv[1])
started = perf_counter()
held = {step}
print(perf_counter() - started)
"""
OURS = _PROGRAM.format(
    imports="import speecht5_cli.models.speecht5, speecht5_recipes.vc\nfrom speecht5_cli.train.restore import restore",
    step="restore(path)",
)
THEIRS = _PROGRAM.format(
    imports="from transformers import SpeechT5ForSpeechToSpeech", step="SpeechT5ForSpeechToSpeech.from_pretrained(path)"
)
READING = _PROGRAM.format(imports="", step="path.read_bytes()")


def rows(effort: Effort) -> Iterator[Row]:
    """Each time in a process of its own: the commands shown; then conversion at base size, the model with the most
    nets, beside transformers, and beside reading its file and no more. The file is in the system's cache.
    """
    mine, _ = in_turns(_show_commands, None, effort)
    yield Row("loading", "`speecht5 --help`", "", mine)
    kind = transformers().SpeechT5ForSpeechToSpeech
    with saved(drawn(kind, transformers().SpeechT5Config())) as folder:
        ours = folder / "ours"
        import_model(read_hf(folder), load_task("vc"), {}, ours)
        load = partial(_seconds_of, OURS, ours)
        for program, path, name in (
            (THEIRS, folder, "transformers"),
            (READING, ours / MODEL, "reading its file alone"),
        ):
            mine, peer = timed_in_turns(load, partial(_seconds_of, program, path), effort)
            yield Row("loading", "a base model", "", mine, peer, peer_name=name)


def _show_commands() -> None:
    subprocess.run([sys.executable, "-m", "speecht5_cli", "--help"], stdout=subprocess.DEVNULL, check=True)


def _seconds_of(program: str, path: Path) -> float:
    done = subprocess.run([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)
