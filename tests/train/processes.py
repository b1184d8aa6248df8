"""A function in several processes that torch.distributed joins, without starting Python anew."""

import os
import socket
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

TIMEOUT_S = 90


def in_processes(n: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work(rank)` returns or raises in each of n processes, by rank.

    Forked, so that torch is there already. Raises AssertionError when a process does not end.
    """
    context, port = get_context("fork"), _free_port()
    pipes, children = [], []
    for rank in range(n):
        ours, theirs = context.Pipe(duplex=False)
        environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": n, "LOCAL_WORLD_SIZE": n, "MASTER_PORT": port}
        child = context.Process(target=_serve, args=(theirs, work, rank, environment), daemon=True)
        child.start()
        theirs.close()
        pipes.append(ours)
        children.append(child)
    try:
        return [_received(pipe, rank) for rank, pipe in enumerate(pipes)]
    finally:
        for child in children:
            child.kill()
            child.join()


def _received(pipe: Connection, rank: int) -> Any:
    assert pipe.poll(TIMEOUT_S), f"process {rank} did not end"
    return pipe.recv()


def _serve(pipe: Connection, work: Callable[[int], Any], rank: int, environment: dict[str, int]) -> None:
    os.environ.update({name: str(value) for name, value in environment.items()}, MASTER_ADDR="127.0.0.1")
    try:
        pipe.send(work(rank))
    except BaseException as error:  # noqa: BLE001 - it is looked at outside
        pipe.send(error)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
