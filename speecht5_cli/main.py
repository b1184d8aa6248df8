"""The `speecht5` command: gathers the sub-commands and turns errors into one message and an exit code."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import typer

from speecht5_cli import __version__, commands
from speecht5_cli.errors import InputWarning, SlowWarning, SpeechT5Error

DEBUG = "SPEECHT5_DEBUG"
INTERRUPTED = 130  # exit code after Ctrl-C

app = typer.Typer(
    name="speecht5",
    help="SpeechT5 from corpus to scores: data prep, features, units, pre-training, fine-tuning, decoding, scoring.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    # --stop_stage and --stop-stage mean the same.
    context_settings={"token_normalize_func": lambda word: word.replace("_", "-")},
)


@app.callback()
def root(version: bool = typer.Option(False, "--version", help="Print the version and end.", is_eager=True)) -> None:
    """What `speecht5` does without a command."""
    if version:
        print(__version__)  # noqa: T201
        raise typer.Exit


def main() -> None:
    """Run the command line. `--debug` anywhere, or SPEECHT5_DEBUG=1, shows tracebacks."""
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
        os.environ[DEBUG] = "1"
    commands.add_to(app)
    try:
        with _plain_warnings():
            app(prog_name=app.info.name)
    except SystemExit as end:  # how Typer returns
        cut_short = isinstance(end.__context__, BrokenPipeError)  # the reader, such as `| head`, has seen enough
        if cut_short or _nobody_reads():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if cut_short:
            sys.exit(0)
        if end.code == INTERRUPTED:
            _fail("interrupted", INTERRUPTED)
        raise
    except SpeechT5Error as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        _fail(f"{error.filename or 'operating system'}: {error.strerror or error}", 1)
    except Exception as error:  # noqa: BLE001 - the last door: whatever is left is a fault of ours
        _fail(f"internal error: {type(error).__name__}: {error} (run again with --debug for the traceback)", 1)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """While the block runs, what users should know is told in a line, without the place in our code."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, InputWarning | SlowWarning):
                print(f"speecht5: warning: {message}", file=sys.stderr)  # noqa: T201
            else:
                usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def _nobody_reads() -> bool:
    """Whether what was printed finds no reader; with a buffer that shows only now, and else after our last word."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return True
    return False


def _fail(message: str, exit_code: int) -> None:
    if os.environ.get(DEBUG) == "1":
        raise  # called from an except block
    print(f"speecht5: error: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(exit_code)
