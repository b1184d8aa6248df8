"""Operations and hours of a training: counted on tiny nets, and by hand."""

import importlib.util
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from tiny import MODEL

from speecht5_cli.config import Tree, merged, parse_overrides, write_yaml
from speecht5_cli.plugins import TASKS, installed, load_task

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "hours.py"
NAMED = [  # README of a recipe, and a command in it
    pytest.param(page, command, id=command)
    for page in sorted(ROOT.glob("egs/*/README.md"))
    for command in re.findall(r"^python tools/hours\.py (.*)$", page.read_text(encoding="utf-8"), re.M)
]
TREE: Tree = {
    "model": MODEL,
    "data": {"batch_seconds": 40.0, "batch_tokens": 1000},
    "optim": {"warmup_steps": 10, "micro_batches": 4},
    "train": {"max_steps": 100, "precision": "fp32"},
}
LANGUAGE: Tree = {"size": "tiny", "d_model": 32, "layers": 2, "ffn_dim": 64, "heads": 2}


@pytest.fixture(scope="module")
def hours() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hours", TOOL)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["hours"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def tree_of(task: str, *words: str) -> Tree:
    return merged({**TREE, "model": LANGUAGE if task == "lm" else MODEL}, parse_overrides(words))


@pytest.mark.parametrize("task", sorted(installed(TASKS)))
def test_operations_of_every_task(hours: ModuleType, task: str) -> None:
    """They go with the number of an update's micro-batches, and with their size."""
    plugin, lengths = load_task(task), hours.Lengths(seconds=4.0, line_tokens=80)
    found = hours.work(plugin, tree_of(task), lengths)
    assert found.updates == 100 and found.update_flop > 1e6
    assert bool(found.update_tokens) == (task in ("pretrain", "lm"))
    assert bool(found.update_s) == (task != "lm")
    twice = hours.work(plugin, tree_of(task, "optim.micro_batches=8"), lengths)
    assert twice.update_flop == pytest.approx(2 * found.update_flop)
    wider = hours.work(plugin, tree_of(task, "data.batch_seconds=120", "data.batch_tokens=3000"), lengths)
    assert wider.update_flop == pytest.approx(3 * found.update_flop)


def test_amounts(hours: ModuleType) -> None:
    """Of sound and text; half of the micro-batches of pre-training are of each."""
    found = hours.work(load_task("pretrain"), tree_of("pretrain"), hours.Lengths())
    assert (found.update_s, found.update_tokens) == (pytest.approx(2 * 40), pytest.approx(2 * 1000))
    words = ("data.batch_items=8", "data.batch_seconds=400")
    found = hours.work(load_task("sid"), tree_of("sid", *words), hours.Lengths(seconds=3.2))
    assert found.update_s == pytest.approx(4 * 8 * 3.2)


def test_longer_utterances_cost_more_a_second(hours: ModuleType) -> None:
    """Attention goes with the square of the length; crops of identification have one length."""
    costs = {}
    for task in ("st", "sid"):
        costs[task] = [
            hours.work(load_task(task), tree_of(task), hours.Lengths(seconds=seconds)).update_flop
            for seconds in (4, 16)
        ]
    assert 1.05 < costs["st"][1] / costs["st"][0] < 2
    assert costs["sid"][1] == pytest.approx(costs["sid"][0] / 4, rel=1e-6)


def test_a_frozen_encoder_costs_less(hours: ModuleType) -> None:
    asr, lengths = load_task("asr"), hours.Lengths()
    never, half, always = (
        hours.work(asr, tree_of("asr", f"asr.freeze_encoder_steps={steps}"), lengths).update_flop
        for steps in (0, 50, 100)
    )
    assert always < 0.7 * never
    assert half == pytest.approx((never + always) / 2)


def test_a_language_model_by_hand(hours: ModuleType) -> None:
    """Three matrix products (forward, and two backward) of two operations a weight and token; attention beside."""
    found = hours.work(load_task("lm"), tree_of("lm"), hours.Lengths(line_tokens=100))
    d, ffn, n_layers, n_symbols = 32, 64, 2, 33
    n_tokens = 101  # the end mark is predicted, too
    weights = n_layers * (4 * d * d + 2 * d * ffn) + d * n_symbols
    attention = n_layers * 3 * 2 * 2 * n_tokens**2 * d
    expected = (6 * weights * n_tokens + attention) * 4 * 1000 / 100
    assert found.update_flop == pytest.approx(expected, rel=0.01)


def test_hours_at_a_rate(hours: ModuleType) -> None:
    work = hours.Work(updates=1000, update_flop=3.6e15, update_s=1800.0)
    assert work.hours(100, 1) == pytest.approx(10.0)
    assert work.hours(100, 8) == pytest.approx(1.25)
    text = "\n".join(hours.lines("asr", work, 100, assumed=True))
    assert "1,000 updates" in text and "1,800 s of sound; 3,600.0 TFLOP" in text
    assert "at 100 TFLOP/s a GPU (assumed; --tflops replaces it): 10.0 h on 1 GPU, 1.2 h on 8 GPUs" in text
    assert "500 h of sound; 3.60 EFLOP" in text
    assert "assumed" not in "\n".join(hours.lines("asr", replace(work, update_tokens=1.0), 100, assumed=False))


def test_the_command(hours: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_yaml(tmp_path / "lm.yaml", tree_of("lm"))
    write_yaml(tmp_path / "longer.yaml", {"lm": {"train": {"max_steps": 2000}}})
    assert hours.main([str(tmp_path / "lm.yaml")]) == 0
    assert "at 200 TFLOP/s a GPU (assumed" in capsys.readouterr().out
    assert hours.main([str(tmp_path / "lm.yaml"), "--variant", str(tmp_path / "longer.yaml"), "--tflops", "50"]) == 0
    said = capsys.readouterr().out
    assert "2,000 updates" in said and "at 50 TFLOP/s a GPU:" in said
    assert hours.main([str(tmp_path / "longer.yaml")]) == 2
    assert "'longer' is no task; say with --task" in capsys.readouterr().err
    write_yaml(tmp_path / "lm.yaml", {"lm": {"vocabular": "x"}})
    assert hours.main([str(tmp_path / "lm.yaml")]) == 4
    assert "vocabular" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("page", "command"), NAMED)
def test_the_hours_of_the_recipes(
    hours: ModuleType, page: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their READMEs say what the tool says, rounded; a faster way to compute the same counts a few per cent less."""
    monkeypatch.chdir(ROOT)
    assert hours.main(shlex.split(command)) == 0
    said = capsys.readouterr().out
    updates, *numbers = re.findall(r"([\d.,]+) (?:updates|EFLOP|h on)", said)
    rows = re.findall(
        rf"\| {updates} \| ([\d.,]+) EFLOP \| ([\d.,]+) h \| ([\d.,]+) h \|", page.read_text(encoding="utf-8")
    )
    found = [_number(number) for number in numbers]
    assert any([_number(number) for number in row] == pytest.approx(found, rel=0.1, abs=0.06) for row in rows), said


def _number(text: str) -> float:
    return float(text.replace(",", ""))
