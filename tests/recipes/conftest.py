"""A recipe by itself, and a `speecht5` that only takes notes."""

import os
import shutil
from pathlib import Path

import pytest
from recipe_scripts import EGS


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
