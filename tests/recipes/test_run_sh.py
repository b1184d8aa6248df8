"""run.sh: options, stages and what they would run; without a network, an environment or a corpus."""

import os
import re
import shlex
import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest
from commandline import understood

EGS = Path(__file__).parents[2] / "egs"
SCRIPTS = sorted(EGS.glob("*/run.sh"))
NAMES = ["download", "data", "features", "units", "pretrain", "finetune", "decode", "score"]


def run(script: Path, *words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(script), *words],
        cwd=cwd or EGS.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def shown(script: Path, *words: str, cwd: Path | None = None) -> list[str]:
    """What `--dry-run` prints."""
    done = run(script, "--dry-run", *words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def stages(lines: list[str]) -> list[str]:
    return [line.rpartition(" ")[2] for line in lines if line.startswith("== stage ")]


def commands(lines: list[str]) -> list[str]:
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ speecht5 ")]


def tasks_of(script: Path) -> list[str]:
    return sorted(path.stem for path in (script.parent / "conf").glob("*.yaml") if path.stem in ALL_TASKS)


ALL_TASKS = {"asr", "st", "tts", "vc", "se", "sid", "lm"}
RUNS = [(script, task, it) for script in SCRIPTS for task, it in product(tasks_of(script), ("1", "2"))]


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    """A copy of the mini recipe with nothing but its scripts and settings."""
    shutil.copytree(EGS / "common", tmp_path / "egs" / "common")
    (tmp_path / "egs" / "mini").mkdir()
    shutil.copy(EGS / "mini" / "run.sh", tmp_path / "egs" / "mini")
    shutil.copytree(EGS / "mini" / "conf", tmp_path / "egs" / "mini" / "conf")
    return tmp_path / "egs" / "mini" / "run.sh"


@pytest.fixture
def fake(tmp_path: Path) -> str:
    """A PATH on which `speecht5` only writes down how it was called."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "speecht5"
    program.write_text('#!/bin/sh\necho "$SPEECHT5_FORCE $*" >> calls\ncase "$*" in *FAIL*) exit 7 ;; esac\n')
    program.chmod(0o755)
    return f"{tmp_path}/bin:{os.environ['PATH']}"


@pytest.mark.parametrize(("script", "task", "it"), RUNS, ids=str)
def test_every_command_is_understood(script: Path, task: str, it: str) -> None:
    lines = shown(script, "--task", task, "--iter", it)
    found = commands(lines)
    for command in found:
        understood(command)
        for word in shlex.split(command):
            if word.endswith(".yaml"):
                assert (script.parent / word).is_file(), command
    assert any(command.startswith("speecht5 pretrain ") for command in found)
    assert any(f"finetune --task {task} conf/{task}.yaml" in command for command in found)
    assert found[-1] == "speecht5 score"
    assert stages(lines)[-1] == "score"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.parent.name)
def test_scripts_are_tables_of_contents(script: Path) -> None:
    """No Python inside, the shared options, and help at their head."""
    text = script.read_text()
    assert "python" not in text
    assert "common/recipe.sh" in text
    assert os.access(script, os.X_OK)
    done = run(script, "--help")
    assert done.returncode == 0
    assert script.parent.name in done.stdout.splitlines()[0]
    assert "--stage N" in done.stdout and all(name in done.stdout for name in NAMES)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.parent.name)
def test_stages_by_number_and_by_name(script: Path) -> None:
    everything = stages(shown(script))
    assert everything == [name for name in NAMES if name in everything]
    assert {"data", "features", "units", "pretrain", "finetune", "decode", "score"} <= set(everything)
    for words in (
        ["--stage", "3", "--stop-stage", "4"],
        ["--stage", "units", "--stop_stage", "pretrain"],
        ["--stage=3", "--stop-stage=pretrain"],
        ["--stage", "1", "--stop-stage", "7", "--stage", "units", "--stop-stage", "4"],  # the last one wins
    ):
        assert stages(shown(script, *words)) == ["units", "pretrain"]
    assert stages(shown(script, "--stage", "decode")) == ["decode", "score"]
    assert stages(shown(script, "--stage", "5", "--stop-stage", "4")) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stge", "3"], "unknown option --stge"),
        (["--stage", "nine"], "no stage 'nine'; stages are 0 to 7, or download"),
        (["--stage", "8"], "no stage '8'"),
        (["stage"], "unexpected word 'stage'; options start with --"),
        (["--nj"], "--nj needs a value"),
        (["--config", "conf/none.yaml"], "conf/none.yaml: no such file"),
    ],
)
def test_options_with_faults(mini: Path, words: list[str], message: str) -> None:
    done = run(mini, "--dry-run", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("mini/run.sh: ")


def test_a_missing_stage_is_named(mini: Path, fake: str) -> None:
    """And nothing is run."""
    for stage, missing in ((2, "data/pretrain is missing; stage 1 (data)"), (5, "stage 4 (pretrain) makes it")):
        done = run(mini, "--stage", str(stage), PATH=fake)
        assert done.returncode == 3
        assert missing in done.stderr
        assert re.search(r"mini/run\.sh --stage \d --stop-stage \d$", done.stderr.strip())
    assert not (mini.parent / "calls").exists()


def test_it_runs_what_it_shows(mini: Path, fake: str) -> None:
    """One stage, started from another folder; --force reaches every command."""
    done = run(mini, "--stage", "1", "--stop-stage", "1", "--nj", "3", cwd=Path("/"), PATH=fake)
    assert done.returncode == 0, done.stderr
    assert (mini.parent / "calls").read_text() == " prepare mini corpus data --nj 3\n"
    assert "$ speecht5 prepare mini corpus data --nj 3" in done.stdout
    run(mini, "--stage", "7", "--force", PATH=fake)
    (mini.parent / "exp/asr/decode").mkdir(parents=True)
    run(mini, "--stage", "7", "--force", PATH=fake)
    assert (mini.parent / "calls").read_text().splitlines()[1:] == ["1 score"]


def test_a_failing_command_ends_the_run(mini: Path, fake: str) -> None:
    done = run(mini, "--corpus", "FAIL", "--stage", "1", "--stop-stage", "2", PATH=fake)
    assert done.returncode == 7
    assert len((mini.parent / "calls").read_text().splitlines()) == 1


def test_a_users_path_is_meant_from_the_users_folder(mini: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    first = commands(shown(mini, "--corpus", "mine", "--stop-stage", "1", cwd=tmp_path))[0]
    assert first.startswith(f"speecht5 prepare mini {tmp_path}/mine data")
    assert f"{tmp_path}/not_yet" in commands(shown(mini, "--corpus", "not_yet", cwd=tmp_path))[0]
    assert " /somewhere/else " in commands(shown(mini, "--corpus", "/somewhere/else", cwd=tmp_path))[0]
    assert " corpus data" in commands(shown(mini, cwd=tmp_path))[0]


def test_variants_have_experiments_of_their_own(mini: Path, tmp_path: Path) -> None:
    """The file may be named from the user's folder or from the recipe's."""
    (mini.parent / "conf" / "wide.yaml").write_text("pretrain: {}\n")
    (tmp_path / "deep.yaml").write_text("asr: {}\n")
    found = "\n".join(commands(shown(mini, "--config", "conf/wide.yaml", cwd=tmp_path)))
    assert "--variant conf/wide.yaml --exp exp/pretrain_wide" in found
    assert "--exp exp/asr_wide --init exp/pretrain_wide" in found
    assert "decode --task asr --model exp/asr_wide" in found
    found = "\n".join(commands(shown(mini, "--config", "deep.yaml", "--iter", "2", cwd=tmp_path)))
    assert f"--variant {tmp_path}/deep.yaml --exp exp/pretrain_deep_it2" in found
    assert "pretrain.units=units_it2" in found


def test_options_reach_the_commands(mini: Path) -> None:
    found = "\n".join(commands(shown(mini, "--task", "sid", "--ngpu", "4", "--nj=7")))
    assert "--ngpu 4" in found and "--nj 7" in found and "--task sid" in found
    assert "exp/asr" not in found


def test_words_with_blanks_stay_words(mini: Path, tmp_path: Path) -> None:
    (tmp_path / "my corpus").mkdir()
    first = commands(shown(mini, "--corpus", "my corpus", cwd=tmp_path))[0]
    assert shlex.split(first)[3] == f"{tmp_path}/my corpus"
