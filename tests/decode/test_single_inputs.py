"""One sentence or sound in, and what got lost of it is said."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from console import Console
from tiny import TinyCorpus, tiny_config, tiny_tree

from speecht5_cli.api import Model
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.hypotheses import read_hypotheses
from speecht5_cli.errors import CheckpointError, DataError, InputWarning
from speecht5_cli.plugins import load_task
from speecht5_cli.train.config import run_config
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


@pytest.mark.filterwarnings("ignore::speecht5_cli.errors.InputWarning")
def test_text_without_a_known_character(tts: Path) -> None:
    """Blanks between them are no reason to speak."""
    with pytest.raises(DataError, match="the model's vocabulary has no symbol of '北 京'"):
        Model(tts).speak("北 京")


@pytest.mark.filterwarnings("default::speecht5_cli.errors.InputWarning")
def test_the_command_says_it_in_a_line(tts: Path, console: Console, tmp_path: Path) -> None:
    said = console("speak", "abc 北", "--model", tts, "--out", tmp_path / "a.wav", "--set", "threshold=0.0")
    assert said.exit_code == 0
    assert said.err.splitlines() == ["speecht5: warning: not in the model's vocabulary, so not spoken: '北'"]
    assert (tmp_path / "a.wav").exists()


@pytest.mark.filterwarnings("default::speecht5_cli.errors.SlowWarning")
def test_the_command_says_what_is_slow(
    tts: Path, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
    settings = ("--out", tmp_path / "a.wav", "--set", "threshold=0.0", "--precision", "bf16")
    said = console("speak", "abc", "--model", tts, *settings)
    assert said.exit_code == 0
    assert [line.startswith("speecht5: warning: this processor") for line in said.err.splitlines()] == [True]


def test_whole_numbers_are_no_samples(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    run(load_task("asr"), tiny_config(tiny_corpus, "asr", *SHORT), tmp_path / "asr")
    with pytest.raises(DataError, match="as floats, got int16; divide 16-bit ones by 32768"):
        Model(tmp_path / "asr").transcribe(np.full(8000, 9000, np.int16))


def test_a_decode_counts_such_texts(tts: Path, tiny_corpus: TinyCorpus, console: Console, tmp_path: Path) -> None:
    data = tmp_path / "data"
    DataDir(tiny_corpus.dev).subset(data, DataDir(tiny_corpus.dev).utterances[:2])
    first, second = DataDir(data).utterances
    (data / "text").write_text(f"{first} abc\n{second} ab北\n", encoding="utf-8")
    said = console(
        "decode", "--task", "tts", "--model", tts, "--data", data, "--out", tmp_path / "said", "threshold=0.0"
    )
    count = f"texts with characters that the vocabulary lacks: 1, see {tmp_path / 'said' / 'hyp.jsonl'}"
    assert said.out.splitlines()[-1] == count
    assert read_hypotheses(tmp_path / "said")[second].details == {"unsupported": {"北": 1}}


def test_another_net_at_the_same_place(tiny_corpus: TinyCorpus, console: Console, tmp_path: Path) -> None:
    """A language model that was trained again decodes again."""
    run(load_task("asr"), tiny_config(tiny_corpus, "asr", *SHORT), tmp_path / "asr")
    words = ("--model", tmp_path / "asr", "--data", tiny_corpus.dev, "--out", tmp_path / "said")
    texts = {"train_text": str(tiny_corpus.train_text), "dev_text": str(tiny_corpus.dev_text), "batch_tokens": 60}
    skipped = []
    for rate in ("1e-3", "1e-3", "2e-3"):
        tree = tiny_tree(tiny_corpus, "lm", *SHORT, f"optim.lr={rate}") | {"data": texts | {"workers": 0}}
        tree["model"] = {"size": "tiny", "d_model": 16, "layers": 1, "ffn_dim": 16, "heads": 2}
        run(load_task("lm"), run_config(load_task("lm"), tree), tmp_path / "lm")
        said = console("decode", "--task", "asr", *words, f"lm={tmp_path / 'lm'}", "lm_weight=0.3")
        assert said.exit_code == 0, said.err
        skipped.append("up to date; skipped" in said.out)
    assert skipped == [False, True, False]


def test_nothing_of_others_is_replaced(tts: Path, tiny_corpus: TinyCorpus, console: Console, tmp_path: Path) -> None:
    """Neither by hypotheses nor by log-mels, and not the data dir that is decoded."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("long")
    data = tmp_path / "data"
    DataDir(tiny_corpus.dev).subset(data, DataDir(tiny_corpus.dev).utterances[:2])
    decode = ("decode", "--task", "tts", "--model", tts, "--data", data, "max_ratio=2.0", "--out")
    for words in ((*decode, tmp_path / "thesis"), (*decode, data), ("vocoder", "mels", tts, data, tmp_path / "thesis")):
        said = console(*words)
        assert (said.exit_code, "this command did not make it; choose another name" in said.err) == (2, True)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "long"
    assert (data / "text").exists()
    for _ in range(2):  # its own it does replace
        assert console(*decode, tmp_path / "said", "threshold=2.0").exit_code == 0
    assert console(*decode, tmp_path / "said", "threshold=0.0").exit_code == 0


