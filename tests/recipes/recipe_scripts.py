"""The run.sh of all recipes, run or only shown, and what they print."""

import os
import subprocess
from pathlib import Path

import pytest

EGS = Path(__file__).parents[2] / "egs"
SCRIPTS = sorted(EGS.glob("*/run.sh"))


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


def each_script(scripts: list[Path] = SCRIPTS) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("script", scripts, ids=lambda path: path.parent.name)
