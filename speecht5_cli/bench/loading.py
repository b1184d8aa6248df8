"""From nothing to a command's first line, and from a folder on disk to a model ready for use."""

import subprocess
import sys
from collections.abc import Iterator

from speecht5_cli.bench.measure import Effort, Row, in_turns
from speecht5_cli.bench.nets import drawn, saved, transformers
from speecht5_cli.folders import MODEL
from speecht5_cli.plugins import load_task
from speecht5_cli.train.foreign import import_model
from speecht5_cli.train.hf_files import read_hf
from speecht5_cli.train.restore import Restored, restore


def rows(effort: Effort) -> Iterator[Row]:
    """A process of its own that shows the commands; then conversion at base size, the model with the most nets, beside
    transformers, and beside reading its file and no more: the file is in the system's cache.
    """
    mine, _ = in_turns(_show_commands, None, effort)
    yield Row("loading", "`speecht5 --help`", "", mine)
    kind = transformers().SpeechT5ForSpeechToSpeech
    with saved(drawn(kind, transformers().SpeechT5Config())) as folder:
        ours = folder / "ours"
        import_model(read_hf(folder), load_task("vc"), {}, ours)

        def load() -> Restored:
            return restore(ours)

        mine, peer = in_turns(load, lambda: kind.from_pretrained(folder), effort)
        yield Row("loading", "a base model", "", mine, peer)
        mine, peer = in_turns(load, (ours / MODEL).read_bytes, effort)
        yield Row("loading", "a base model", "", mine, peer, peer_name="reading its file alone")


def _show_commands() -> None:
    subprocess.run([sys.executable, "-m", "speecht5_cli", "--help"], stdout=subprocess.DEVNULL, check=True)
