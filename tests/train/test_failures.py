"""Training that cannot go on says why, and with which utterances; nothing of it gets into a checkpoint."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from journals import assert_same_run, checkpoint_steps, steps
from tiny import TinyCorpus, tiny_config, tiny_tree

from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.errors import CheckpointError, ConfigError, DataError, TrainingError
from speecht5_cli.losses.terms import Loss, Term
from speecht5_cli.plugins import TaskPlugin, load_task
from speecht5_cli.train import checkpoint
from speecht5_cli.train.config import run_config
from speecht5_cli.train.run import run
from speecht5_cli.train.validate import Validation

Spoil = Callable[[Callable[[Loss], None]], None]
ONE_EACH = ("data.batch_items=1", "train.validate_every=8", "train.save_every_steps=2")


@pytest.fixture
def plugin() -> TaskPlugin:
    return load_task("asr")


@pytest.fixture
def spoil(plugin: TaskPlugin, monkeypatch: pytest.MonkeyPatch) -> Spoil:
    """spoil(change): the loss of step 5 is changed."""
    loss = plugin.loss

    def set_up(change: Callable[[Loss], None]) -> None:
        def spoilt(model: Any, batch: Any, cfg: Any, step: int) -> Loss:
            result = loss(model, batch, cfg, step)
            if step == 5 and model.training:
                change(result)
            return result

        monkeypatch.setattr(plugin, "loss", spoilt)

    return set_up


def test_no_memory_for_the_largest_batch(
    tiny_corpus: TinyCorpus, plugin: TaskPlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried before the first step."""
    monkeypatch.setattr(plugin, "loss", no_memory)
    with pytest.raises(TrainingError, match=r"^step 0: the GPU's memory is full; train\.checkpoint_layers=true"):
        run(plugin, tiny_config(tiny_corpus, "asr"), tmp_path / "exp")


