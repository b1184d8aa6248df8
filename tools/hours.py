"""How long a training takes, from its settings alone: `python tools/hours.py egs/librispeech/conf/asr.yaml`.

Counts the floating-point operations of a forward and a backward pass of the settings' model on a made-up example, as
long as the corpus's are on average, and extends them to the batches of the settings. Layers that training leaves out at
random all count. The hours are those at a sustained rate. The default rate is an assumption, not a measurement: on a
GPU of yours, the operations of an update times its steps a second (train.log) are the real one, for --tflops.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from speecht5_cli.config import Tree, merged, read_settings, to_tree
from speecht5_cli.data.assets import Assets
from speecht5_cli.data.audio import SAMPLE_RATE, write_audio
from speecht5_cli.data.datadir import write_tables
from speecht5_cli.data.frames import n_unit_frames
from speecht5_cli.data.sampling import MicroBatch
from speecht5_cli.data.speaker_vectors import BY_SPEAKER, BY_UTTERANCE, write_vectors
from speecht5_cli.data.units import UnitInfo
from speecht5_cli.data.vocabulary import SPACE, VOCAB_FILE, Vocabulary
from speecht5_cli.errors import SpeechT5Error, UsageError
from speecht5_cli.models import relative_attention
from speecht5_cli.plugins import TASKS, TaskPlugin, installed, load_task, variant_blocks
from speecht5_cli.train.config import RunConfig, run_config
from speecht5_cli.train.streams import batch_reader, budgets, open_streams

TFLOPS = 200.0  # assumed, for a GPU of the H100's class, which can do five times as much at best
GPUS = (1, 8)
ALL_LAYERS = {"model": {"encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0}}
UNITS = 500
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Lengths:
    """Of the corpus, on average."""

    seconds: float = 12.0  # of an utterance
    tokens_per_s: float = 15.0  # of its text
    line_tokens: int = 100  # of a line of text without sound


@dataclass(frozen=True)
class Work:
    """What a training has to do."""

    updates: int
    update_flop: float  # on average
    update_s: float = 0.0  # seconds of sound
    update_tokens: float = 0.0  # of text without sound

    def hours(self, tflops: float, gpus: int) -> float:
        """At a rate of `tflops` a GPU."""
        return self.updates * self.update_flop / (tflops * 1e12 * gpus) / 3600


def work(plugin: TaskPlugin, tree: Tree, lengths: Lengths) -> Work:
    """Of the training that a task's settings describe."""
    with tempfile.TemporaryDirectory() as folder:
        example = Example(plugin, tree, Path(folder), lengths)
        cfg, flop, amounts = example.cfg, 0.0, {"seconds": 0.0, "tokens": 0.0}
        frozen, steps = to_tree(cfg.task).get("freeze_encoder_steps", 0), cfg.train.max_steps
        streams = plugin.streams(cfg)
        for number, (stream, budget) in enumerate(zip(streams, budgets(streams, cfg.data))):
            length = lengths.line_tokens if stream.cost == "tokens" else lengths.seconds
            n_rows = min(budget.cost / length, budget.rows or float("inf")) * cfg.optim.micro_batches / len(streams)
            for first, last in ((0, frozen), (frozen, steps)):
                if last > first:
                    flop += n_rows * (last - first) / steps * example.flop(number, first)
            amounts[stream.cost] += n_rows * length
    return Work(steps, flop, amounts["seconds"], amounts["tokens"])


