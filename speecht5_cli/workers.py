"""A function over shards in local processes: progress while it runs, and a plain word when a worker fails or dies.

The processes are spawned, never forked, so that torch's and soundfile's threads are safe and every system behaves the
same. Each worker has its own pipe: the end of a pipe tells at once that its worker died, and on which shard.
"""

import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from speecht5_cli.device import machine_bytes
from speecht5_cli.errors import SpeechT5Error, UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")

_LAST_LINES = 20  # of a failed worker's traceback
_PLAIN_PERIOD_S = 20.0  # between two lines of progress where there is no terminal
_THREADS = "OMP_NUM_THREADS"
_LOWER_NJ = "most often because memory ran out: lower --nj"


def sensible_nj() -> int:
    """As many processes as this one may use cores, but no more than one for each 2 GiB of memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = machine_bytes()
    return cores if memory is None else max(1, min(cores, memory >> 31))


def map_shards(
    work: Callable[[Sequence[Item]], Result],
    shards: Sequence[Sequence[Item]],
    *,
    doing: str,
    nj: int = 1,
    audio_s: Callable[[Result], float] | None = None,
) -> list[Result]:
    """Results of `work(shard)` in the order of the shards, from `nj` processes (one: in this process).

    `work` and what goes in and out must be picklable. `doing` names the job in progress lines and errors. `audio_s`
    gives the seconds of sound behind a result, for the real-time factor in the last line. Cut more shards than `nj`:
    progress moves by shards.

    One of our own errors in a worker is raised as it was. For any other the last lines of its traceback are shown, and
    SpeechT5Error names the shard; likewise for a worker that was killed.
    """
    if nj < 1:
        raise UsageError(f"--nj {nj}: expected a number of processes, at least 1")
    nj = min(nj, len(shards))
    outcomes = _in_children(work, shards, nj) if nj > 1 else _in_this_process(work, shards)
    results: dict[int, Result] = {}
    with _Progress(doing, sum(map(len, shards))) as progress, closing(outcomes):
        for index, outcome in outcomes:
            if not isinstance(outcome, _Done):
                raise outcome.as_error(f"{doing}: shard {index + 1} of {len(shards)} ({_span(shards[index])})")
            results[index] = outcome.value
            progress.advance(len(shards[index]), audio_s(outcome.value) if audio_s else 0.0)
    return [results[index] for index in range(len(shards))]


@dataclass(frozen=True)
class _Done(Generic[Result]):
    value: Result


@dataclass(frozen=True)
class _Failed:
    """What is left of an exception that was no error of ours; `SpeechT5Error`s travel whole."""

    what: str
    traceback: str
    ours: SpeechT5Error | None = None

    def as_error(self, where: str) -> SpeechT5Error:
        if self.ours:
            return self.ours
        sys.stderr.write("\n".join(self.traceback.rstrip().splitlines()[-_LAST_LINES:]) + "\n")
        advice = f" ({_LOWER_NJ})" if self.what.startswith(MemoryError.__name__) else ""
        return SpeechT5Error(f"{where} failed: {self.what}{advice}; the last lines of its traceback stand above")


@dataclass(frozen=True)
class _Died:
    """A worker ended without an answer."""

    exit_code: int | None  # negative: minus the number of the signal

    def as_error(self, where: str) -> SpeechT5Error:
        code = self.exit_code
        if code is None or code >= 0:
            return SpeechT5Error(f"{where}: the worker ended by itself with exit code {code}; its output stands above")
        name = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
        why = _LOWER_NJ if name == "SIGKILL" else "try --nj 1, and the utterances of this shard one by one"
        return SpeechT5Error(f"{where}: the worker was killed ({name}); {why}")


_Outcome = _Done[Any] | _Failed | _Died
_Outcomes = Generator[tuple[int, _Outcome], None, None]  # the number of a shard, what became of it


def _attempted(work: Callable[[Any], Any], shard: Any) -> _Done[Any] | _Failed:
    try:
        return _Done(work(shard))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported with its shard
        ours = error if isinstance(error, SpeechT5Error) else None
        return _Failed(f"{type(error).__name__}: {error}", traceback.format_exc(), ours)


def _span(shard: Sequence[Any]) -> str:
    """First and last item of a shard, by their ids."""
    names = [str(getattr(item, "id", item))[:100] for item in (shard[0], shard[-1])]
    return names[0] if len(shard) == 1 else f"{names[0]} ... {names[1]}"


def _in_this_process(work: Callable[[Any], Any], shards: Sequence[Any]) -> _Outcomes:
    for index, shard in enumerate(shards):
        yield index, _attempted(work, shard)


def _in_children(work: Callable[[Any], Any], shards: Sequence[Any], nj: int) -> _Outcomes:
    waiting = deque(enumerate(shards))
    children: list[_Child] = []
    try:
        with _cores_shared(nj):
            children += (_Child(work) for _ in range(nj))
        for child in children:
            child.give(*waiting.popleft())
        while busy := {child.pipe: child for child in children if child.busy is not None}:
            for pipe in wait(list(busy)):
                child = busy[pipe]  # type: ignore[index]
                yield child.take()
                if waiting:
                    child.give(*waiting.popleft())
    finally:  # also after Ctrl-C, and when the caller stops at a failure
        for child in children:
            child.stop()


class _Child:
    """A worker process, from this side of its pipe."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        context = get_context("spawn")
        self.busy: int | None = None  # the shard that it works on
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        self._process.start()
        theirs.close()  # so that the pipe ends when the process does

    def give(self, index: int, shard: Any) -> None:
        self.busy = index
        with suppress(ConnectionError):  # it died; `take` will see that
            self.pipe.send(shard)

    def take(self) -> tuple[int, _Outcome]:
        assert self.busy is not None
        index, self.busy = self.busy, None
        try:
            return index, self.pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            return index, _Died(self._process.exitcode)

    def stop(self) -> None:
        self.pipe.close()  # an idle worker ends at that
        if self.busy is not None:
            self._process.kill()
        self._process.join()


