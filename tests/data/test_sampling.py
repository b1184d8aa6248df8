"""Which rows make which batch: a pure function of the seed, that loses nothing and doubles nothing."""

from itertools import islice

import numpy as np
import pytest

from speecht5_cli.data import sampling
from speecht5_cli.data.sampling import Budget, MicroBatch, StreamOrder, batches_of, micro_batches

Drawn = list[tuple[int, int, tuple[int, ...]]]


def costs_of(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 9.5, n).astype(np.float32)


def plain(batches: list[MicroBatch]) -> Drawn:
    return [(batch.number, batch.stream, tuple(batch.rows.tolist())) for batch in batches]


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "WINDOW", 64)
    monkeypatch.setattr(sampling, "BLOCK", 8)


@pytest.mark.parametrize("budget", [Budget(20.0), Budget(20.0, rows=2), Budget(0.1), Budget(1e9)])
def test_an_epoch_has_every_row_once_within_the_budget(budget: Budget) -> None:
    order = StreamOrder(costs_of(101), budget, [1])
    for epoch in (0, 1):
        batches = list(order.epoch(epoch))
        assert sorted(np.concatenate(batches)) == list(range(101))
        for rows in batches:
            assert len(rows) * order.costs[rows].max() <= budget.cost or len(rows) == 1
            assert not budget.rows or len(rows) <= budget.rows


def test_rows_of_similar_length_share_a_batch() -> None:
    """Little padding: far less than random batches would have."""
    order = StreamOrder(costs_of(500), Budget(60.0), [1])
    padded = sum(len(rows) * order.costs[rows].max() for rows in order.epoch(1))
    assert padded / order.costs.sum() < 1.05


def test_batches_are_as_full_as_the_budget_allows() -> None:
    costs = np.array([1, 1, 1, 2, 2, 5], np.float32)
    batches = batches_of(costs, np.arange(6), Budget(4.0), None)
    assert [rows.tolist() for rows in batches] == [[0, 1, 2], [3, 4], [5]]
    assert [rows.tolist() for rows in batches_of(costs, np.array([5, 0]), Budget(4.0), None)] == [[0], [5]]
    assert batches_of(costs, np.array([], int), Budget(4.0), None) == []


def test_the_first_batch_of_all_is_the_worst() -> None:
    costs = costs_of(300)
    costs[17] = 30.0  # alone, and beyond the budget
    order = StreamOrder(costs, Budget(20.0), [5])
    assert next(order.epoch(0)).tolist() == [17]
    sizes = [len(rows) * costs[rows].max() for rows in order.epoch(0)]
    assert sizes[0] == max(sizes)
    assert next(order.epoch(1)).tolist() != [17]


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    def epoch(seed: int, number: int) -> list[tuple[int, ...]]:
        order = StreamOrder(costs_of(80), Budget(20.0), [seed, 0])
        return [tuple(rows.tolist()) for rows in order.epoch(number)]

    assert epoch(1, 0) == epoch(1, 0)
    assert epoch(1, 0) != epoch(2, 0)
    assert epoch(1, 1) != epoch(1, 2)


def test_rows_of_equal_length_meet_others_in_every_epoch() -> None:
    order = StreamOrder(np.ones(60, np.float32), Budget(6.0), [1])
    first, second = (sorted(tuple(sorted(rows)) for rows in order.epoch(number)) for number in (1, 2))
    assert first != second


