"""Small corpora, made on the spot."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speecht5_cli.data.validate import validate


@pytest.fixture
def write_sound() -> Callable[..., Path]:
    """A function that writes noise of a speech-like level, different for every path."""

    def write(path: Path, seconds: float = 0.8, *, rate: int = 16_000, level: float = 0.1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(list(path.name.encode()))
        soundfile.write(path, rng.uniform(-level, level, round(seconds * rate)), rate)
        return path

    return write


@pytest.fixture
def accepted() -> Callable[..., bool]:
    """A function that says whether data dirs are valid: by our rules, and by Kaldi's where KALDI_ROOT names a copy."""

    def check(*folders: Path) -> bool:
        errors = [problem for folder in folders for problem in validate(folder) if problem.severity == "error"]
        assert errors == []
        root = os.environ.get("KALDI_ROOT")
        for folder in folders if root else ():
            no_text = [] if (folder / "text").exists() else ["--no-text"]
            command = ["bash", "utils/validate_data_dir.sh", "--no-feats", "--non-print", *no_text, str(folder)]
            done = subprocess.run(command, cwd=f"{root}/egs/wsj/s5", capture_output=True, text=True, check=False)
            assert "Successfully validated" in done.stdout, done.stdout + done.stderr
        return True

    return check
