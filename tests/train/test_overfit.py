"""The self-test: a net that can learn does learn a few utterances by heart, and one that cannot is found out."""

from pathlib import Path

import numpy as np
import pytest
from tiny import TinyCorpus, tiny_config, tiny_tree

from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.rows import Row
from speecht5_cli.errors import TrainingError, UsageError
from speecht5_cli.plugins import Scores, TaskPlugin, load_task
from speecht5_cli.train import overfit
from speecht5_cli.train.config import RunConfig, run_config
from speecht5_cli.train.overfit import overfit_on

RATE = "optim.lr=5e-3"


def test_near_zero_error(
    tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(overfit, "STEPS", 150)
    overfit_on(load_task("asr"), tiny_config(tiny_corpus, "asr", RATE), tmp_path / "exp", n=6, init=None)
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{tmp_path}/exp: learnt by heart: wer 0.00")
    chosen = DataDir(tmp_path / ".overfit" / "exp").utterances
    assert len(chosen) == 6
    assert len({utterance.split("-")[0] for utterance in chosen}) > 1  # spread over the set, not its beginning


def test_a_net_that_hears_nothing(tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And again with another setting, over what the first attempt has left."""
    monkeypatch.setattr(overfit, "STEPS", 60)
    monkeypatch.setattr(Row, "audio", lambda *_: np.zeros(9000, np.float32))
    for word in (RATE, "optim.lr=4e-3"):
        with pytest.raises(
            TrainingError, match=r"exp: after 60 steps on 4 utterances: wer .*; expected wer of at most 5\.0"
        ):
            overfit_on(load_task("asr"), tiny_config(tiny_corpus, "asr", word), tmp_path / "exp", n=4, init=None)


def test_nothing_is_random_in_it(tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout, masks, smoothing, weight decay and freezing are off; the sizes and the rate are the user's."""
    plugin, seen = load_task("asr"), []

    def remember(_: TaskPlugin, cfg: RunConfig, exp: Path, **__: object) -> Path:
        seen.append(cfg)
        return exp

    monkeypatch.setattr(overfit, "run", remember)
    monkeypatch.setattr(overfit, "predict_set", lambda *_: None)
    monkeypatch.setattr(plugin, "score", lambda *_: Scores({"wer": 0.0}, {}))
    words = ("asr.label_smoothing=0.1", "asr.freeze_encoder_steps=9", RATE)
    overfit_on(plugin, tiny_config(tiny_corpus, "asr", *words), tmp_path / "exp", n=4, init=None)
    (cfg,) = seen
    assert (cfg.task.label_smoothing, cfg.task.freeze_encoder_steps, cfg.task.time_mask.prob) == (0, 0, 0)
    assert (cfg.model.dropout, cfg.model.attention_dropout, cfg.model.encoder_layerdrop) == (0, 0, 0)
    assert (cfg.optim.weight_decay, cfg.optim.lr, cfg.model.d_model) == (0, 5e-3, 32)


def test_noise_and_hugging_faces_dropout_are_off() -> None:
    """Rates of the latter are shares that stay."""
    tree = {"mixing": {"share": 0.9, "kinds": ["white"]}, "compat": "hf", "prenet_dropout": 0.5}
    quiet = {"mixing": {"share": 0.0, "kinds": ["white"]}, "compat": "original", "prenet_dropout": 0.0}
    assert dict(overfit._unregularised(tree)) == quiet


def test_tasks_that_also_read_plain_text(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'pretrain' also reads plain text"):
        overfit_on(load_task("pretrain"), tiny_config(tiny_corpus, "pretrain"), tmp_path / "exp", n=4, init=None)


@pytest.mark.parametrize(
    ("task", "values", "verdict"),
    [
        ("sid", {"accuracy": 96.0}, "learnt by heart: accuracy 96.00"),
        ("sid", {"accuracy": 90.0}, None),
        ("tts", {"mel_mcd": 6.0}, "after 400 steps on 4 utterances: mel_mcd 6.00; listen to"),
    ],
)
def test_the_verdict_of_other_tasks(
    tiny_corpus: TinyCorpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    task: str,
    values: dict[str, float],
    verdict: str | None,
) -> None:
    """Rates of what is right count from 100 down; speech is for listening."""
    plugin = load_task(task)
    monkeypatch.setattr(overfit, "run", lambda *_, **__: tmp_path)
    monkeypatch.setattr(overfit, "predict_set", lambda *_: None)
    monkeypatch.setattr(plugin, "score", lambda *_: Scores(values, {}))
    own = {"vocabulary": str(tiny_corpus.vocabulary)} if task == "tts" else {}
    cfg = run_config(plugin, tiny_tree(tiny_corpus, task) | {task: own})
    if verdict is None:
        with pytest.raises(TrainingError, match=r"accuracy 90\.00; expected accuracy of at least 95\.0"):
            overfit_on(plugin, cfg, tmp_path / "exp", n=4, init=None)
        return
    overfit_on(plugin, cfg, tmp_path / "exp", n=4, init=None)
    assert verdict in capsys.readouterr().out
