"""Stopping in order: a signal asks, the loop ends behind its step and saves."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class StopFlag:
    """Set once somebody asked for a stop."""

    def __init__(self) -> None:
        self.set = False

    def __bool__(self) -> bool:
        return self.set


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """While the block runs, SIGTERM, SIGUSR1 and the first Ctrl-C set the flag; a second Ctrl-C ends at once."""
    flag = StopFlag()

    def told(number: int, _frame: object) -> None:
        flag.set = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    known = [
        getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGINT") if hasattr(signal, name)
    ]  # not all on Windows
    before = {number: signal.signal(number, told) for number in known}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