def test_sets_of_one_name(
    tts: Path, tiny_corpus: TinyCorpus, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Would lie at one place: together they are refused, and one after the other the second."""
    exp = tmp_path / "exp"
    exp.mkdir()
    (exp / "model").symlink_to(tts / "model")
    for name in ("en", "fr"):
        DataDir(tiny_corpus.dev).subset(tmp_path / name / "test", DataDir(tiny_corpus.dev).utterances[:1])
    decode = ("decode", "--task", "tts", "--model", exp, "max_ratio=2.0", "--data")
    said = console(*decode, tmp_path / "en" / "test", "--data", tmp_path / "fr" / "test")
    assert (said.exit_code, "sets of one name would replace each other" in said.err) == (2, True)
    assert not (exp / "decode").exists()
    monkeypatch.chdir(tmp_path / "en")
    assert console(*decode, Path("test")).exit_code == 0
    monkeypatch.chdir(tmp_path / "fr")
    said = console(*decode, Path("test"))
    assert said.exit_code == 2
    assert f"{exp}/decode/test: holds hypotheses of {tmp_path}/en/test; give --out, or remove the folder" in said.err
    (tmp_path / "link").symlink_to(tmp_path / "fr" / "test")  # by its own name, not by that of what it leads to
    assert console(*decode, tmp_path / "link").exit_code == 0
    assert (exp / "decode" / "link" / "hyp.jsonl").exists()
    (tmp_path / "en").rename(tmp_path / "de")  # another place of the same data is none of others
    assert console(*decode, tmp_path / "de" / "test").exit_code == 0


def test_what_is_written_is_wav(tts: Path, console: Console, tmp_path: Path) -> None:
    for out, complaint in ((tmp_path / "a.mp3", "let the name end in .wav"), (tmp_path, "is a folder")):
        said = console("speak", "abc", "--model", tts, "--out", out)
        assert said.exit_code == 2
        assert complaint in said.err
    assert not (tmp_path / "a.mp3").exists()


def test_hardly_any_sound(tiny_corpus: TinyCorpus, tmp_path: Path) -> None:
    run(load_task("asr"), tiny_config(tiny_corpus, "asr", *SHORT), tmp_path / "asr")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        Model(tmp_path / "asr").transcribe(np.zeros(800, np.float32))
    assert "only 0.050 s of sound: is the file cut off?" in [str(one.message) for one in told]


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_text("x")
    with pytest.raises(CheckpointError, match="a file, and not a model folder or an experiment"):
        Model(tmp_path / "model.pt")