def _serve(pipe: Connection, work: Callable[[Any], Any]) -> None:
    """A worker's life: a shard in, an outcome out, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which stops its children
    with suppress(EOFError, ConnectionError):  # the parent is done, or gone
        while True:
            outcome = _attempted(work, pipe.recv())
            try:
                pipe.send(outcome)
            except ConnectionError:
                raise
            except Exception as error:  # noqa: BLE001 - a result that cannot be pickled
                pipe.send(_Failed(f"{type(error).__name__}: {error}", traceback.format_exc()))


@contextmanager
def _cores_shared(nj: int) -> Iterator[None]:
    """Children started in the block divide the cores among themselves, unless the user said how."""
    if _THREADS in os.environ:
        yield
        return
    os.environ[_THREADS] = str(max(1, (os.cpu_count() or 1) // nj))
    try:
        yield
    finally:
        del os.environ[_THREADS]


class _Progress:
    """A bar on a terminal, a line now and then elsewhere; one last line with the time."""

    def __init__(self, doing: str, n_items: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.doing, self.n_items = doing, n_items
        self.n_done, self.audio_s = 0, 0.0
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._plain = not console.is_terminal

    def __enter__(self) -> "_Progress":
        self._started = self._said = time.perf_counter()
        self._bar.start()
        self._task = self._bar.add_task(self.doing, total=self.n_items)
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        self._bar.stop()
        if kind is None and self.n_items:
            seconds = time.perf_counter() - self._started
            speed = f", RTF {seconds / self.audio_s:.4f}" if self.audio_s else ""
            sys.stderr.write(f"{self.doing}: {self.n_done} in {seconds:.1f} s{speed}\n")

    def advance(self, n_items: int, audio_s: float) -> None:
        self.n_done += n_items
        self.audio_s += audio_s
        self._bar.update(self._task, completed=self.n_done)
        now = time.perf_counter()
        if self._plain and now - self._said > _PLAIN_PERIOD_S:
            self._said = now
            sys.stderr.write(f"{self.doing}: {self.n_done} of {self.n_items}\n")
