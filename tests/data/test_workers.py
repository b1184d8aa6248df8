"""Workers: results in order, and every way to fail says what happened."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from speecht5_cli.errors import DataError, SpeechT5Error, UsageError
from speecht5_cli.workers import map_shards, sensible_nj

SHARDS = [["a", "b"], ["c"], ["d", "e"], ["f"]]


def shout(shard: Sequence[str]) -> tuple[str, int]:
    return "".join(shard).upper(), os.getpid()


def fail_at(shard: Sequence[str], *, how: str) -> str:
    if shard[0] != "d":
        return "fine"
    if how == "data":
        raise DataError("utterance d: broken")
    if how == "bug":
        raise ZeroDivisionError("oh no")
    if how == "memory":
        raise MemoryError
    if how == "unpicklable":
        return lambda: 1  # type: ignore[return-value]
    if how == "exit":
        os._exit(7)
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(60)
    return ""


@pytest.mark.parametrize("nj", [1, 2, 9])
def test_results_come_in_the_order_of_the_shards(nj: int) -> None:
    results = map_shards(shout, SHARDS, doing="test", nj=nj)
    assert [text for text, _ in results] == ["AB", "C", "DE", "F"]
    assert len({pid for _, pid in results}) > 1 or nj == 1
    assert (os.getpid() in {pid for _, pid in results}) == (nj == 1)


def test_nothing_to_do() -> None:
    assert map_shards(shout, [], doing="test", nj=4) == []


def test_nj_must_be_positive() -> None:
    with pytest.raises(UsageError, match="--nj 0"):
        map_shards(shout, SHARDS, doing="test", nj=0)
    assert sensible_nj() >= 1


@pytest.mark.parametrize("nj", [1, 2])
def test_our_own_error_stays_what_it_was(nj: int) -> None:
    with pytest.raises(DataError, match=r"^utterance d: broken$"):
        map_shards(partial(fail_at, how="data"), SHARDS, doing="test", nj=nj)


@pytest.mark.parametrize("nj", [1, 2])
def test_a_fault_shows_its_traceback_and_names_the_shard(nj: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SpeechT5Error, match=r"test: shard 3 of 4 \(d \.\.\. e\) failed: ZeroDivisionError: oh no"):
        map_shards(partial(fail_at, how="bug"), SHARDS, doing="test", nj=nj)
    shown = capsys.readouterr().err
    assert 'raise ZeroDivisionError("oh no")' in shown
    assert len(shown.splitlines()) <= 20


def test_no_memory_advises_fewer_processes() -> None:
    with pytest.raises(SpeechT5Error, match=r"MemoryError.*lower --nj"):
        map_shards(partial(fail_at, how="memory"), SHARDS, doing="test", nj=2)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("SIGKILL", r"shard 3 of 4 \(d \.\.\. e\): the worker was killed \(SIGKILL\); .*lower --nj"),
        ("SIGSEGV", r"the worker was killed \(SIGSEGV\)"),
        ("exit", "exit code 7"),
        ("unpicklable", "failed: .*(pickle|local object)"),
    ],
)
def test_a_worker_that_dies_is_reported(how: str, message: str) -> None:
    started = time.monotonic()
    with pytest.raises(SpeechT5Error, match=message):
        map_shards(partial(fail_at, how=how), SHARDS, doing="test", nj=2)
    assert time.monotonic() - started < 30


def test_the_last_line_has_the_real_time_factor(capsys: pytest.CaptureFixture[str]) -> None:
    map_shards(shout, SHARDS, doing="listening", audio_s=lambda result: 10.0)
    line = capsys.readouterr().err
    assert line.startswith("listening: 6 in ")
    assert "RTF 0.0" in line


def test_cores_are_divided_among_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    wanted = str(max(1, (os.cpu_count() or 1) // 2))
    assert map_shards(n_threads, SHARDS, doing="test", nj=2) == [wanted] * 4
    assert "OMP_NUM_THREADS" not in os.environ


def n_threads(shard: Sequence[str]) -> str:
    return os.environ["OMP_NUM_THREADS"]


PROGRAM = """
import sys, time
from pathlib import Path
from speecht5_cli.workers import map_shards

def work(shard):
    Path(sys.argv[1], shard[0]).touch()
    time.sleep(100)

if __name__ == "__main__":
    map_shards(work, [["a"], ["b"], ["c"]], doing="test", nj=2)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_stops_the_children(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    marks = tmp_path / "marks"
    marks.mkdir()
    process = subprocess.Popen(
        [sys.executable, program, marks], stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    deadline = time.monotonic() + 60
    while len(list(marks.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everybody gets it
    _, errors = process.communicate(timeout=30)  # ends only when no child holds stderr any more
    assert process.returncode == -signal.SIGINT
    assert errors.count("KeyboardInterrupt") == 1, errors
