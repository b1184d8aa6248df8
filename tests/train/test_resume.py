"""Exact resume: however a run was ended, the same command goes on bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journals import assert_same_run, checkpoint_steps, numbers, steps
from tiny import TinyCorpus, tiny_config, tiny_tree

from speecht5_cli.config import write_yaml
from speecht5_cli.plugins import load_task
from speecht5_cli.train.config import RunConfig
from speecht5_cli.train.metrics import Journal
from speecht5_cli.train.run import run

Trained = Callable[[RunConfig], Path]


@pytest.fixture(scope="module")
def uninterrupted(tiny_corpus: TinyCorpus, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Experiments that ran from start to end, each made once."""
    made: dict[str, Path] = {}

    def train(cfg: RunConfig) -> Path:
        if cfg.name not in made:
            made[cfg.name] = tmp_path_factory.mktemp("whole") / cfg.name
            run(load_task(cfg.name), cfg, made[cfg.name])
        return made[cfg.name]

    return train


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    """SIGTERM arrives while that update is computed."""
    plugin = load_task(task)
    loss = plugin.loss

    def watched(model, batch, cfg, at):  # type: ignore[no-untyped-def]
        if at == step and model.training:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(model, batch, cfg, at)

    monkeypatch.setattr(plugin, "loss", watched)


@pytest.mark.parametrize(("task", "step"), [("asr", 2), ("asr", 5), ("pretrain", 5)])
def test_stopped_in_order(
    tiny_corpus: TinyCorpus,
    uninterrupted: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    step: int,
) -> None:
    cfg = tiny_config(tiny_corpus, task)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(step, patch, task)
        run(load_task(task), cfg, tmp_path / "exp")
    assert steps(tmp_path / "exp") == list(range(1, step + 2))  # the step was finished and saved
    assert step + 1 in checkpoint_steps(tmp_path / "exp")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    run(load_task(task), cfg, tmp_path / "exp")
    assert_same_run(tmp_path / "exp", uninterrupted(cfg))