@pytest.mark.usefixtures("small_windows")
def test_large_sets_are_shuffled_window_by_window() -> None:
    order = StreamOrder(costs_of(1001), Budget(20.0), [1])
    seen: list[list[int]] = []
    windows = list(order._windows(np.random.default_rng(0)))
    assert [len(rows) for rows in windows[:3]] == [64, 64, 64]  # never more than a window at a time
    assert all(len(rows) <= 64 for rows in windows)
    for number in (0, 1):
        rows = np.concatenate(list(order.epoch(number)))
        assert sorted(rows) == list(range(1001))
        seen.append(rows.tolist())
    assert seen[0] != seen[1]
    # A window holds random blocks of neighbours, not one stretch of the set.
    assert np.ptp(windows[0]) > 500
    assert len(set((windows[0] // 8).tolist())) == 8


def test_the_worst_comes_first_within_a_large_set(small_windows: None) -> None:
    order = StreamOrder(costs_of(1001), Budget(20.0), [1])
    first = list(islice(order.epoch(0), 8))
    sizes = [len(rows) * order.costs[rows].max() for rows in first]
    assert sizes[0] == max(sizes)


@pytest.mark.parametrize("n_streams", [1, 2, 3])
def test_ranks_share_one_sequence(n_streams: int) -> None:
    orders = [StreamOrder(costs_of(50 + k, k), Budget(20.0), [1, k]) for k in range(n_streams)]
    whole = plain(list(islice(micro_batches(orders, seed=1), 60)))
    assert [number for number, _, _ in whole] == list(range(60))
    for world in (2, 3):
        shares = [
            plain(list(islice(micro_batches(orders, seed=1, rank=r, world=world), 60 // world))) for r in range(world)
        ]
        assert sorted(item for share in shares for item in share) == whole
        assert all(item[0] % world == rank for rank, share in enumerate(shares) for item in share)


@pytest.mark.parametrize("first", [0, 1, 7, 48])
@pytest.mark.parametrize("world", [1, 2])
def test_resuming_gives_the_tail(first: int, world: int) -> None:
    """Across the end of an epoch, too: 30 rows make about ten batches."""
    orders = [StreamOrder(costs_of(30, k), Budget(20.0), [1, k]) for k in range(2)]
    whole = plain(list(islice(micro_batches(orders, seed=1), 140)))
    tail = plain(list(islice(micro_batches(orders, seed=1, first=first * world, world=world), 20)))
    assert tail == whole[first * world :: world][:20]


def test_streams_come_one_to_one_in_random_order() -> None:
    orders = [StreamOrder(costs_of(40, k), Budget(20.0), [1, k]) for k in range(2)]
    streams = [batch.stream for batch in islice(micro_batches(orders, seed=1), 200)]
    pairs = [tuple(streams[i : i + 2]) for i in range(0, 200, 2)]
    assert set(pairs) == {(0, 1), (1, 0)}
    assert 30 < pairs.count((0, 1)) < 70


def test_each_stream_goes_round_by_itself() -> None:
    orders = [StreamOrder(costs_of(n, 1), Budget(20.0), [1, k]) for k, n in enumerate((20, 70))]
    batches = list(islice(micro_batches(orders, seed=1), 400))
    for stream, n in enumerate((20, 70)):
        rows = np.concatenate([batch.rows for batch in batches if batch.stream == stream])
        assert sorted(rows[:n]) == list(range(n))
        assert sorted(rows[n : 2 * n]) == list(range(n))


@pytest.mark.parametrize("budget", [Budget(20.0), Budget(20.0, rows=2), Budget(0.1), Budget(1e9)])
def test_where_batches_end(budget: Budget) -> None:
    """As a plain walk along the rows finds it."""
    costs = np.sort(np.round(costs_of(200), 1))  # with ties
    batches, batch = [], [0]
    for row in range(1, 200):
        if (len(batch) + 1) * costs[row] > np.float32(budget.cost) or len(batch) == budget.rows:
            batches.append(batch)
            batch = []
        batch = [*batch, row]
    found = batches_of(costs, np.arange(200), budget, None)
    assert [rows.tolist() for rows in found] == [*batches, batch]


@pytest.mark.parametrize("n", [40, 200], ids=["one window", "several windows"])
def test_going_on_far_from_the_start(n: int, small_windows: None) -> None:
    """Epochs that lie behind are counted, and the rest is as if they had been made."""
    order = StreamOrder(costs_of(n), Budget(20.0), [3])
    whole = [rows.tolist() for rows in islice(order.batches(), 700)]
    for first in (1, 13, 200, 641):
        assert [rows.tolist() for rows in islice(order.batches(first), 50)] == whole[first : first + 50]
