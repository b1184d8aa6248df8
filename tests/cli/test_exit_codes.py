"""One clear message and an exit code of its own for every way a command can fail."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from console import Console
from tiny import TinyCorpus

from speecht5_cli import __version__
from speecht5_cli.commands import validate as some_command
from speecht5_cli.errors import CheckpointError, ConfigError, DataError, SpeechT5Error, TrainingError, UsageError
from speecht5_cli.main import DEBUG

Fail = Callable[[BaseException], None]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """fail(error): from now on `speecht5 validate x` raises it."""

    def set_up(error: BaseException) -> None:
        def raise_it(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(some_command, "problems_of", raise_it)

    return set_up


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpeechT5Error("a job failed"), 1),
        (UsageError("called wrongly"), 2),
        (DataError("bad data"), 3),
        (ConfigError("bad key"), 4),
        (CheckpointError("not whole"), 5),
        (TrainingError("diverged"), 6),
    ],
)
def test_our_errors(console: Console, fail: Fail, error: SpeechT5Error, code: int) -> None:
    fail(error)
    said = console("validate", "somewhere")
    assert said.exit_code == code
    assert said.err == f"speecht5: error: {error}\n"


def test_a_fault_of_our_own(console: Console, fail: Fail) -> None:
    fail(ZeroDivisionError("division by zero"))
    said = console("validate", "somewhere")
    assert said.exit_code == 1
    assert "internal error: ZeroDivisionError: division by zero" in said.err
    assert "--debug" in said.err
    assert "Traceback" not in said.err


def test_what_the_system_refuses(console: Console, fail: Fail) -> None:
    fail(PermissionError(13, "Permission denied", "/some/file"))
    said = console("validate", "somewhere")
    assert (said.exit_code, said.err) == (1, "speecht5: error: /some/file: Permission denied\n")


def test_interruption(console: Console, fail: Fail) -> None:
    fail(KeyboardInterrupt())
    assert console("validate", "somewhere").exit_code == 130


def test_debug_shows_the_traceback(console: Console, fail: Fail, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option may stand anywhere; the variable does the same."""
    monkeypatch.setenv(DEBUG, "")
    fail(DataError("bad data"))
    with pytest.raises(DataError):
        console("validate", "somewhere", "--debug")
    monkeypatch.setenv(DEBUG, "1")
    with pytest.raises(DataError):
        console("validate", "somewhere")
    monkeypatch.setenv(DEBUG, "0")
    assert console("validate", "somewhere").exit_code == 3


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["valdate"], "valdate"),
        (["validate", "x", "--no-audi"], "--no-audi"),
        (["validate"], "DIR"),
        (["units", "fti"], "fti"),
        (["features", "x", "y", "--kind", "mel"], "mel"),
        (["features", "x", "y", "--kind", "layer", "--layer", "no"], "--layer"),
        (["finetune", "c.yaml", "--exp", "e"], "--task"),
        (["decode", "--task", "asr", "--precision", "fp8"], "fp8"),
    ],
)
def test_words_that_no_command_knows(console: Console, words: list[str], names: str) -> None:
    said = console(*words)
    assert said.exit_code == 2
    assert names in said.err


def test_dash_and_underscore_are_equal(console: Console, tmp_path: Path) -> None:
    """Both forms are understood: what is wrong is only that there is no such data dir."""
    for option in ("--allow-pipes", "--allow_pipes"):
        said = console("features", tmp_path / "none", tmp_path / "out", "--kind", "mfcc", option)
        assert (said.exit_code, "no such data dir" in said.err) == (3, True)


def test_version(console: Console) -> None:
    said = console("--version")
    assert (said.exit_code, said.out) == (0, f"{__version__}\n")


def test_without_a_word_there_is_help(console: Console) -> None:
    said = console()
    assert "Usage: speecht5" in said.out + said.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["optim.lr"], 2, "'optim.lr': expected key=value"),
        (["optim.lr=[1"], 2, "the value is not readable"),
        (["optim.lr=fast"], 4, r"conf\.yaml\.optim\.lr: expected float, got 'fast'"),
        (["optim.rate=1"], 4, r"conf\.yaml\.optim\.rate: unknown key; known keys: lr, "),
        (["optm.lr=1"], 4, r"conf\.yaml\.optm: unknown block; known: model, data, optim, train,? and asr"),
        (["asr.ctc_wieght=1"], 4, r"conf\.yaml\.asr\.ctc_wieght: unknown key; did you mean 'ctc_weight'\?"),
        (["model.size=huge"], 4, r"conf\.yaml\.model\.size: expected one of 'tiny', 'small', 'base', 'large'"),
        (["model.size=[tiny]"], 4, r"conf\.yaml\.model\.size: expected one of"),
        (["model.heads=5"], 4, r"conf\.yaml\.model: d_model 768 is not a multiple of heads 5"),
        (["model=tiny"], 4, r"conf\.yaml\.model: expected a block"),
        (["train.max_steps=10", "optim.warmup_steps=20"], 4, "= 20 is more than train.max_steps = 10"),
        (["name=tts"], 4, "a configuration for another task than 'asr'"),
        (["--init", "nowhere"], 5, "nowhere: no such model folder or experiment"),
        (["--init", "."], 5, "neither a model folder nor an experiment"),
        (["--task", "ars"], 2, "no task 'ars'; did you mean 'asr'"),
        (["--task", "pretrain"], 2, "a command of its own: speecht5 pretrain"),
        (["data.dev=x"], 4, r"config\.data\.train: no set is given for the stream 'speech'"),
        (["data.train=x"], 4, r"config\.data\.dev: no set is given for the stream 'speech'"),
        (["data.dev=x", "--overfit", "5"], 4, r"config\.data\.train: no set is given for the stream 'speech'"),
        (["data.dev=x", "--probe"], 4, r"config\.data\.train: no set is given for the stream 'speech'"),
        (["data.train=nowhere", "data.dev=x"], 3, "nowhere: no such data dir"),
        (["asr.ctc_weight=0"], 4, r"conf\.yaml\.asr: ctc_weight 0 trains no CTC head, .* set ctc_head to false"),
        (["asr.ce_weight=0"], 4, r"conf\.yaml\.asr: ce_weight 0 trains no decoder; set decode\.method to ctc"),
    ],
)
def test_configurations_with_faults(
    console: Console,
    tmp_path: Path,
    tiny_corpus: TinyCorpus,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    message: str,
) -> None:
    """Refused before anything is built or written."""
    monkeypatch.chdir(tmp_path)
    Path("conf.yaml").write_text(f"asr: {{vocabulary: {tiny_corpus.vocabulary}}}\n")
    said = console("finetune", "--task", "asr", "conf.yaml", "--exp", "exp/x", *words)
    assert said.exit_code == code, said.err
    assert re.search(message, said.err), said.err
    assert len(said.err.splitlines()) == 1
    assert not list(Path("exp").glob("x/checkpoints"))


