"""`speecht5 validate`: is it a data dir, and if not, why."""

from pathlib import Path

import typer

from speecht5_cli.data.fix import fix
from speecht5_cli.data.problems import Problem
from speecht5_cli.data.validate import validate as problems_of
from speecht5_cli.errors import DataError
from speecht5_cli.workers import sensible_nj


def add_to(app: typer.Typer) -> None:
    app.command("validate", help="Check data dirs: every problem with its file, line and utterance.")(validate)


def validate(
    dirs: list[Path] = typer.Argument(..., metavar="DIR", help="Data dirs."),
    repair: bool = typer.Option(False, "--fix", help="Repair them; the old files go to DIR/.backup."),
    audio: bool = typer.Option(True, "--audio/--no-audio", help="Read every sound to its end."),
    nj: int | None = typer.Option(None, help="Processes; by default as many as cores and memory allow."),
    allow_pipes: bool = typer.Option(False, "--allow-pipes", help="Run the shell commands of wav.scp."),
) -> None:
    found: list[Problem] = []
    for path in dirs:
        if repair:
            print(fix(path, audio=audio, nj=nj or sensible_nj(), allow_pipes=allow_pipes))
        # The sound was just looked at where the dir was repaired.
        problems = problems_of(path, audio=audio and not repair, nj=nj or sensible_nj(), allow_pipes=allow_pipes)
        for problem in problems:
            print(problem)
        print(f"{path}: {_counted(problems)}")
        found += problems
    if any(problem.severity == "error" for problem in found):
        advice = "these cannot be repaired here" if repair else "--fix repairs what can be repaired"
        raise DataError(f"{_counted(found)}; {advice}")


def _counted(problems: list[Problem]) -> str:
    n_errors = sum(problem.severity == "error" for problem in problems)
    return f"{n_errors} errors, {len(problems) - n_errors} warnings"