def no_memory(*_: Any) -> Loss:
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_fault_in_the_dev_set_costs_no_step(
    tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> dict[str, float]:
        raise DataError("utterance x: no sound")

    monkeypatch.setattr(Validation, "measure", fail)
    with pytest.raises(DataError, match=r"^utterance x"):
        run(load_task("asr"), tiny_config(tiny_corpus, "asr", "train.validate_every=3"), tmp_path / "exp")
    assert checkpoint_steps(tmp_path / "exp") == [3]


def test_a_dev_speaker_that_is_new_is_found_at_once(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    dev = DataDir(tiny_corpus.dev)
    tables = {name: dict(dev.table(name)) for name in ("wav.scp", "utt2spk", "utt2dur")}
    write_tables(tmp_path / "dev", tables | {"utt2spk": dict.fromkeys(tables["utt2spk"], "x")})
    tree = tiny_tree(tiny_corpus, "sid", f"data.dev={tmp_path / 'dev'}")
    cfg = run_config(load_task("sid"), tree | {"sid": {}})
    with pytest.raises(DataError, match=r"^utterance s1-18: its speaker 'x' is not among the training speakers"):
        run(load_task("sid"), cfg, tmp_path / "exp")
    assert not (tmp_path / "exp" / "metrics.jsonl").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number(
    tiny_corpus: TinyCorpus, plugin: TaskPlugin, spoil: Spoil, tmp_path: Path, value: float
) -> None:
    def change(loss: Loss) -> None:
        loss.terms["ctc"] = Term(loss.terms["ctc"].sum * value, 0.5)

    spoil(change)
    with pytest.raises(
        TrainingError, match=r"^step 5: the loss term 'ctc' is not finite; utterances s\d-\d\d$"
    ) as error:
        run(plugin, tiny_config(tiny_corpus, "asr", *ONE_EACH), tmp_path / "exp")
    assert error.value.exit_code == 6
    assert checkpoint_steps(tmp_path / "exp") == [2, 4]
    assert steps(tmp_path / "exp")[-1] == 5


def test_a_gradient_that_is_no_number(
    tiny_corpus: TinyCorpus, plugin: TaskPlugin, spoil: Spoil, tmp_path: Path
) -> None:
    def change(loss: Loss) -> None:
        term = loss.terms["ce"]
        loss.terms["ce"] = Term(term.sum + ((term.sum - term.sum.detach()) * 1e30) * 1e30)

    spoil(change)
    with pytest.raises(TrainingError, match=r"^step 5: the gradient norm is (nan|inf); utterances s\d-\d\d$"):
        run(plugin, tiny_config(tiny_corpus, "asr", *ONE_EACH), tmp_path / "exp")
    assert checkpoint_steps(tmp_path / "exp") == [2, 4]


def test_many_utterances_are_counted(tiny_corpus: TinyCorpus, plugin: TaskPlugin, spoil: Spoil, tmp_path: Path) -> None:
    spoil(lambda loss: loss.terms.update(ce=Term(loss.terms["ce"].sum * float("nan"))))
    with pytest.raises(TrainingError, match=r"utterances (s\d-\d\d, ){7}s\d-\d\d and 10 more$"):
        run(plugin, tiny_config(tiny_corpus, "asr", "data.batch_seconds=1000"), tmp_path / "exp")


def test_no_memory_on_the_gpu(tiny_corpus: TinyCorpus, plugin: TaskPlugin, spoil: Spoil, tmp_path: Path) -> None:
    def change(_: Loss) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    spoil(change)
    message = (
        r"step 5: the GPU's memory is full; .* a lower data\.batch_seconds \(now 3\.0\), with optim\.micro_batches"
    )
    with pytest.raises(TrainingError, match=message):
        run(plugin, tiny_config(tiny_corpus, "asr"), tmp_path / "exp")


def test_a_disk_that_is_full_and_then_is_not(
    tiny_corpus: TinyCorpus, plugin: TaskPlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost but the steps since the last checkpoint."""
    cfg, real = tiny_config(tiny_corpus, "asr"), checkpoint.write_tensors

    def full(path: Path, tensors: dict[str, torch.Tensor]) -> None:
        if path.name == "optimizer.safetensors" and (tmp_path / "exp" / "checkpoints" / "4").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, tensors)

    with monkeypatch.context() as patch, pytest.raises(CheckpointError, match="step 8 is not written: No space left"):
        patch.setattr(checkpoint, "write_tensors", full)
        run(plugin, cfg, tmp_path / "exp")
    assert checkpoint_steps(tmp_path / "exp") == [4]
    run(plugin, cfg, tmp_path / "exp")
    run(plugin, cfg, tmp_path / "whole")
    assert_same_run(tmp_path / "exp", tmp_path / "whole")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_sound_that_is_broken(tiny_corpus: TinyCorpus, plugin: TaskPlugin, tmp_path: Path, workers: int) -> None:
    """The same words, whether this process reads it or another one."""
    data = _copy(tiny_corpus, tmp_path)
    (tmp_path / "wav" / "s2-04.wav").write_bytes(b"RIFF, but no more of it")
    cfg = tiny_config(tiny_corpus, "asr", f"data.train={data}", f"data.workers={workers}")
    with pytest.raises(DataError, match=r"^utterance s2-04: .*s2-04\.wav") as error:
        run(plugin, cfg, tmp_path / "exp")
    assert len(str(error.value).splitlines()) == 1


def test_an_utterance_without_room_for_its_text(tiny_corpus: TinyCorpus, plugin: TaskPlugin, tmp_path: Path) -> None:
    """A tenth of a second for ten letters: CTC has no alignment. It counts nothing, or, where asked, it stops."""
    data = _copy(tiny_corpus, tmp_path)
    write_audio(tmp_path / "wav" / "s2-04.wav", 0.1 * np.random.default_rng(0).standard_normal(1600))
    words = [f"data.train={data}", f"data.dev={data}", *ONE_EACH, "train.max_steps=20"]
    run(plugin, tiny_config(tiny_corpus, "asr", *words), tmp_path / "exp")
    with pytest.raises(TrainingError, match=r"the loss term 'ctc' is not finite; utterances s2-04"):
        run(plugin, tiny_config(tiny_corpus, "asr", *words, "asr.zero_infinity=false"), tmp_path / "other")


def test_units_of_another_sound(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    data = _copy(tiny_corpus, tmp_path)
    lines = (data / "units").read_text().splitlines()
    (data / "units").write_text("".join(f"{line} {' '.join(['1'] * 20)}\n" for line in lines))
    with pytest.raises(DataError, match=r"^utterance s\d-\d\d: .* unit labels .* but the speech encoder has"):
        run(load_task("pretrain"), tiny_config(tiny_corpus, "pretrain", f"data.train={data}"), tmp_path / "exp")


def test_units_of_two_models(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    data = _copy(tiny_corpus, tmp_path)
    (data / "units.json").write_text('{"rate_hz": 50.0, "n_clusters": 99, "kmeans": null}')
    with pytest.raises(ConfigError, match="come from different k-means models"):
        run(load_task("pretrain"), tiny_config(tiny_corpus, "pretrain", f"data.train={data}"), tmp_path / "exp")


def _copy(corpus: TinyCorpus, folder: Path) -> Path:
    """The training set, with sounds of its own below `folder`."""
    shutil.copytree(corpus.train, folder / "train")
    shutil.copytree(corpus.root / "wav", folder / "wav")
    scp = folder / "train" / "wav.scp"
    scp.write_text(scp.read_text().replace(str(corpus.root), str(folder)))
    return folder / "train"
