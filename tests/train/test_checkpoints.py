"""Checkpoints: which are kept, that they are whole or absent, and what is read back."""

import errno
import json
import resource
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from journals import checkpoint_steps, weights
from processes import in_processes
from tiny import TinyCorpus, exact_config, tiny_config, tiny_net
from torch import Tensor

from speecht5_cli.config import from_tree
from speecht5_cli.data.assets import Assets
from speecht5_cli.errors import CheckpointError
from speecht5_cli.folders import kept_checkpoints, model_folder, read_model_config
from speecht5_cli.models.speecht5 import SpeechT5
from speecht5_cli.plugins import load_task
from speecht5_cli.train import checkpoint
from speecht5_cli.train.checkpoint import (
    Checkpoints,
    load_exactly,
    model_tree,
    read_tensors,
    resume,
    write_model_folder,
    write_tensors,
)
from speecht5_cli.train.config import OptimConfig, RunConfig
from speecht5_cli.train.final import averaged, final_checkpoints
from speecht5_cli.train.loop import Progress
from speecht5_cli.train.optim import Optimizer
from speecht5_cli.train.restore import restore
from speecht5_cli.train.run import run


class Training:
    """Just enough of a run to save checkpoints."""

    def __init__(
        self,
        exp: Path,
        cfg: RunConfig,
        *,
        keep_last: int = 2,
        keep_best: int = 1,
        better: Literal["lower", "higher"] = "lower",
    ) -> None:
        self.exp, self.cfg = exp, cfg
        self.net: SpeechT5 = tiny_net()
        self.optimizer = Optimizer(self.net, OptimConfig(lr=1e-2), 100)
        self.checkpoints = Checkpoints(exp, keep_last=keep_last, keep_best=keep_best, better=better)
        (exp / "assets").mkdir(parents=True)
        (exp / "assets" / "vocab.txt").write_text("a\n")

    def update(self, step: int) -> None:
        """A step in some direction, of half of the parameters."""
        for number, parameter in enumerate(self.net.parameters()):
            if number % 2:
                parameter.grad = torch.full_like(parameter, 0.1 * (step + 1))
        self.optimizer.step(step)

    def save(self, step: int, metric: float | None = None) -> Path:
        progress = Progress(step)
        return self.checkpoints.save(self.net, self.optimizer, progress, self.cfg, Assets(self.exp / "assets"), metric)

    def visible(self) -> list[str]:
        return sorted(path.name for path in (self.exp / "checkpoints").iterdir())


@pytest.fixture
def training(tmp_path: Path, tiny_corpus: TinyCorpus) -> Training:
    return Training(tmp_path / "exp", tiny_config(tiny_corpus, "asr"))


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# --- what is kept ---


def test_the_newest_and_the_best_are_kept(training: Training) -> None:
    for step, metric in enumerate([5.0, 3.0, None, 4.0, 3.0, 9.0], 1):
        training.save(step, metric)
    assert checkpoint_steps(training.exp) == [2, 5, 6]  # 2: the best, first of two equals
    assert [place.name for place in training.checkpoints.newest(2)] == ["5", "6"]
    assert [place.name for place in training.checkpoints.best(5)] == ["2", "5", "6"]
    assert model_folder(training.exp) == training.exp / "checkpoints" / "2"
    index = json.loads((training.exp / "checkpoints" / "index.json").read_text())
    assert index == {
        "better": "lower",
        "kept": [
            {"step": 2, "metric": 3.0, "passing": False},
            {"step": 5, "metric": 3.0, "passing": False},
            {"step": 6, "metric": 9.0, "passing": False},
        ],
    }


def test_higher_may_be_better(tmp_path: Path, tiny_corpus: TinyCorpus) -> None:
    training = Training(tmp_path / "exp", tiny_config(tiny_corpus, "asr"), keep_last=1, keep_best=2, better="higher")
    for step, metric in enumerate([0.5, 0.9, 0.1, 0.7, 0.2], 1):
        training.save(step, metric)
    assert checkpoint_steps(training.exp) == [2, 4, 5]
    assert [place.name for place in training.checkpoints.best(2)] == ["2", "4"]


def test_at_least_one_is_always_kept(tmp_path: Path, tiny_corpus: TinyCorpus) -> None:
    training = Training(tmp_path / "exp", tiny_config(tiny_corpus, "asr"), keep_last=0, keep_best=0)
    for step in (1, 2):
        training.save(step)
    assert checkpoint_steps(training.exp) == [2]
    assert model_folder(training.exp).name == "2"  # without a measurement, the newest


