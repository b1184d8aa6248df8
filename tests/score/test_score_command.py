"""`speecht5 score` and `speecht5 report` on a small recipe folder, with a task that counts equal texts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from speecht5_cli.commands import report, score
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.hypotheses import Decoding, read_values, write_hypotheses
from speecht5_cli.data.tables import write_table
from speecht5_cli.errors import ConfigError, DataError, UsageError
from speecht5_cli.plugins import Hypothesis, Metric, Scores

UTTERANCES = {"a-1": "one", "a-2": "two"}


@dataclass(frozen=True)
class EchoConfig:
    beam: int = 5
    bonus: float = 0.0


class Echo:
    """As much of a task as scoring needs; `calls` remembers what was scored."""

    Config = EchoConfig
    metrics = (Metric("hits", "higher"),)

    def __init__(self) -> None:
        self.calls: list[tuple[str, EchoConfig]] = []

    def score(self, hyp_dir: Path, ref_dir: Path, cfg: EchoConfig) -> Scores:
        self.calls.append((hyp_dir.name, cfg))
        references = DataDir(ref_dir).table("text")
        said = read_values(hyp_dir, "text", references)
        n_right = sum(said[name] == text for name, text in references.items())
        return Scores({"right": 100 * n_right / len(said) + cfg.bonus}, {"right": "per cent"}, "aligned\n")


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Echo:
    """A recipe folder with two decoded sets of one experiment; the current folder."""
    monkeypatch.chdir(tmp_path)
    plugin = Echo()

    def load(name: str) -> Echo:
        if name != "echo":
            raise UsageError(f"no task '{name}'")
        return plugin

    monkeypatch.setattr(score, "load_task", load)
    monkeypatch.setattr(report, "load_task", load)
    for name in ("dev", "test"):
        make_set(name)
        decode(name)
    Path("exp/echo/config.yaml").write_text("name: echo\n")
    return plugin


def make_set(name: str) -> None:
    folder = Path("data", name)
    folder.mkdir(parents=True)
    write_table(folder / "utt2spk", dict.fromkeys(UTTERANCES, "a"))
    write_table(folder / "text", UTTERANCES)


def decode(name: str, said: str = "one") -> None:
    decoding = Decoding(
        task="echo", output="text", model="exp/echo", data=f"data/{name}", settings={"beam": 3}, audio_s=4.0, work_s=1.0
    )
    hypotheses = [Hypothesis(utterance, said) for utterance in UTTERANCES]
    write_hypotheses(Path("exp/echo/decode", name), hypotheses, decoding, utterances=UTTERANCES)


def run(*words: str) -> Result:
    app = typer.Typer()
    score.add_to(app)
    report.add_to(app)
    return CliRunner().invoke(app, words)


def fine(*words: str) -> str:
    result = run(*words)
    assert result.exception is None, result.exception
    return result.output


def values(name: str) -> dict[str, Any]:
    return json.loads(Path("exp/echo/decode", name, "scores.json").read_text())["values"]


def test_bare_scores_everything(echo: Echo) -> None:
    output = fine("score")
    assert [(name, cfg.beam) for name, cfg in echo.calls] == [("dev", 3), ("test", 3)]
    assert values("dev") == {"right": 50.0}
    assert "50.00" in output and "exp/echo/decode/test/scores.txt" in output
    page = Path("RESULTS.md").read_text()
    assert "| exp/echo | dev | 50.00 | 0.25 |" in page and "| exp/echo | test |" in page


def test_second_call_is_skipped_until_something_changes(echo: Echo) -> None:
    fine("score")
    assert "exp/echo/decode/dev: up to date" in fine("score")
    assert len(echo.calls) == 2
    write_table(Path("data/dev/text"), {"a-1": "one", "a-2": "one"})
    fine("score")
    assert [name for name, _ in echo.calls[2:]] == ["dev"]
    assert values("dev") == {"right": 100.0}
    decode("test", "none")
    fine("score")
    assert [name for name, _ in echo.calls[3:]] == ["test"]
    fine("score", "--force")
    assert len(echo.calls) == 6


def test_settings_override(echo: Echo) -> None:
    fine("score")
    fine("score", "--task", "echo", "bonus=7")
    assert values("dev") == {"right": 57.0}
    with pytest.raises(ConfigError, match="did you mean 'bonus'"):
        raise run("score", "bonsu=7").exception or AssertionError


def test_other_task(echo: Echo) -> None:
    error = run("score", "--task", "asr").exception
    assert isinstance(error, UsageError) and "no hypotheses of the task 'asr'" in str(error)


def test_one_folder(echo: Echo) -> None:
    make_set("other")
    write_table(Path("data/other/text"), {"a-1": "one", "a-2": "one"})
    assert "50.00" in fine("score", "--hyp", "exp/echo/decode/dev")
    assert "100.00" in fine("score", "--hyp", "exp/echo/decode/dev", "--ref", "data/other")
    assert not Path("RESULTS.md").exists()


def test_folder_of_another_toolkit(echo: Echo) -> None:
    write_table(Path("theirs/text"), UTTERANCES)
    fine("score", "--task", "echo", "--hyp", "theirs", "--ref", "data/dev")
    assert echo.calls == [("theirs", EchoConfig())]
    error = run("score", "--hyp", "theirs", "--ref", "data/dev", "--force").exception
    assert isinstance(error, DataError) and "--task" in str(error)


def test_a_set_that_fails_keeps_no_other_from_the_page(echo: Echo) -> None:
    fine("score")
    write_table(Path("data/dev/text"), {**UTTERANCES, "a-3": "three"})
    result = run("score")
    assert isinstance(result.exception, DataError) and "a-3" in str(result.exception)
    assert "exp/echo/decode/dev: not scored" in result.output
    page = Path("RESULTS.md").read_text()
    assert "| exp/echo | test |" in page and "| exp/echo | dev |" not in page


def test_nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["score"], ["score", "--ref", "data"], ["report"]):
        assert isinstance(run(*words).exception, UsageError)


def test_experiments_outside_of_exp(echo: Echo) -> None:
    Path("exp").rename("runs")
    Path("conf").mkdir()
    Path("conf/recipe.yaml").write_text("corpus: mini\ntasks:\n  echo: {exp: runs/echo}\n")
    fine("score")
    assert "| runs/echo | dev |" in Path("RESULTS.md").read_text()


def test_report(echo: Echo) -> None:
    records = [
        {"step": 5, "split": "dev", "hits": float("nan")},
        {"step": 10, "split": "train", "loss": 3.0},
        {"step": 10, "split": "dev", "hits": 20.0, "loss": 4.0},
        {"step": 20, "split": "dev", "hits": 30.0},
        {"step": 40, "split": "train", "loss": 2.5},
        {"step": 40, "split": "dev", "hits": 25.0},
    ]
    lines = "".join(json.dumps(record) + "\n" for record in records)
    Path("exp/echo/metrics.jsonl").write_text(lines + '{"step": 50, "spl')  # training goes on
    Path("exp/new").mkdir()
    Path("exp/new/config.yaml").write_text("name: unheard\n")
    fine("score", "--hyp", "exp/echo/decode/dev")
    rows = {line.split()[1]: line for line in fine("report").splitlines() if "exp/" in line}
    assert [cell.strip() for cell in rows["exp/echo"].split("│")[1:-1]] == [
        "exp/echo",
        "echo",
        "40",
        "2.5",
        "hits 30 at 20",
        "dev: right 50.00",
    ]
    assert "test: not scored" in fine("report", "exp/echo")
    assert [cell.strip() for cell in rows["exp/new"].split("│")[3:-1]] == ["-", "-", "-", "-"]


def test_report_names_a_broken_line(echo: Echo) -> None:
    Path("exp/echo/metrics.jsonl").write_text('{"step\n{"step": 1, "split": "dev"}\n')
    error = run("report").exception
    assert isinstance(error, DataError) and "metrics.jsonl:1" in str(error)


def test_a_wrong_reference_costs_no_scores(echo: Echo) -> None:
    """What was given by hand and does not fit leaves the folder as it was."""
    fine("score", "--hyp", "exp/echo/decode/dev")
    before = {path.name: path.read_bytes() for path in Path("exp/echo/decode/dev").iterdir() if path.is_file()}
    write_table(Path("data/test/text"), UTTERANCES | {"a-3": "three"})
    assert isinstance(run("score", "--hyp", "exp/echo/decode/dev", "--ref", "data/test").exception, DataError)
    after = {path.name: path.read_bytes() for path in Path("exp/echo/decode/dev").iterdir() if path.is_file()}
    assert after == before