def test_ended_at_once_between_checkpoints(
    tiny_corpus: TinyCorpus, uninterrupted: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps behind the last checkpoint are done again, and stand in metrics.jsonl once."""
    cfg, plugin = tiny_config(tiny_corpus, "asr"), load_task("asr")
    loss = plugin.loss

    def failing(model, batch, cfg, at):  # type: ignore[no-untyped-def]
        if at == 6:
            raise ZeroDivisionError
        return loss(model, batch, cfg, at)

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(plugin, "loss", failing)
        run(plugin, cfg, tmp_path / "exp")
    assert (steps(tmp_path / "exp"), checkpoint_steps(tmp_path / "exp")) == ([1, 2, 3, 4, 5, 6], [4])
    with (tmp_path / "exp" / "metrics.jsonl").open("a") as torn:
        torn.write('{"step": 7, "spl')  # the power went out
    run(plugin, cfg, tmp_path / "exp")
    assert steps(tmp_path / "exp") == list(range(1, 9))
    assert_same_run(tmp_path / "exp", uninterrupted(cfg))


def test_ended_before_the_first_checkpoint(tiny_corpus: TinyCorpus, uninterrupted: Trained, tmp_path: Path) -> None:
    """What was logged until then is no part of the run."""
    cfg = tiny_config(tiny_corpus, "asr")
    exp = tmp_path / "exp"
    exp.mkdir()
    (exp / "config.yaml").write_text("name: asr\n")
    (exp / "metrics.jsonl").write_text('{"step": 1, "split": "train", "loss": 99}\n')
    (exp / "assets").mkdir()
    (exp / "assets" / "spm.model").write_bytes(b"of another vocabulary")
    run(load_task("asr"), cfg, exp)
    assert_same_run(exp, uninterrupted(cfg))
    assert not (exp / "model" / "assets" / "spm.model").exists()


def test_ended_behind_the_last_checkpoint(tiny_corpus: TinyCorpus, uninterrupted: Trained, tmp_path: Path) -> None:
    """Only the final model is missing."""
    cfg = tiny_config(tiny_corpus, "asr")
    whole = uninterrupted(cfg)
    run(load_task("asr"), cfg, tmp_path / "exp")
    (tmp_path / "exp" / "model" / "model.safetensors").unlink()
    run(load_task("asr"), cfg, tmp_path / "exp")
    assert_same_run(tmp_path / "exp", whole)


def test_reading_ahead_changes_nothing(tiny_corpus: TinyCorpus, uninterrupted: Trained, tmp_path: Path) -> None:
    for task in ("asr", "pretrain"):
        run(load_task(task), tiny_config(tiny_corpus, task, "data.workers=2"), tmp_path / task)
        assert_same_run(tmp_path / task, uninterrupted(tiny_config(tiny_corpus, task)))


# --- from outside ---


def started(corpus: TinyCorpus, folder: Path, *words: str, **how: Any) -> subprocess.Popen[str]:
    write_yaml(folder / "asr.yaml", tiny_tree(corpus, "asr", *words))
    command = [sys.executable, "-m", "speecht5_cli", "finetune", "--task", "asr", "asr.yaml", "--exp", "exp"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **how)


def wait_for(folder: Path, child: subprocess.Popen[str], step: int) -> None:
    """Until the step stands in metrics.jsonl."""
    path, end = folder / "exp" / "metrics.jsonl", time.monotonic() + 120
    while time.monotonic() < end and child.poll() is None:
        if path.exists() and f'"step": {step},' in path.read_text():
            return
        time.sleep(0.01)
    raise AssertionError(child.communicate()[0])


def test_killed(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """kill -9 in the middle, with a process that reads ahead: nothing is lost but the steps since the checkpoint."""
    words = ("train.max_steps=30", "train.save_every_steps=3", "train.validate_every=15", "train.keep_last=1")
    child = started(tiny_corpus, tmp_path, *words, "data.workers=1")
    wait_for(tmp_path, child, 7)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    last = max(checkpoint_steps(tmp_path / "exp"))
    assert 6 <= last < 30 and last % 3 == 0
    cfg = tiny_config(tiny_corpus, "asr", *words)
    run(load_task("asr"), cfg, tmp_path / "exp")
    run(load_task("asr"), cfg, tmp_path / "whole")
    assert_same_run(tmp_path / "exp", tmp_path / "whole")
    log = (tmp_path / "exp" / "train.log").read_text()
    assert f"goes on after exp/checkpoints/{last}".replace("exp/", f"{tmp_path}/exp/") in log


def test_told_to_end(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """SIGTERM: the step is finished and saved, and the exit code is 130."""
    words = ("train.max_steps=500", "train.save_every_steps=500", "train.validate_every=500")
    child = started(tiny_corpus, tmp_path, *words, "data.workers=1")
    wait_for(tmp_path, child, 3)
    child.terminate()
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    (saved,) = checkpoint_steps(tmp_path / "exp")
    assert f"stopped and saved at step {saved}; the same command goes on from there" in said
    assert said.splitlines()[-1] == "speecht5: error: interrupted"
    assert steps(tmp_path / "exp")[-1] == saved
    state = json.loads((tmp_path / "exp" / "checkpoints" / str(saved) / "state.json").read_text())
    assert state["progress"]["step"] == saved


def test_all_processes_told_to_end(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """As by `timeout` or a cluster: those that read ahead leave it to the one that saves."""
    words = ("train.max_steps=500", "train.save_every_steps=500", "train.validate_every=500")
    child = started(tiny_corpus, tmp_path, *words, "data.workers=2", start_new_session=True)
    wait_for(tmp_path, child, 3)
    os.killpg(child.pid, signal.SIGTERM)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 130, said
    (saved,) = checkpoint_steps(tmp_path / "exp")
    assert f"stopped and saved at step {saved}; the same command goes on from there" in said


def test_the_journal_is_cut_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path, resumed_at=0)
    for step in range(1, 6):
        journal.numbers(step, "train", {"loss": step / 3})
    journal.numbers(4, "dev", {"loss": 1.0})
    journal.close()
    Journal(tmp_path, resumed_at=3).close()
    assert steps(tmp_path) == [1, 2, 3]
    assert numbers(tmp_path, "dev") == []
    Journal(tmp_path, resumed_at=0, silent=True).close()
    assert steps(tmp_path) == [1, 2, 3]
