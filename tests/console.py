"""The command line as a user meets it: words in, exit code and text out."""

from dataclasses import dataclass

import pytest

from speecht5_cli import main as door


@dataclass(frozen=True)
class Said:
    """What a command left."""

    exit_code: int
    out: str
    err: str


class Console:
    """Runs `speecht5 word word ...` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd

    def __call__(self, *words: object) -> Said:
        self._monkeypatch.setattr("sys.argv", ["speecht5", *map(str, words)])
        self._capfd.readouterr()
        try:
            door.main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        captured = self._capfd.readouterr()
        return Said(code, captured.out, captured.err)