class Example:
    """An utterance, and a line of text, whose operations are counted."""

    def __init__(self, plugin: TaskPlugin, tree: Tree, folder: Path, lengths: Lengths) -> None:
        self.plugin, self.folder = plugin, folder
        self.cfg = self._configured(tree)
        (folder / "lines.txt").write_text(_text(lengths.line_tokens) + "\n", encoding="utf-8")
        self._write_data_dir(lengths.seconds, _text(round(lengths.seconds * lengths.tokens_per_s)))
        self.assets = Assets.gather(plugin.assets(self.cfg), folder / "assets")
        self.model = plugin.build(self.cfg, self.assets)

    def flop(self, stream: int, step: int) -> float:
        """Forward and backward, at an update. Attention counts as on a GPU, where none of it is computed twice."""
        streams = open_streams(self.plugin.streams(self.cfg), self.cfg.data, dev=True)
        batch = batch_reader(self.plugin, self.cfg, self.assets, streams, seed=0)[MicroBatch(0, stream, np.array([0]))]
        self.model.zero_grad(set_to_none=True)
        whole = patch.object(relative_attention, "BLOCK", sys.maxsize)
        with whole, sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # others are not counted
            self.plugin.loss(self.model, batch, self.cfg, step).total(batch.weights).backward()
        return float(counter.get_total_flops())

    def _configured(self, tree: Tree) -> RunConfig:
        """The settings, on the made-up data."""
        data = dict.fromkeys(("train", "dev"), str(self.folder / "data"))
        data |= dict.fromkeys(("train_text", "dev_text"), str(self.folder / "lines.txt"))
        made_up: Tree = {"data": data}
        if "vocabulary" in {field.name for field in fields(self.plugin.Config)}:
            Vocabulary.of_pieces([SPACE, *LETTERS]).save(self.folder / "vocab" / VOCAB_FILE)
            made_up[self.plugin.name] = {"vocabulary": str(self.folder / "vocab")}
        has_layerdrop = "encoder_layerdrop" in {field.name for field in fields(self.plugin.Model)}
        return run_config(self.plugin, merged(merged(tree, ALL_LAYERS if has_layerdrop else {}), made_up))

    def _write_data_dir(self, seconds: float, text: str) -> None:
        """One utterance, with whatever the task's streams read of it."""
        folder, sound, n_samples = self.folder / "data", self.folder / "noise.wav", round(seconds * SAMPLE_RATE)
        write_audio(sound, np.random.default_rng(0).uniform(-0.1, 0.1, n_samples).astype(np.float32))
        values = {"utt2spk": "one", "utt2tgtspk": "one", "utt2dur": f"{seconds}"}
        read = [table for stream in self.plugin.streams(self.cfg) for table in (*stream.inputs, *stream.targets)]
        for table in read:
            if table in ("wav.scp", "target.scp"):
                values[table] = str(sound)
            elif table.startswith("units"):
                values[table] = " ".join(["7"] * n_unit_frames(n_samples))
            elif table.startswith("text"):
                values[table] = text
        write_tables(folder, {table: {"one-1": value} for table, value in values.items()})
        for table in read:
            if table.startswith("units"):
                UnitInfo(50.0, UNITS, None).save(folder, table)
            elif table == "xvector.scp":
                voice = np.ones(self.cfg.model.xvector_dim, np.float32)
                write_vectors(folder, BY_UTTERANCE, {"one-1": voice})
                write_vectors(folder, BY_SPEAKER, {"one": voice})


def _text(n: int) -> str:
    """Of so many symbols, the blank in front included."""
    return (LETTERS * (n // len(LETTERS) + 1))[: max(n - 1, 1)]


def lines(name: str, work: Work, tflops: float, *, assumed: bool) -> Iterator[str]:
    """For people."""
    parts = [f"{work.update_s:,.0f} s of sound"] * (work.update_s > 0)
    parts += [f"{work.update_tokens:,.0f} symbols of text"] * (work.update_tokens > 0)
    yield f"{name}: {work.updates:,} updates"
    yield f"  an update: {' and '.join(parts)}; {work.update_flop / 1e12:,.1f} TFLOP, forward and backward"
    whole = [f"{work.updates * work.update_s / 3600:,.0f} h of sound"] * (work.update_s > 0)
    whole += [f"{work.updates * work.update_tokens / 1e9:,.1f} G symbols of text"] * (work.update_tokens > 0)
    yield f"  all of them: {' and '.join(whole)}; {work.updates * work.update_flop / 1e18:,.2f} EFLOP"
    hours = ", ".join(f"{work.hours(tflops, gpus):,.1f} h on {gpus} GPU{'s' * (gpus > 1)}" for gpus in GPUS)
    yield f"  at {tflops:g} TFLOP/s a GPU{' (assumed; --tflops replaces it)' if assumed else ''}: {hours}"


def main(words: list[str] | None = None) -> int:
    """Print the hours of a settings file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("config", type=Path, help="a settings file of a task, such as egs/librispeech/conf/asr.yaml")
    parser.add_argument("--variant", type=Path, help="as run.sh --config: its block of the task wins over the file")
    parser.add_argument("--task", help="whose settings they are (default: the name of the file)")
    parser.add_argument("--tflops", type=float, help=f"sustained TFLOP/s of a GPU (default, assumed: {TFLOPS:g})")
    parser.add_argument("--seconds", type=float, default=Lengths.seconds, help="of an utterance, on average (12)")
    parser.add_argument("--tokens-per-s", type=float, default=Lengths.tokens_per_s, help="symbols of its text (15)")
    parser.add_argument("--line-tokens", type=int, default=Lengths.line_tokens, help="symbols of a line (100)")
    given = parser.parse_args(words)
    task = given.task or given.config.stem
    try:
        if task not in installed(TASKS):
            raise UsageError(f"{given.config}: '{task}' is no task; say with --task whose settings they are")
        tree = read_settings(given.config, task, given.variant, variant_blocks())
        found = work(load_task(task), tree, Lengths(given.seconds, given.tokens_per_s, given.line_tokens))
    except SpeechT5Error as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    for line in lines(task, found, given.tflops or TFLOPS, assumed=given.tflops is None):
        sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    torch.manual_seed(0)
    sys.exit(main())
