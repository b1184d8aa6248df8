"""Is an experiment new, to be resumed, finished, or made with something else?"""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from journals import steps
from tiny import TinyCorpus, tiny_config, tiny_tree

from speecht5_cli.config import read_yaml, to_tree, write_yaml
from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.data.speaker_vectors import write_vectors
from speecht5_cli.errors import ConfigError, DataError
from speecht5_cli.plugins import load_task
from speecht5_cli.provenance import FORCE
from speecht5_cli.train.config import FREE_TO_CHANGE, RunConfig, run_config, run_tree
from speecht5_cli.train.experiment import inputs_of, open_experiment
from speecht5_cli.train.run import run
from speecht5_cli.train.streams import open_streams

SHORT = ("train.max_steps=2", "optim.warmup_steps=1", "train.validate_every=2", "train.save_every_steps=1")


@pytest.fixture
def trained(tiny_corpus: TinyCorpus, tmp_path: Path) -> Path:
    run(load_task("asr"), tiny_config(tiny_corpus, "asr", *SHORT), tmp_path / "exp" / "asr")
    return tmp_path / "exp" / "asr"


def state_of(exp: Path, cfg: RunConfig, init: Path | None = None) -> tuple[str, str]:
    plugin = load_task(cfg.name)
    return open_experiment(plugin, cfg, exp, inputs_of(plugin, cfg, init))


def unfinished(exp: Path) -> None:
    (exp / "model" / "model.safetensors").unlink()


def test_a_finished_run_is_skipped(trained: Path, tiny_corpus: TinyCorpus, capsys: pytest.CaptureFixture[str]) -> None:
    before = (trained / "model" / "model.safetensors").stat().st_mtime_ns
    capsys.readouterr()
    run(load_task("asr"), tiny_config(tiny_corpus, "asr", *SHORT), trained)
    assert capsys.readouterr().out == f"{trained}: trained already with these settings and data; skipped\n"
    assert (trained / "model" / "model.safetensors").stat().st_mtime_ns == before


def test_an_unfinished_one_is_resumed(trained: Path, tiny_corpus: TinyCorpus) -> None:
    unfinished(trained)
    assert state_of(trained, tiny_config(tiny_corpus, "asr", *SHORT)) == ("resumed", "")


def test_a_setting_that_the_run_did_not_know_has_its_default(trained: Path, tiny_corpus: TinyCorpus) -> None:
    """As after an update of the toolkit: nothing is set aside for a new setting that is left alone."""
    tree = read_yaml(trained / "config.yaml")
    for block, key in (("train", "average"), ("asr", "freeze_encoder_steps"), ("model", "compat")):
        assert key in tree[block]
        del tree[block][key]
    write_yaml(trained / "config.yaml", tree)
    default = ("asr.freeze_encoder_steps=13000",)
    assert state_of(trained, tiny_config(tiny_corpus, "asr", *SHORT, *default))[0] == "finished"
    state, note = state_of(trained, tiny_config(tiny_corpus, "asr", *SHORT, "asr.freeze_encoder_steps=1"))
    assert state == "new" and "asr.freeze_encoder_steps: 13000 -> 1" in note


OTHER: dict[str, Any] = {  # another value of every setting that may change
    "data.workers": 3,
    "train.checkpoint_layers": True,
    "train.log_every": 7,
    "train.save_every_steps": 5,
    "train.save_every_minutes": 0.5,
    "train.keep_last": 9,
    "train.decode_dev": 0,
}


@pytest.mark.parametrize("key", FREE_TO_CHANGE)
def test_some_settings_are_free_to_change(trained: Path, tiny_corpus: TinyCorpus, key: str) -> None:
    cfg = tiny_config(tiny_corpus, "asr", *SHORT, f"{key}={OTHER[key]}")
    assert state_of(trained, cfg) == ("finished", "")
    unfinished(trained)
    assert state_of(trained, cfg) == ("resumed", "")
    block, name = key.split(".")
    assert read_yaml(trained / "config.yaml")[block][name] == OTHER[key]


@pytest.mark.parametrize(
    ("word", "note"),
    [
        ("optim.lr=1e-4", "optim.lr: 0.002 -> 0.0001"),
        ("model.dropout=0.3", "model.dropout: 0.1 -> 0.3"),
        ("asr.ctc_weight=0.1", "asr.ctc_weight: 0.5 -> 0.1"),
        ("data.batch_seconds=2", "data.batch_seconds: 3.0 -> 2.0"),
    ],
)
def test_another_setting_starts_anew(trained: Path, tiny_corpus: TinyCorpus, word: str, note: str) -> None:
    """The old experiment is set aside, not deleted."""
    state, why = state_of(trained, tiny_config(tiny_corpus, "asr", *SHORT, word))
    aside = trained.parent / ".old" / "asr-1"
    assert (state, why) == ("new", f"{note}; what was there is now in {aside}")
    assert (aside / "model" / "model.safetensors").exists()
    assert sorted(path.name for path in trained.iterdir()) == ["config.yaml", "provenance.json"]


