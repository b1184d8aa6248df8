"""The `speecht5` command as a tree: which commands and options there are, and whether a line would be understood."""

import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

import typer

from speecht5_cli import commands, main


@cache
def root() -> Any:
    """All commands, below the one word."""
    commands.add_to(main.app)
    return typer.main.get_command(main.app)


def leaves(command: Any = None, name: str = "") -> Iterator[tuple[str, Any]]:
    """(words, command) of everything that does something."""
    command = command or root()
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word, one in sorted(below.items()):
        yield from leaves(one, f"{name} {word}".strip())


def options(command: Any) -> set[str]:
    """Their names, as they are typed."""
    return {name for one in command.params for name in [*one.opts, *one.secondary_opts] if name.startswith("-")}


def understood(line: str) -> None:
    """Parse `speecht5 ...` as far as its last word, without running it. Raises Typer's errors."""
    first, *words = shlex.split(line)
    assert first == "speecht5", line
    command, context = root(), None
    while hasattr(command, "commands"):
        context = command.make_context("speecht5", [], parent=context, resilient_parsing=True)
        name, command, words = command.resolve_command(context, words)
        assert command is not None, f"no command '{name}' in: {line}"
    command.make_context(line, words, parent=context)