def test_a_step_saved_again_is_replaced(training: Training) -> None:
    training.save(1)
    training.update(0)
    training.save(1, 2.0)
    assert [(kept.step, kept.metric) for kept in kept_checkpoints(training.exp / "checkpoints")] == [(1, 2.0)]
    assert equal(read_tensors(training.exp / "checkpoints/1/model.safetensors"), training.net.state_dict())


# --- there and back ---


def test_everything_comes_back(training: Training) -> None:
    for step in range(3):
        training.update(step)
    place = training.save(3)
    net = tiny_net(seed=9)
    optimizer = Optimizer(net, OptimConfig(lr=1e-2), 100)
    progress = resume(place, net, optimizer)
    assert progress == Progress(3)
    assert equal(net.state_dict(), training.net.state_dict())
    assert equal(optimizer.state(), training.optimizer.state())
    assert 0 < len(optimizer.state()) < 3 * len(list(net.parameters()))  # what was never updated has no moments
    again = Training(training.exp.parent / "other", training.cfg)
    again.net, again.optimizer = net, optimizer
    training.update(3)
    again.update(3)
    assert equal(net.state_dict(), training.net.state_dict())


def test_a_checkpoint_is_a_model_folder(training: Training) -> None:
    place = training.save(1)
    assert sorted(path.name for path in place.iterdir()) == [
        "assets",
        "config.yaml",
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]
    tree = read_model_config(place)
    assert tree.keys() == {"name", "model", "asr"}
    assert str(training.exp) not in (place / "config.yaml").read_text()


