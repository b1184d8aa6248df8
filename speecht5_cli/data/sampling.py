"""Which rows make which batch, as a pure function of the seed: the order never depends on processes or restarts.

Rows of similar length share a batch whose padded size stays within a budget. Streams are mixed one to one: every block
of micro-batches holds one of each stream, in random order, and each stream goes round by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice, pairwise

import numpy as np

# Rows that are sorted by length together. Larger data are cut into windows of random blocks of neighbours, so that
# 40 million lines are shuffled in bounded memory.
WINDOW = 1 << 18
BLOCK = 1 << 12


@dataclass(frozen=True)
class Budget:
    """How much a batch may hold: padded cost (seconds or tokens), and rows (0: any number)."""

    cost: float
    rows: int = 0


@dataclass(frozen=True)
class MicroBatch:
    """A place in the endless sequence of micro-batches."""

    number: int
    stream: int
    rows: np.ndarray  # numbers of rows


def batches_of(
    costs: np.ndarray, rows: np.ndarray, budget: Budget, rng: np.random.Generator | None
) -> list[np.ndarray]:
    """Rows sorted by cost (ties at random) and cut where the longest times their number would exceed the budget."""
    ties = np.arange(len(rows)) if rng is None else rng.permutation(len(rows))
    ordered = rows[np.lexsort((ties, costs[rows]))]
    starts = [0, *_cuts(costs[ordered], budget)]
    return [ordered[start:end] for start, end in pairwise(starts)]


def _cuts(costs: np.ndarray, budget: Budget) -> list[int]:
    """Where batches of rows end whose costs, in rising order, are these: a search for each, not a look at each row."""
    cuts, start, n = [], 0, len(costs)
    while start < n:
        most = n - start
        if costs[start] > 0:
            most = min(most, int(budget.cost / costs[start]) + 1)
        if budget.rows:
            most = min(most, budget.rows)
        rows = np.arange(1, most + 1, dtype=np.float32)
        fitting = int(np.searchsorted(rows * costs[start : start + most], budget.cost, side="right"))
        start += max(1, fitting)  # one row may be beyond the budget by itself
        cuts.append(start)
    return cuts


class StreamOrder:
    """The endless sequence of batches of one stream."""

    def __init__(self, costs: np.ndarray, budget: Budget, seed: Sequence[int]) -> None:
        self.costs, self.budget, self.seed = costs, budget, list(seed)

    def epoch(self, number: int) -> Iterator[np.ndarray]:
        """The batches of an epoch, shuffled; the very first one of all is the most expensive of its window."""
        rng = np.random.default_rng([*self.seed, number])
        for window, rows in enumerate(self._windows(rng)):
            batches = batches_of(self.costs, rows, self.budget, rng)
            order = rng.permutation(len(batches))
            if number == 0 and window == 0:  # running out of memory should show in the first minute
                worst = max(range(len(batches)), key=lambda i: len(batches[i]) * self.costs[batches[i]].max())
                order = np.array([worst, *order[order != worst]])
            yield from (batches[i] for i in order)

    def _windows(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        n = len(self.costs)
        if n <= WINDOW:
            yield np.arange(n)
            return
        starts = rng.permutation(np.arange(0, n, BLOCK))
        for group in np.split(starts, range(WINDOW // BLOCK, len(starts), WINDOW // BLOCK)):
            yield np.concatenate([np.arange(start, min(start + BLOCK, n)) for start in group])

    def batches(self, first: int = 0) -> Iterator[np.ndarray]:
        """The batches from number `first` of all epochs on, for ever; epochs before it are counted, not made."""
        epoch = 0
        if len(self.costs) <= WINDOW:  # where batches end does not depend on how ties are broken
            epoch, first = divmod(first, self._n_batches(0))
        else:
            while first >= (n := self._n_batches(epoch)):
                epoch, first = epoch + 1, first - n
        for number in count(epoch):
            yield from islice(self.epoch(number), first, None)
            first = 0

    def _n_batches(self, epoch: int) -> int:
        windows = self._windows(np.random.default_rng([*self.seed, epoch]))
        return sum(len(_cuts(np.sort(self.costs[rows]), self.budget)) for rows in windows)


def micro_batches(
    orders: Sequence[StreamOrder], *, seed: int, first: int = 0, rank: int = 0, world: int = 1
) -> Iterator[MicroBatch]:
    """The endless sequence from number `first` on, of which this rank gets every `world`-th."""
    begun = first // len(orders)  # whole blocks that lie behind, each with one batch of each stream
    streams = [order.batches(begun) for order in orders]
    number = begun * len(orders)
    while True:
        for stream in _block(len(orders), number // len(orders), seed):
            rows = next(streams[stream])
            if number >= first and (number - first) % world == rank:
                yield MicroBatch(number, stream, rows)
            number += 1


def _block(n_streams: int, number: int, seed: int) -> np.ndarray:
    """The order of the streams in a block."""
    if n_streams == 1:
        return np.zeros(1, int)
    return np.random.default_rng([seed, number, 0x5EED]).permutation(n_streams)
