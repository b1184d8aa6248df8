"""`speecht5 prepare` and `speecht5 validate` from the outside."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from speecht5_cli.commands import prepare, validate
from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.data.writer import DataDirReport, write_data_dir
from speecht5_cli.errors import ConfigError, DataError, UsageError


def run(*words: object) -> str:
    app = typer.Typer()
    prepare.add_to(app)
    validate.add_to(app)
    result = CliRunner().invoke(app, [*map(str, words)])
    if result.exception and not isinstance(result.exception, SystemExit):
        result.exception.args += (result.output,)
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


CALLS: list[dict] = []


def corpus(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    speaker: str = "s",
    n: int = 2,
    loud: bool = False,
    gain: float = 1.0,
    extra: Path | None = None,
) -> list[DataDirReport]:
    """A corpus whose sounds are made where it is read."""
    CALLS.append({"parts": parts, "check_audio": check_audio, "speaker": speaker, "n": n, "loud": loud, "gain": gain})
    rng = np.random.default_rng(0)
    for i in range(n):
        if not (source / f"{i}.wav").exists():
            write_audio(source / f"{i}.wav", rng.uniform(-0.1, 0.1, 16_000))
    given = [Utterance(f"{speaker}-{i}", speaker, str(source / f"{i}.wav"), "text") for i in range(n)]
    rejected = [Rejected("lost", "no sound")]
    return [
        write_data_dir(out / name, given, rejected=rejected, check_audio=check_audio, nj=nj)
        for name in parts or ["train", "test"]
    ]


def needy(source: Path, out: Path, *, parts: list[str] | None = None, check_audio: bool = True, nj: int = 1, key: str):
    """A corpus that cannot do without an option."""


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()
    functions: dict[str, Callable] = {"toy": corpus, "needy": needy}
    monkeypatch.setattr(prepare, "load_corpus", functions.__getitem__)


def test_a_corpus_becomes_data_dirs(tmp_path: Path) -> None:
    shown = run("prepare", "toy", tmp_path / "src", tmp_path / "data", "--nj", 1)
    assert f"{tmp_path}/data/train: 2 utterances, 1 speakers" in shown
    assert "1 x no sound, such as lost" in shown
    assert DataDir(tmp_path / "data" / "test").utterances == ["s-0", "s-1"]
    assert "up to date" in run("prepare", "toy", tmp_path / "src", tmp_path / "data")
    assert len(CALLS) == 1


def test_it_is_done_again_when_something_changed(tmp_path: Path) -> None:
    call = ("prepare", "toy", tmp_path / "src", tmp_path / "data", "--nj", 1)
    run(*call)
    run(*call, "n=3")
    run(*call, "n=3")
    assert len(CALLS) == 2
    (tmp_path / "src" / "new.wav").touch()
    run(*call, "n=3")
    assert len(CALLS) == 3
    (tmp_path / "data" / "test" / "utt2spk").unlink()
    (tmp_path / "data" / "test").rename(tmp_path / "away")
    run(*call, "n=3")
    assert len(CALLS) == 4
    run(*call, "n=3", "--force")
    assert len(CALLS) == 5


def test_parts_have_records_of_their_own(tmp_path: Path) -> None:
    for parts in ("train", "test,dev", "train", "test,dev"):
        run("prepare", "toy", tmp_path / "src", tmp_path / "data", "--parts", parts, "--nj", 1)
    assert [call["parts"] for call in CALLS] == [["train"], ["test", "dev"]]


def test_options_are_read_by_their_types(tmp_path: Path) -> None:
    words = ("speaker=007", "n=1", "loud=true", "gain=1", "extra=x/y", "--no-audio-check", "--nj", "1")
    run("prepare", "toy", tmp_path / "src", tmp_path / "data", *words)
    expected = {"parts": None, "check_audio": False, "speaker": "007", "n": 1, "loud": True, "gain": 1.0}
    assert [expected] == CALLS
    assert not (tmp_path / "data" / "train" / "utt2dur").exists()


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (["speeker=x"], UsageError, "'toy' has no option 'speeker'; did you mean 'speaker'"),
        (["nj=3"], UsageError, "'nj=3': say it with --nj"),
        (["quiet=1"], UsageError, "it has speaker, n, loud, gain, extra"),
        (["n"], UsageError, "expected key=value"),
        (["n=many"], ConfigError, "toy.n: expected int, got 'many'"),
    ],
)
def test_options_that_do_not_exist(tmp_path: Path, words: list[str], kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        run("prepare", "toy", tmp_path / "src", tmp_path / "data", *words)
    assert not (tmp_path / "data").exists()


def test_options_that_are_needed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'needy' needs key=\.\.\."):
        run("prepare", "needy", tmp_path, tmp_path / "data")


def test_validation_shows_every_problem_and_fails(tmp_path: Path) -> None:
    run("prepare", "toy", tmp_path / "src", tmp_path / "data", "--nj", 1)
    good, bad = tmp_path / "data" / "train", tmp_path / "data" / "test"
    shown = run("validate", good)
    assert f"{good}: 0 errors, 1 warnings\n" in shown
    assert f"{good}/utt2spk: warning: there is only one speaker" in shown
    (bad / "text").write_text("s-1 two\ns-0\n")
    (tmp_path / "src" / "1.wav").write_bytes(b"")
    with pytest.raises(DataError, match="3 errors, 1 warnings; --fix repairs what can be repaired") as caught:
        run("validate", bad, "--nj", 1)
    shown = caught.value.args[-1]
    assert f"{bad}/text:2: s-0: the text is empty" in shown
    assert f"{bad}/text:2: s-0: not sorted by bytes" in shown
    assert f"{bad}/wav.scp:2: s-1: empty audio file" in shown
    with pytest.raises(DataError, match="2 errors"):
        run("validate", bad, "--no-audio")


def test_repairing(tmp_path: Path) -> None:
    run("prepare", "toy", tmp_path / "src", tmp_path / "data", "--nj", 1)
    folder = tmp_path / "data" / "test"
    (folder / "text").write_text("s-1 two\ns-0\n")
    shown = run("validate", folder, "--fix", "--nj", 1)
    assert "kept 1 of 2 utterances" in shown
    assert "0 errors" in shown
    assert DataDir(folder).utterances == ["s-1"]
    (folder / "units").write_text("s-1 1 2\n")
    with pytest.raises(DataError, match="1 errors, 1 warnings; these cannot be repaired here"):
        run("validate", folder, "--fix")
