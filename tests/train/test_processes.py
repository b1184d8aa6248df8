"""Two processes are one with the same effective batch."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from journals import checkpoint_steps, distance, numbers, steps, weights
from processes import in_processes
from tiny import TinyCorpus, tiny_config, tiny_tree

from speecht5_cli.config import write_yaml
from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.errors import ConfigError
from speecht5_cli.plugins import load_task
from speecht5_cli.train.config import RunConfig
from speecht5_cli.train.run import run


def train(cfg: RunConfig, exp: Path, n: int) -> list[Any]:
    """What each of n processes returned or raised."""
    return in_processes(n, lambda _: run(load_task(cfg.name), cfg, exp))


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("asr", ("optim.micro_batches=2",)),
        ("asr", ("optim.micro_batches=2", "train.normalise=global", "asr.freeze_encoder_steps=3")),
        ("pretrain", ("optim.micro_batches=2",)),
        ("pretrain", ("optim.micro_batches=4", "train.normalise=global")),
    ],
    ids=str,
)
def test_two_are_one(tiny_corpus: TinyCorpus, tmp_path: Path, task: str, words: tuple[str, ...]) -> None:
    """Dropout, masks and the draws of the codebook included: every micro-batch has a seed of its own."""
    cfg = tiny_config(tiny_corpus, task, "train.max_steps=5", "train.validate_every=5", *words)
    assert train(cfg, tmp_path / "two", 2) == [tmp_path / "two" / "model"] * 2
    run(load_task(task), cfg, tmp_path / "one")
    # Sums in another order, five times through Adam: up to 1.2e-5 on one processor, less on others.
    assert distance(weights(tmp_path / "one"), weights(tmp_path / "two")) < 5e-5
    assert steps(tmp_path / "two") == [1, 2, 3, 4, 5]
    one, two = numbers(tmp_path / "one", "dev")[0], numbers(tmp_path / "two", "dev")[0]
    assert one.keys() == two.keys()
    if task == "asr":  # pre-training's draws differ in validation, where each process has its own batches
        assert [two[name] for name in one if name != "split"] == pytest.approx(
            [one[name] for name in one if name != "split"], rel=1e-3
        )


@pytest.mark.parametrize("task", ["asr", "pretrain"])
def test_a_dev_set_with_fewer_batches_than_processes(tiny_corpus: TinyCorpus, tmp_path: Path, task: str) -> None:
    """One has nothing to validate, or only text: the means are those of all."""
    words = ("train.max_steps=2", "train.validate_every=2", "data.batch_seconds=60", "data.batch_tokens=5000")
    cfg = tiny_config(tiny_corpus, task, *words, "optim.micro_batches=3")
    assert train(cfg, tmp_path / "three", 3) == [tmp_path / "three" / "model"] * 3
    run(load_task(task), cfg, tmp_path / "one")
    one, three = numbers(tmp_path / "one", "dev")[0], numbers(tmp_path / "three", "dev")[0]
    assert one.keys() == three.keys()


def test_micro_batches_that_cannot_be_shared(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    cfg = tiny_config(tiny_corpus, "asr", "optim.micro_batches=3")
    for error in train(cfg, tmp_path / "exp", 2):
        assert isinstance(error, ConfigError)
        assert "3 cannot be shared by 2 processes; the nearest fitting number is 4" in str(error)


def test_a_signal_to_one_stops_all(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    cfg = tiny_config(tiny_corpus, "asr", "optim.micro_batches=2", "train.max_steps=500", "train.validate_every=500")

    def work(rank: int) -> None:
        plugin = load_task("asr")
        loss = plugin.loss

        def watched(model, batch, cfg, at):  # type: ignore[no-untyped-def]
            if (rank, at) == (1, 2):
                os.kill(os.getpid(), signal.SIGTERM)
            return loss(model, batch, cfg, at)

        plugin.loss = watched  # type: ignore[method-assign]
        run(plugin, cfg, tmp_path / "exp")

    assert [type(end) for end in in_processes(2, work)] == [KeyboardInterrupt] * 2
    assert (checkpoint_steps(tmp_path / "exp"), steps(tmp_path / "exp")) == ([3], [1, 2, 3])
    assert not (tmp_path / "exp" / "model").exists()  # the main one, too, knows that this is not the end


def test_ngpu_starts_through_torchrun(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """The command line's way, from the command line; then the same command alone finds nothing to do."""
    words = ("train.max_steps=3", "train.validate_every=3", "optim.micro_batches=2")
    write_yaml(tmp_path / "conf.yaml", tiny_tree(tiny_corpus, "pretrain", *words))
    command = [sys.executable, "-m", "speecht5_cli", "pretrain", "conf.yaml", "--exp", "exp"]
    done = subprocess.run([*command, "--ngpu", "2"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("step 3  dev") == 1  # one of them talks
    cfg = tiny_config(tiny_corpus, "pretrain", *words)
    run(load_task("pretrain"), cfg, tmp_path / "one")
    assert distance(weights(tmp_path / "one"), weights(tmp_path / "exp")) < 1e-5


def test_an_utterance_that_only_one_process_reads_may_be_long(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """Its table of positions grows, the others' do not; and all validate again."""
    dev = DataDir(tiny_corpus.dev)
    first, *others = dev.utterances[:5]  # each a batch; the fifth and longest comes to the main process
    names = ("wav.scp", "utt2spk", "text", "utt2dur")
    tables = {name: {i: dev.table(name)[i] for i in (first, *others)} for name in names}
    write_audio(tmp_path / "long.wav", np.random.default_rng(0).normal(0, 0.1, 22 * 16_000).astype(np.float32))
    tables["wav.scp"][first], tables["utt2dur"][first] = str(tmp_path / "long.wav"), "22.0"
    write_tables(tmp_path / "dev", tables)
    words = ("optim.micro_batches=2", "train.max_steps=4", "train.validate_every=2", f"data.dev={tmp_path / 'dev'}")
    cfg = tiny_config(tiny_corpus, "asr", *words, "data.batch_items=1", "train.decode_dev=0")
    assert train(cfg, tmp_path / "two", 2) == [tmp_path / "two" / "model"] * 2
    assert [line["step"] for line in numbers(tmp_path / "two", "dev")] == [2, 4]
