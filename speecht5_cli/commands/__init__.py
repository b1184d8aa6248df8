"""Sub-commands: parse, call, print. Nothing here imports torch at its top."""

from importlib import import_module

import typer

# In the order of the way through: corpus -> ... -> scores.
MODULES: tuple[str, ...] = (
    "prepare",
    "validate",
    "features",
    "units",
    "vocab",
    "speakers",
    "vocoder",
    "training",
    "checkpoint",
    "decode",
    "score",
    "single",
    "report",
    "tasks",
    "new",
    "doctor",
    "bench",
)


def add_to(app: typer.Typer) -> None:
    """Let every command module add its commands to the app."""
    for module in MODULES:
        import_module(f"speecht5_cli.commands.{module}").add_to(app)
