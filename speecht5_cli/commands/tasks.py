"""`speecht5 tasks`: what is installed."""

import typer

from speecht5_cli.plugins import CORPORA, TASKS, installed, package_of


def add_to(app: typer.Typer) -> None:
    app.command("tasks", help="List the installed tasks and corpora, with the package that brings each.")(tasks)


def tasks() -> None:
    for title, group in (("task", TASKS), ("corpus", CORPORA)):
        print(f"{title:<17} {'package':<19} {'version':<9} what it is")
        for name, point in installed(group).items():
            package, version = package_of(point)
            try:
                summary = _summary(point.load())
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken plug-in is listed and breaks nothing else
                summary = f"does not load: {type(error).__name__}: {error}"
            print(f"{name:<17} {package:<19} {version:<9} {summary}")
        print()


def _summary(plugin: object) -> str:
    """A task's own line, or the first line of a corpus function's docstring."""
    return getattr(plugin, "summary", None) or (plugin.__doc__ or "").strip().partition("\n")[0]
