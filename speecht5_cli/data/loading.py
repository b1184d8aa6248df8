"""From row numbers to batches, in worker processes where wanted."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from speecht5_cli.data.batch import Batch
from speecht5_cli.data.rows import Row, Rows
from speecht5_cli.data.sampling import MicroBatch
from speecht5_cli.errors import DataError, SpeechT5Error

if TYPE_CHECKING:
    import torch

Rng = np.random.Generator
Example = dict[str, Any]


class BatchReader:
    """Reads the rows of a micro-batch and collates them. A batch depends on its number and the seed only."""

    def __init__(
        self,
        streams: Sequence[Rows],
        example: Callable[[Row, Rng | None], Example],
        collate: Callable[[list[Example], Rng | None], Batch],
        *,
        seed: int | None,
    ) -> None:
        """`seed` None: nothing is random (validation, decoding)."""
        self.streams, self.example, self.collate, self.seed = streams, example, collate, seed

    def __getitem__(self, place: MicroBatch) -> Batch:
        rows = self.streams[place.stream]
        examples = []
        for k, number in enumerate(place.rows):
            row = rows.row(int(number))
            try:
                examples.append(self.example(row, self._rng(place.number, k + 1)) | {"id": row.id})
            except ValueError as error:
                raise DataError(f"utterance {row.id}: {error}") from error
        batch = self.collate(examples, self._rng(place.number, 0))
        batch.cost = float(rows.costs[place.rows].sum())
        return batch

    def _rng(self, number: int, k: int) -> Rng | None:
        return None if self.seed is None else np.random.default_rng([self.seed, number, k])


def load(reader: BatchReader, places: Iterable[MicroBatch], *, workers: int, device: "torch.device") -> Iterator[Batch]:
    """The batches of the places, in their order, on the device; `workers` processes read ahead."""
    from torch.utils.data import DataLoader

    if workers == 0:
        yield from (reader[place].to(device) for place in places)
        return
    with warnings.catch_warnings():
        # Two are the default, and do no harm on a machine of one core.
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
        loader: DataLoader = DataLoader(
            _Tried(reader),  # type: ignore[arg-type]
            sampler=places,
            batch_size=None,
            num_workers=workers,
            prefetch_factor=4,
            worker_init_fn=partial(_start_worker),
            pin_memory=device.type == "cuda",
        )
        batches = iter(loader)
    for batch in batches:
        if isinstance(batch, SpeechT5Error):
            raise batch
        yield batch.to(device)


class _Tried:
    """A reader that returns our errors: raised in a worker, they would come out wrapped in its traceback."""

    def __init__(self, reader: BatchReader) -> None:
        self.reader = reader

    def __getitem__(self, place: MicroBatch) -> Batch | SpeechT5Error:
        try:
            return self.reader[place]
        except SpeechT5Error as error:
            return error


def _start_worker(_: int) -> None:
    """Leave Ctrl-C and being told to end to the main process, which saves, and ends its workers in order.

    A shell's `timeout` and a cluster signal every process of a job, and a worker that is gone ends a training at once.
    """
    import multiprocessing
    import os
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not hasattr(signal, "sigwaitinfo"):  # macOS does not say who asks
        os.setpgid(0, 0)
        return
    parent = multiprocessing.parent_process()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_when_told, args=(parent.pid if parent else None,), daemon=True).start()


def _end_when_told(by: int | None) -> None:
    """Wait for that process to ask."""
    import os
    import signal

    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != by:
        pass
    os._exit(0)