def test_no_path_of_this_machine_is_in_a_model(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """It can be moved, and the corpus deleted."""
    run(
        load_task("asr"), tiny_config(tiny_corpus, "asr", "train.max_steps=2", "optim.warmup_steps=1"), tmp_path / "exp"
    )
    (tmp_path / "exp" / "model").rename(tmp_path / "moved")
    (tmp_path / "exp").rename(tmp_path / "gone")
    assert str(tiny_corpus.root) not in (tmp_path / "moved" / "config.yaml").read_text()
    restored = restore(tmp_path / "moved")
    assert len(restored.assets.path("vocab.txt").read_text().splitlines()) == 13


def test_a_model_that_was_validated_with_a_language_model(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """The language model stays outside, and its weight with it."""
    cfg = tiny_config(tiny_corpus, "asr")
    search = replace(cfg.task.decode, lm=tmp_path / "lm", lm_weight=0.3, ctc_weight=0.2)
    tree = model_tree(replace(cfg, task=replace(cfg.task, decode=search)))
    decode = from_tree(load_task("asr").Config, {**tree["asr"], "vocabulary": "vocab"}).decode
    assert (decode.lm, decode.lm_weight, decode.ctc_weight) == (None, 0.0, 0.2)


# --- whole or absent ---


def test_a_checkpoint_that_no_index_names_is_none(training: Training) -> None:
    """The machine went down between the folder and the index, or in the middle of deleting."""
    training.save(1)
    (training.exp / "checkpoints" / "7").mkdir()
    assert [kept.step for kept in kept_checkpoints(training.exp / "checkpoints")] == [1]
    training.save(2)
    (training.exp / "checkpoints" / "2" / "state.json").unlink()
    assert [place.name for place in training.checkpoints.newest(5)] == ["1"]
    training.save(3)
    assert [place.name for place in training.checkpoints.newest(5)] == ["1", "3"]


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_full_disk(training: Training, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """Whatever file it is that has no room: the former checkpoint is whole, and nothing half-written is to be seen."""
    training.save(1, 5.0)
    before = {path: path.read_bytes() for path in (training.exp / "checkpoints").rglob("*") if path.is_file()}
    real_tensors, real_file = checkpoint.write_tensors, checkpoint.atomic_write

    def no_room(path: Path, *args: object) -> object:
        if path.name == file:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return (real_tensors if path.suffix == ".safetensors" else real_file)(path, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "write_tensors", no_room)
    monkeypatch.setattr(checkpoint, "atomic_write", no_room)
    training.update(0)
    with pytest.raises(CheckpointError, match="checkpoint of step 2 is not written: No space left on device") as error:
        training.save(2, 4.0)
    assert error.value.exit_code == 5
    assert "the former one is still whole" in str(error.value)
    assert {path: path.read_bytes() for path in (training.exp / "checkpoints").rglob("*") if path.is_file()} == before
    monkeypatch.undo()
    training.save(2, 4.0)
    assert checkpoint_steps(training.exp) == [1, 2]


def test_the_system_allows_no_larger_file(training: Training) -> None:
    """The error that the tensor library makes of it, not one that a test made up."""
    training.save(1)

    def work(_: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        training.save(2)

    (error,) = in_processes(1, work)
    assert isinstance(error, CheckpointError), error
    assert "the checkpoint of step 2 is not written" in str(error)
    assert training.visible() == ["1", "index.json"]
    assert equal(read_tensors(training.exp / "checkpoints/1/model.safetensors"), training.net.state_dict())


def test_a_final_model_for_which_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_tensors", no_room)
    with pytest.raises(CheckpointError, match="model: not written: No space left"):
        write_model_folder(tmp_path / "model", {}, {}, Assets(tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


# --- what cannot be read ---


def test_files_that_are_no_tensors(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors: no such file"):
        read_tensors(tmp_path / "none.safetensors")
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"a\.safetensors: not readable .* cut short"):
        read_tensors(path)
    path.write_bytes(b"PK\x03\x04 something else altogether")
    with pytest.raises(CheckpointError, match="not readable"):
        read_tensors(path)


def test_broken_checkpoints(training: Training) -> None:
    place = training.save(1)
    (place / "state.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"state\.json: not readable"):
        resume(place, training.net, training.optimizer)
    (training.exp / "checkpoints" / "index.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"index\.json: not readable"):
        training.checkpoints.newest(1)


def test_another_net(training: Training) -> None:
    tensors = training.net.state_dict()
    with pytest.raises(CheckpointError, match=r"x: ctc_head\.1\.bias has shape \(3,\), the model \(13,\)"):
        load_exactly(training.net, {**tensors, "ctc_head.1.bias": torch.zeros(3)}, "x")
    fewer = {name: tensor for name, tensor in tensors.items() if "ctc" not in name}
    with pytest.raises(CheckpointError, match=r"2 tensors missing \(ctc_head.*\), 1 not known \(new\)"):
        load_exactly(training.net, {**fewer, "new": torch.zeros(1)}, "x")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("nothing", "no such model folder or experiment"),
        ("folder", "neither a model folder nor an experiment"),
        ("config", "no finished checkpoint yet"),
    ],
)
def test_paths_that_hold_no_model(tmp_path: Path, made: str, message: str) -> None:
    if made != "nothing":
        (tmp_path / "exp").mkdir()
    if made == "config":
        (tmp_path / "exp" / "config.yaml").write_text("name: asr\n")
    with pytest.raises(CheckpointError, match=message):
        model_folder(tmp_path / "exp")
    with pytest.raises(CheckpointError, match="no model folder"):
        read_model_config(tmp_path / "exp")


# --- means ---


def test_the_mean_of_models(tmp_path: Path) -> None:
    for number, value in enumerate((1.0, 2.0, 6.0)):
        (tmp_path / str(number)).mkdir()
        tensors = {"w": torch.full((2,), value), "count": torch.tensor(number)}
        write_tensors(tmp_path / str(number) / "model.safetensors", tensors)
    folders = [tmp_path / str(number) for number in range(3)]
    assert averaged(folders)["w"].tolist() == [3.0, 3.0]
    assert averaged(folders)["count"] == 2  # there is no mean of a counter
    assert averaged(folders[:1])["w"].tolist() == [1.0, 1.0]


def test_which_checkpoints_make_the_final_model(tmp_path: Path, tiny_corpus: TinyCorpus) -> None:
    training = Training(tmp_path / "exp", tiny_config(tiny_corpus, "asr"), keep_last=3, keep_best=2)
    for step, metric in enumerate([1.0, 2.0, None, 5.0, 4.0, 6.0], 1):
        training.save(step, metric)

    def names(average: Literal["none", "last", "best"]) -> list[str]:
        return [place.name for place in final_checkpoints(training.checkpoints, average)]

    assert (names("none"), names("last"), names("best")) == (["1"], ["4", "5", "6"], ["1", "2"])
    unmeasured = Training(tmp_path / "other", training.cfg)
    for step in (1, 2):
        unmeasured.save(step)
    assert [place.name for place in final_checkpoints(unmeasured.checkpoints, "none")] == ["2"]


def test_a_run_may_end_with_the_mean_of_its_last(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    words = ("train.average=last", "train.keep_last=2", "train.keep_best=0")
    run(load_task("asr"), exact_config(tiny_corpus, "asr", *words), tmp_path / "exp")
    four, eight = (read_tensors(tmp_path / f"exp/checkpoints/{n}/model.safetensors") for n in (4, 8))
    for name, tensor in weights(tmp_path / "exp").items():
        torch.testing.assert_close(tensor, (four[name] + eight[name]) / 2)
    assert "mean of steps 4, 8" in (tmp_path / "exp" / "train.log").read_text()
