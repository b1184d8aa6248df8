"""One sentence or sound in, and what got lost of it is said."""

from pathlib import Path

import numpy as np
import pytest
from console import Console
from tiny import TinyCorpus, tiny_config

from speecht5_cli.api import Model
from speecht5_cli.errors import DataError, InputWarning
from speecht5_cli.plugins import load_task
from speecht5_cli.train.run import run

SHORT = ("train.max_steps=1", "optim.warmup_steps=1")


@pytest.fixture(scope="module")
def tts(tiny_corpus: TinyCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    exp = tmp_path_factory.mktemp("exp") / "tts"
    run(load_task("tts"), tiny_config(tiny_corpus, "tts", *SHORT), exp)
    return exp


def test_what_is_not_spoken(tts: Path) -> None:
    """A threshold of 2 is never reached, one of 0 always."""
    with pytest.warns(InputWarning, match="not in the model's vocabulary, so not spoken: '北', 'z'$"):
        Model(tts, threshold=0.0).speak("abc 北z")
    with pytest.warns(InputWarning, match="the limit of length ended it, and not the model"):
        Model(tts, threshold=2.0, max_ratio=2.0).speak("abc")


@pytest.mark.filterwarnings("default::speecht5_cli.errors.InputWarning")
def test_the_command_says_it_in_a_line(tts: Path, console: Console, tmp_path: Path) -> None:
    said = console("speak", "abc 北", "--model", tts, "--out", tmp_path / "a.wav", "--set", "threshold=0.0")
    assert said.exit_code == 0
    assert said.err.splitlines() == ["speecht5: warning: not in the model's vocabulary, so not spoken: '北'"]
    assert (tmp_path / "a.wav").exists()


def test_whole_numbers_are_no_samples(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    run(load_task("asr"), tiny_config(tiny_corpus, "asr", *SHORT), tmp_path / "asr")
    with pytest.raises(DataError, match="as floats, got int16; divide 16-bit ones by 32768"):
        Model(tmp_path / "asr").transcribe(np.full(8000, 9000, np.int16))
