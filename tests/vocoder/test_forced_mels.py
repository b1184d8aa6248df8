"""Log-mels by teacher forcing: in step with the recorded ones, the same whatever the batch, and fit for a vocoder."""

from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from tiny import TinyCorpus, tiny_config, tiny_net
from typer.testing import CliRunner

from speecht5_cli.commands import vocoder
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.feature_store import FeatureFolder
from speecht5_cli.data.features import log_mel
from speecht5_cli.data.mel_segments import spoken_in
from speecht5_cli.data.predicted_mels import LogMelFolder
from speecht5_cli.data.rows import UtteranceRows
from speecht5_cli.decode.speech import PrenetDropout
from speecht5_cli.errors import UsageError
from speecht5_cli.plugins import load_task
from speecht5_cli.train.forced_mels import Request, write_forced_mels
from speecht5_cli.train.run import run


@pytest.fixture(scope="module")
def speaker(tiny_corpus: TinyCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has hardly learned to speak."""
    exp = tmp_path_factory.mktemp("exp") / "tts"
    cfg = tiny_config(tiny_corpus, "tts", "train.max_steps=4", "train.decode_dev=0", "tts.freeze_encoder_steps=0")
    run(load_task("tts"), cfg, exp)
    return exp


def test_they_keep_step_with_the_recording(speaker: Path, tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    n = write_forced_mels(Request(speaker, tiny_corpus.dev, 4.0, False), tmp_path / "mels")
    ids = DataDir(tiny_corpus.dev).utterances
    found = LogMelFolder(tmp_path / "mels")
    assert (n, found.utterances) == (len(ids), ids)
    rows = UtteranceRows([tiny_corpus.dev], ["wav.scp"])
    for row in map(rows.row, range(len(rows))):
        recorded, predicted = log_mel(row.audio()), found.read(row.id)
        assert len(predicted) == len(recorded) - len(recorded) % 2
        assert np.abs(predicted - recorded[: len(predicted)]).mean() < np.abs(recorded).mean()
    assert FeatureFolder(tmp_path / "mels").n_frames(ids[0]) == len(found.read(ids[0]))
    assert {one.id for one in spoken_in([DataDir(tiny_corpus.dev)], mels=found)} == set(ids)


def test_the_same_whatever_the_batch(speaker: Path, tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    for name, seconds, nj in (("one", 0.1, 1), ("many", 60.0, 2)):
        write_forced_mels(Request(speaker, tiny_corpus.train, seconds, False), tmp_path / name, nj=nj)
    one, many = LogMelFolder(tmp_path / "one"), LogMelFolder(tmp_path / "many")
    assert one.utterances == many.utterances
    for utterance in one.utterances:
        np.testing.assert_allclose(one.read(utterance), many.read(utterance), atol=1e-5)


def test_dropout_of_all_steps_is_that_of_each() -> None:
    net, ids = tiny_net(prenet_dropout=0.5), ["a", "b"]
    whole, stepwise = PrenetDropout(net, 3, ids).all_kept(7), PrenetDropout(net, 3, ids)
    assert whole is not None
    for step in range(7):
        kept = stepwise.kept([0, 1], step)
        assert kept is not None
        assert all(torch.equal(layer[:, step : step + 1], one) for layer, one in zip(whole, kept))


def test_the_command(speaker: Path, tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    app = typer.Typer()
    vocoder.add_to(app)
    app.callback()(lambda: None)
    words = ["vocoder", "mels", str(speaker), str(tiny_corpus.dev), str(tmp_path / "mels")]
    assert "feats.scp: log-mels of 6 utterances" in CliRunner().invoke(app, words).output
    assert "up to date" in CliRunner().invoke(app, words).output


def test_who_does_not_speak_is_refused(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    run(load_task("asr"), tiny_config(tiny_corpus, "asr", "train.max_steps=4", "train.decode_dev=0"), tmp_path / "asr")
    with pytest.raises(UsageError, match="a model for 'asr', which does not speak"):
        write_forced_mels(Request(tmp_path / "asr", tiny_corpus.dev, 4.0, False), tmp_path / "mels")
    assert not (tmp_path / "mels").exists()