def test_old_ones_are_numbered(trained: Path, tiny_corpus: TinyCorpus) -> None:
    for number, lr in enumerate(("1e-4", "2e-4"), 1):
        cfg = tiny_config(tiny_corpus, "asr", *SHORT, f"optim.lr={lr}")
        run(load_task("asr"), cfg, trained)
        assert (trained.parent / ".old" / f"asr-{number}").exists()
        assert steps(trained) == [1, 2]
    assert f"starts anew, because optim.lr: 0.0001 -> 0.0002; what was there is now in {trained.parent}/.old/asr-2" in (
        trained / "train.log"
    ).read_text().replace("\n", " ")


def test_many_changes_are_counted(trained: Path, tiny_corpus: TinyCorpus) -> None:
    words = [
        f"optim.{name}=0.5"
        for name in ("lr", "eps", "weight_decay", "clip_norm", "floor", "final_scale", "initial_scale")
    ]
    assert (
        " and 2 more changes; what was there" in state_of(trained, tiny_config(tiny_corpus, "asr", *SHORT, *words))[1]
    )


def test_other_data_start_anew(trained: Path, tiny_corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = tiny_config(tiny_corpus, "asr", *SHORT)
    text = tiny_corpus.train / "text"
    before = text.read_text()
    try:
        text.write_text(before.replace("a", "b"))
        assert state_of(trained, cfg)[1].startswith(f"{text} is another one; what was there")
    finally:
        text.write_text(before)


def test_another_initial_model_starts_anew(trained: Path, tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """One more, another, or none any more."""
    cfg, exp = tiny_config(tiny_corpus, "asr", *SHORT), tmp_path / "exp" / "second"
    run(load_task("asr"), cfg, exp, init=trained)
    assert state_of(exp, cfg, trained) == ("finished", "")
    assert state_of(exp, cfg)[1].startswith(f"{trained} is not used any more; what was there")
    run(load_task("asr"), cfg, exp)
    assert state_of(exp, cfg, trained)[1].startswith(f"{trained} is another one; what was there")


def test_what_becomes_of_the_initial_experiment_otherwise_does_not_matter(
    trained: Path, tiny_corpus: TinyCorpus, tmp_path: Path
) -> None:
    """It was tuned and decoded, and its checkpoints were removed."""
    cfg, exp = tiny_config(tiny_corpus, "asr", *SHORT), tmp_path / "exp" / "second"
    run(load_task("asr"), cfg, exp, init=trained)
    (trained / "tuned.yaml").write_text("settings: {beam: 3}\n")
    shutil.rmtree(trained / "checkpoints")
    assert state_of(exp, cfg, trained) == ("finished", "")


def test_a_final_model_without_checkpoints_is_set_aside(trained: Path, tiny_corpus: TinyCorpus) -> None:
    """Else a run that ends early would leave it there, and be taken for finished."""
    shutil.rmtree(trained / "checkpoints")
    state, why = state_of(trained, tiny_config(tiny_corpus, "asr", *SHORT, "optim.lr=1e-5"))
    assert (state, why.split("; ")[1]) == ("new", f"what was there is now in {trained.parent}/.old/asr-1")
    assert not (trained / "model").exists()


def test_other_ends_of_segments_start_anew(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """Though wav.scp and text are the same."""
    plugin, marks = load_task("asr"), []
    cfg = tiny_config(tiny_corpus, "asr", f"data.train={tmp_path / 'train'}")
    for end in ("2.0", "1.5"):
        one = {"s-1": "s"}
        write_tables(tmp_path / "train", {"wav.scp": {"r": "r.wav"}, "utt2spk": one, "segments": {"s-1": f"r 0 {end}"}})
        marks.append(inputs_of(plugin, cfg, None))
    assert [path for path in marks[0] if marks[0][path] != marks[1][path]] == [str(tmp_path / "train" / "segments")]


def test_force(trained: Path, tiny_corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORCE, "1")
    assert state_of(trained, tiny_config(tiny_corpus, "asr", *SHORT))[1].startswith("forced; what was there")


def test_the_configuration_is_saved_before_anything_is_built(
    tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = load_task("asr")

    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(plugin, "build", broken)
    cfg = tiny_config(tiny_corpus, "asr", *SHORT)
    with pytest.raises(MemoryError):
        run(plugin, cfg, tmp_path / "exp")
    assert run_config(plugin, read_yaml(tmp_path / "exp" / "config.yaml")) == cfg


def test_provenance(trained: Path, tiny_corpus: TinyCorpus) -> None:
    record = json.loads((trained / "provenance.json").read_text())
    assert record.keys() == {"command", "version", "started", "inputs"}
    tables, folders = ("utt2spk", "utt2dur", "wav.scp", "text"), (tiny_corpus.train, tiny_corpus.dev)
    names = {str(folder / name) for folder in folders for name in tables}
    assert record["inputs"].keys() == names | {str(tiny_corpus.vocabulary / "vocab.txt")}


@pytest.mark.parametrize("task", ["asr", "pretrain"])
def test_the_whole_configuration_there_and_back(tiny_corpus: TinyCorpus, task: str) -> None:
    cfg = tiny_config(tiny_corpus, task, "optim.betas=[0.8, 0.9]")
    tree = run_tree(cfg)
    assert run_config(load_task(task), tree) == cfg
    assert tree.keys() == {"name", "model", "data", "optim", "train", task}
    assert tree == to_tree(tree)


def test_other_speaker_vectors_start_anew(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """Though xvector.scp, which says where they lie, is the same to the byte."""
    write_tables(tmp_path / "train", {name: DataDir(tiny_corpus.train).table(name) for name in ("wav.scp", "utt2spk")})
    plugin, marks = load_task("se"), []
    cfg = run_config(plugin, tiny_tree(tiny_corpus, "se", f"data.train={tmp_path / 'train'}") | {"se": {}})
    for value in (0.0, 1.0):
        vectors = dict.fromkeys(DataDir(tiny_corpus.train).utterances, np.full(8, value, np.float32))
        write_vectors(tmp_path / "train", "xvector", vectors)
        marks.append(inputs_of(plugin, cfg, None))
    changed = [path for path in marks[0] if marks[0][path] != marks[1][path]]
    assert changed == [str(tmp_path / "train" / "xvector.ark")]


def test_other_noise_starts_anew(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    plugin, marks = load_task("se"), []
    tree = tiny_tree(tiny_corpus, "se") | {"se": {"mixing": {"noises": [str(tmp_path / "noise")]}}}
    for name in ("a", "b"):
        write_tables(tmp_path / "noise", {"wav.scp": {"n": f"{name}.wav"}, "utt2spk": {"n": "n"}})
        marks.append(inputs_of(plugin, run_config(plugin, tree), None))
    assert [path for path in marks[0] if marks[0][path] != marks[1][path]] == [str(tmp_path / "noise" / "wav.scp")]


def test_noise_that_is_not_there(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """Is missed at the start, not at the first example that it should be mixed with."""
    tree = tiny_tree(tiny_corpus, "se") | {"se": {"mixing": {"noises": [str(tmp_path / "noise")]}}}
    cfg = run_config(load_task("se"), tree)
    with pytest.raises(DataError, match=r"noise: no such data dir"):
        open_streams(load_task("se").streams(cfg), replace(cfg.data, train=(tiny_corpus.train,)))


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("optim.lr=-1", "optim: lr is -1.0, and must be above 0"),
        ("data.batch_seconds=0", "data: batch_seconds is 0.0, and must be above 0"),
        ("train.log_every=0", "train: log_every is 0, and must be above 0"),
        ("model.dropout=7", "model: dropout is 7.0, and must be at least 0 and below 1"),
    ],
)
def test_numbers_that_make_no_sense(tiny_corpus: TinyCorpus, word: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        tiny_config(tiny_corpus, "asr", word)
    assert complaint in str(error.value)


@pytest.mark.parametrize("task", ["asr", "tts"])
def test_characters_that_the_vocabulary_lacks(tiny_corpus: TinyCorpus, tmp_path: Path, task: str) -> None:
    """Are told before the first step; numbers as a task reads them."""
    train = tmp_path / "train"
    names = ("wav.scp", "utt2spk", "utt2dur", "text", "xvector.scp", "spk_xvector.scp")
    tables = {name: dict(DataDir(tiny_corpus.train).table(name)) for name in names}
    first, second, *_ = sorted(tables["text"])
    tables["text"] |= {first: "ab öö", second: "ab 1"}
    write_tables(train, tables)
    cfg = tiny_config(tiny_corpus, task, *SHORT, f"data.train={train}")
    run(load_task(task), cfg, tmp_path / "exp")
    log = (tmp_path / "exp" / "train.log").read_text()
    wanted = {"asr": "ö (U+00F6) x 2, 1 (U+0031) x 1\n", "tts": "ö (U+00F6) x 2, o (U+006F) x 1, n (U+006E) x 1"}
    assert f"not in the vocabulary, so <unk> in the training texts: {wanted[task]}" in log
