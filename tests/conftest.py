"""What all tests may use."""

import os
import signal
from pathlib import Path

import pytest
from console import Console
from tiny import TinyCorpus, make_corpus

# Before torch is loaded, here and in the processes that tests start: these nets are so small that threads would only
# wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Under nohup Ctrl-C is ignored, and what we start would ignore it, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test corpora beside the checkout; a test that wants it is skipped where it is absent."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> TinyCorpus:
    """Read only: tests that change it take a copy."""
    return make_corpus(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Console:
    """The command line, in this process."""
    return Console(monkeypatch, capfd)
