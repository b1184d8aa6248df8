"""Decoding settings from a grid: each trial is what a decode with these settings gives, and the best one is kept."""

from itertools import product
from pathlib import Path

import pytest
import torch
from tiny import TinyCorpus, tiny_config

from speecht5_cli.config import read_yaml
from speecht5_cli.errors import ConfigError, UsageError
from speecht5_cli.folders import tuned_settings
from speecht5_cli.plugins import Metric, load_task
from speecht5_cli.train.predict import Request, predict_set
from speecht5_cli.train.run import run
from speecht5_cli.train.tune import Trial, Tuning, encoding_once, keep_best, tune


@pytest.fixture(scope="module")
def model(tiny_corpus: TinyCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recogniser that has learned a little, so that settings matter."""
    exp = tmp_path_factory.mktemp("exp") / "asr"
    run(load_task("asr"), tiny_config(tiny_corpus, "asr", "train.max_steps=60", "train.validate_every=60"), exp)
    return exp


def request_for(model: Path, corpus: TinyCorpus) -> Request:
    return Request(model, corpus.dev, model, "asr", {}, precision="fp32")


def test_a_trial_is_a_decode(model: Path, tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    grid = {"ctc_weight": [0.0, 0.4], "beam": [1, 3]}
    tuning = tune(request_for(model, tiny_corpus), grid)
    assert [tuple(trial.settings.values()) for trial in tuning.trials] == [(0.0, 1), (0.0, 3), (0.4, 1), (0.4, 3)]
    assert tuning.metric.name == "wer"
    plugin = load_task("asr")
    for number, trial in enumerate(tuning.trials):
        out = tmp_path / str(number)
        predict_set(Request(model, tiny_corpus.dev, out, "asr", {"decode": trial.settings}, precision="fp32"))
        assert plugin.score(out, tiny_corpus.dev, plugin.Config()).values == trial.values
    assert not (model / "decode").exists()


def test_sound_is_encoded_once_a_batch(model: Path, tiny_corpus: TinyCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    from speecht5_cli.models.transformer import Encoder

    calls = []
    forward = Encoder.forward
    monkeypatch.setattr(Encoder, "forward", lambda self, *a, **k: calls.append(1) or forward(self, *a, **k))
    tune(request_for(model, tiny_corpus), {"ctc_weight": [0.0]})
    once = len(calls)
    tune(request_for(model, tiny_corpus), {"ctc_weight": [0.0, 0.2, 0.4]})
    assert len(calls) == 2 * once


def test_sound_is_cut_anew_where_a_setting_says_so(model: Path, tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    tuning = tune(request_for(model, tiny_corpus), {"longest_s": [30.0, 0.3], "overlap_s": [0.1], "beam": [1, 2]})
    assert [tuple(trial.settings.values()) for trial in tuning.trials] == list(product([30.0, 0.3], [0.1], [1, 2]))
    plugin = load_task("asr")
    for number, trial in enumerate(tuning.trials):
        out = tmp_path / str(number)
        predict_set(Request(model, tiny_corpus.dev, out, "asr", {"decode": trial.settings}, precision="fp32"))
        assert plugin.score(out, tiny_corpus.dev, plugin.Config()).values == trial.values
    assert tuning.trials[0].values != tuning.trials[2].values


def test_the_model_is_as_before() -> None:
    class Net(torch.nn.Module):
        def encode_speech(self, wav: torch.Tensor) -> torch.Tensor:
            return wav + torch.rand(())

    net, wav = Net(), torch.ones(2)
    with encoding_once(net):
        assert torch.equal(net.encode_speech(wav), net.encode_speech(wav))
        assert not torch.equal(net.encode_speech(wav), net.encode_speech(wav.clone()))
    assert not torch.equal(net.encode_speech(wav), net.encode_speech(wav))


@pytest.mark.parametrize(("better", "best"), [("lower", 1), ("higher", 0)])
def test_the_first_of_the_best_is_kept(tmp_path: Path, better: str, best: int) -> None:
    trials = [Trial({"beam": beam}, {"x": value}) for beam, value in [(1, 9.0), (2, 3.0), (3, 3.0), (4, 9.0)]]
    tuning = Tuning(Metric("x", better), trials)  # type: ignore[arg-type]
    assert tuning.best is trials[best]
    tree = read_yaml(keep_best(tuning, tmp_path, Path("data/dev")))
    assert tree["grid"] == [{"beam": beam, "x": value} for beam, value in [(1, 9.0), (2, 3.0), (3, 3.0), (4, 9.0)]]
    assert tuned_settings(tmp_path) == trials[best].settings


def test_a_setting_that_is_none(model: Path, tiny_corpus: TinyCorpus) -> None:
    with pytest.raises(ConfigError, match="beem"):
        tune(request_for(model, tiny_corpus), {"beem": [1, 2]})


def test_speech_has_no_rank(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    """And that is said before anything is decoded."""
    run(
        load_task("tts"), tiny_config(tiny_corpus, "tts", "train.max_steps=1", "optim.warmup_steps=1"), tmp_path / "tts"
    )
    request = Request(tmp_path / "tts", tiny_corpus.dev, tmp_path / "tts", "tts", {}, precision="fp32")
    with pytest.raises(UsageError, match="'tts' has settings, but no such score"):
        tune(request, {"threshold": [0.3, 0.5]})
