"""Time and memory of two ways to do the same thing, taken in turns: A B A B."""

import ctypes
import gc
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch

Work = Callable[[], object]
Clock = Callable[[], float]  # does something, and returns the seconds that it took
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Times:
    """Seconds of a unit of work over several rounds."""

    median: float
    fastest: float
    slowest: float

    @classmethod
    def of(cls, seconds: list[float], units: float) -> "Times":
        """`units` of work were done each time."""
        return cls(*(value / units for value in (median(seconds), min(seconds), max(seconds))))


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    group: str
    name: str
    unit: str  # what the times are of: "", "token", "frame"
    ours: Times
    peer: Times | None = None  # None: nobody else does this
    peer_name: str = "transformers"
    our_bytes: int | None = None  # of memory at the peak, beyond what was held before
    peer_bytes: int | None = None
    difference: float | None = None  # between the outputs, the largest
    note: str = ""
    at: float | None = None  # of a curve: the length, batch or size that this is measured at

    @property
    def ratio(self) -> float | None:
        """How many times faster ours is."""
        return None if self.peer is None else self.peer.median / self.ours.median

    @property
    def memory_ratio(self) -> float | None:
        """Our extra memory for one byte of theirs."""
        return self.our_bytes / self.peer_bytes if self.our_bytes and self.peer_bytes else None


@dataclass(frozen=True)
class Effort:
    """How often everything is repeated, and whether only the shortest cases are run."""

    rounds: int = 5
    quick: bool = False


def in_turns(ours: Work, peer: Work | None, effort: Effort, *, units: float = 1.0) -> tuple[Times, Times | None]:
    """Times of both, after one round each to warm up. Other processes then slow both down alike."""
    return timed_in_turns(partial(_seconds, ours), partial(_seconds, peer) if peer else None, effort, units=units)


def timed_in_turns(
    ours: Clock, peer: Clock | None, effort: Effort, *, units: float = 1.0
) -> tuple[Times, Times | None]:
    """As `in_turns`, of works that say themselves how long they took."""
    seconds: tuple[list[float], list[float]] = ([], [])
    works = [work for work in (ours, peer) if work is not None]
    for number in range(1 + effort.rounds):
        for work, taken in zip(works, seconds):
            took = work()
            if number:
                taken.append(took)
    return Times.of(seconds[0], units), Times.of(seconds[1], units) if peer else None


def _seconds(work: Work) -> float:
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def wait() -> None:
    """Until a GPU has done what it was told to do."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def extra_bytes(work: Work, device: torch.device = CPU) -> int | None:
    """Memory that is held at the peak of the work, beyond what was held before; None where not known.

    Of the process, or of what torch holds on a GPU.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
        work()
        return torch.cuda.max_memory_allocated(device) - held
    _give_back()
    before = _resident("VmRSS")
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    except OSError:
        return None
    work()
    peak = _resident("VmHWM")
    return None if before is None or peak is None else max(peak - before, 0)


def _give_back() -> None:
    """Return freed memory to the system, so that the next work has to ask for its own."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def _resident(key: str) -> int | None:
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith(f"{key}:")]
    return kilobytes[0] * 1024 if kilobytes else None
