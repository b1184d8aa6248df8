"""The console of these tests."""

import pytest
from console import Console


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Console:
    return Console(monkeypatch, capfd)
