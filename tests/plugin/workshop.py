"""A Python environment of its own over the one that runs the tests, and a folder to work in.

Packages that are installed there are seen by nobody else; all that the tests' environment has is there, too, so that
nothing is fetched and nothing takes long.
"""

import os
import site
import subprocess
import venv
from pathlib import Path

SCRIPTS = {"speecht5": "speecht5_cli", "pip": "pip", "pytest": "pytest", "ruff": "ruff", "python": ""}


class Workshop:
    """Runs shell commands in the folder `here` with the environment's programs."""

    def __init__(self, root: Path) -> None:
        self.here = root / "work"
        self.here.mkdir()
        venv.create(root / "env", symlinks=True)
        self._python = root / "env" / "bin" / "python"
        self.packages = next((root / "env" / "lib").glob("python*/site-packages"))
        self._see(site.getsitepackages())
        self._programs = root / "programs"
        self._programs.mkdir()
        for name, module in SCRIPTS.items():
            self._program(name, f"-m {module}" if module else "")

    def _see(self, folders: list[str]) -> None:
        """Let the environment see the packages of these folders, those installed as links to their sources included."""
        lines = [f"import site; site.addsitedir({folder!r})\n" for folder in folders]
        (self.packages / "outer.pth").write_text("".join(lines), encoding="utf-8")

    def _program(self, name: str, words: str) -> None:
        path = self._programs / name
        path.write_text(f'#!/bin/sh\nexec "{self._python}" {words} "$@"\n', encoding="utf-8")
        path.chmod(0o755)

    def run(self, commands: str) -> str:
        """What the commands, one a line, print. `cd` is remembered for the next ones; the first that fails is the last.

        Bash goes on after `a && b` where `a` fails, hence the lines.
        """
        remembered = self._programs / "here"
        done = subprocess.run(
            ["bash", "-e"],
            input=f'{commands}\necho "$PWD" > "{remembered}"\n',
            cwd=self.here,
            env=self._variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        self.here = Path(remembered.read_text(encoding="utf-8").strip())
        return done.stdout

    def _variables(self) -> dict[str, str]:
        """The environment's programs first; pip fetches nothing."""
        pip = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_QUIET": "1", "PIP_CONFIG_FILE": os.devnull}
        return {**os.environ, **pip, "PATH": f"{self._programs}{os.pathsep}{os.environ['PATH']}"}

    def installed(self) -> set[str]:
        """Names of what lies in the environment beside what it sees."""
        return {path.name for path in self.packages.iterdir()} - {"__pycache__"}