@pytest.mark.parametrize("task", ["pretrain", "tts", "vc", "sid"])
def test_no_sets(console: Console, tmp_path: Path, tiny_corpus: TinyCorpus, task: str) -> None:
    """Before their vocabularies, voices or labels are looked for in them."""
    words = {"pretrain", "tts"} & {task} and [f"{task}.vocabulary={tiny_corpus.vocabulary}"]
    (tmp_path / "conf.yaml").write_text("model: {size: tiny}\n")
    command = ["pretrain"] if task == "pretrain" else ["finetune", "--task", task]
    said = console(*command, tmp_path / "conf.yaml", "--exp", tmp_path / "exp", *words, f"data.dev={tiny_corpus.dev}")
    assert said.exit_code == 4
    assert re.search(r"config\.data\.train: no set is given for the stream 'speech'", said.err), said.err
    assert not (tmp_path / "exp").exists()


@pytest.mark.parametrize("word", ["ctc_weight=0.3", "method=ctc", "timings=true"])
def test_translation_has_no_ctc(console: Console, tmp_path: Path, tiny_corpus: TinyCorpus, word: str) -> None:
    (tmp_path / "conf.yaml").write_text(f"st: {{vocabulary: {tiny_corpus.vocabulary}}}\n")
    said = console(
        *("finetune", "--task", "st", tmp_path / "conf.yaml", "--exp", tmp_path / "exp", f"st.decode.{word}")
    )
    assert said.exit_code == 4
    assert "need a CTC head; st has none" in said.err


def test_a_missing_configuration(console: Console, tmp_path: Path) -> None:
    said = console("pretrain", tmp_path / "none.yaml", "--exp", tmp_path / "exp")
    assert (said.exit_code, said.err) == (4, f"speecht5: error: {tmp_path}/none.yaml: no such file\n")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["decode", "--task", "asr"], 2, "there is no conf/recipe.yaml here"),
        (["decode", "--task", "asr", "--model", "none", "--data", "x"], 5, "none: no such model folder"),
        (["score"], 2, "run `speecht5 decode` first"),
        (["score", "--ref", "x"], 2, "--ref needs --hyp"),
        (["report"], 2, "no exp/"),
        (["prepare", "librspeech", "a", "b"], 2, "did you mean 'librispeech'"),
        (["units", "label", "km", "feats", "data", "--name", "labels"], 2, "starts with 'units_'"),
        (["speakers", "fit", "only"], 2, "expected one or more data dirs"),
    ],
)
def test_commands_outside_of_a_recipe(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    said = console(*words)
    assert (said.exit_code, message in said.err) == (code, True), said


def test_a_reader_that_has_seen_enough() -> None:
    """`speecht5 tasks | head -1` ends without a complaint."""
    command = f"{sys.executable} -m speecht5_cli tasks | true"
    for unbuffered in ("", "1"):
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        words = ["bash", "-o", "pipefail", "-c", command]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), f"PYTHONUNBUFFERED={unbuffered}"


def test_ctrl_c_from_outside() -> None:
    code = (
        "import sys, time\n"
        "from speecht5_cli.commands import tasks\n"
        "from speecht5_cli.main import main\n"
        "tasks.installed = lambda _: (print('ready', flush=True), time.sleep(60))\n"
        "sys.argv[1:] = ['tasks']\n"
        "main()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout
        while child.stdout.readline() != b"ready\n":
            assert child.poll() is None
        os.kill(child.pid, signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert err == b"speecht5: error: interrupted\n"


def test_doctor_says_how_to_mend_a_torchaudio_that_does_not_import(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever versions the two have."""
    well = console("doctor")
    assert well.exit_code == 0
    assert re.search(r"ok  torch \S+ with torchaudio", well.out)
    monkeypatch.setitem(sys.modules, "torchaudio", None)
    broken = console("doctor")
    assert broken.exit_code == 1
    assert re.search(r"wrong  torchaudio \S+ does not import\n +.*pip install --force-reinstall 'torch==", broken.out)
    assert "1 of the above will not work" in broken.err
