"""Padded tensors, and reading them: in this process or in others, always the same."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data._utils.pin_memory import pin_memory

from speecht5_cli.data.batch import Batch, lens, padded
from speecht5_cli.data.loading import BatchReader, load
from speecht5_cli.data.rows import LineRows, Row
from speecht5_cli.data.sampling import MicroBatch
from speecht5_cli.errors import DataError

CPU = torch.device("cpu")


def test_a_loader_that_pins_memory_pins_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's own leaves what it does not know as it is."""
    pinned: list[Tensor] = []
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    batch = pin_memory(Batch(["a"], {"wav": torch.zeros(1, 3), "wav_lens": torch.tensor([3])}, {"ce": 1.0}))
    assert (batch.ids, batch.weights, len(pinned)) == (["a"], {"ce": 1.0}, 2)


def test_padding() -> None:
    rows = [np.array([1, 2, 3]), np.array([4])]
    assert padded(rows, 9).tolist() == [[1, 2, 3], [4, 9, 9]]
    assert padded(rows).tolist() == [[1, 2, 3], [4, 0, 0]]
    assert lens(rows).tolist() == [3, 1]
    wide = padded([np.ones((2, 5), np.float32), np.ones((0, 5), np.float32)])
    assert (wide.shape, wide.dtype) == ((2, 2, 5), torch.float32)
    assert wide[1].sum() == 0


def test_a_batch() -> None:
    batch = Batch(["a"], {"tokens": torch.ones(1, 2)}, {"ce": 2.0}, cost=3.0)
    assert "tokens" in batch and "mask" not in batch
    assert batch.get("mask") is None
    assert batch["tokens"].sum() == 2
    moved = batch.to(CPU)
    assert (moved.ids, moved.weights, moved.cost) == (["a"], {"ce": 2.0}, 3.0)


# --- reading ---


@pytest.fixture
def rows(tmp_path: Path) -> LineRows:
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\nfour\nbad\n")
    return LineRows([tmp_path / "a.txt"])


def example(row: Row, rng: np.random.Generator | None) -> dict[str, Any]:
    if row["text"] == "bad":
        raise ValueError("it is bad")
    return {"length": len(row["text"]), "drawn": 0.0 if rng is None else rng.random()}


def collate(examples: list[dict[str, Any]], rng: np.random.Generator | None) -> Batch:
    drawn = [item["drawn"] for item in examples] + [0.0 if rng is None else rng.random()]
    return Batch([item["id"] for item in examples], {"drawn": torch.tensor(drawn, dtype=torch.float64)})


def place(number: int, *rows: int) -> MicroBatch:
    return MicroBatch(number, 0, np.array(rows))


def test_a_batch_depends_on_its_number_and_the_seed_only(rows: LineRows) -> None:
    reader = BatchReader([rows], example, collate, seed=1)
    first, again, later = reader[place(3, 0, 1)], reader[place(3, 0, 1)], reader[place(4, 0, 1)]
    assert first["drawn"].tolist() == again["drawn"].tolist()
    assert len({*first["drawn"].tolist(), *later["drawn"].tolist()}) == 6  # every example draws for itself
    assert BatchReader([rows], example, collate, seed=2)[place(3, 0, 1)]["drawn"].tolist() != first["drawn"].tolist()
    assert (first.ids, first.cost) == (["a.txt:1", "a.txt:2"], 6.0)


def test_without_a_seed_nothing_is_random(rows: LineRows) -> None:
    assert BatchReader([rows], example, collate, seed=None)[place(3, 0, 1)]["drawn"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("workers", [0, 2])
def test_order_and_content_do_not_depend_on_workers(
    rows: LineRows, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is there a warning on a machine of one core."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    places = [place(7, 0), place(8, 1, 2), place(9, 3), place(10, 2)]
    reader = BatchReader([rows], example, collate, seed=1)
    got = list(load(reader, iter(places), workers=workers, device=CPU))
    assert [batch.ids for batch in got] == [reader[one].ids for one in places]
    assert [batch["drawn"].tolist() for batch in got] == [reader[one]["drawn"].tolist() for one in places]
    assert [batch.cost for batch in got] == [3, 8, 4, 5]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_utterance_that_cannot_be_read_is_named(rows: LineRows, workers: int) -> None:
    """In the same words, wherever it was read."""
    batches = load(
        BatchReader([rows], example, collate, seed=1), [place(0, 0), place(1, 4)], workers=workers, device=CPU
    )
    assert next(batches).ids == ["a.txt:1"]
    with pytest.raises(DataError) as error:
        next(batches)
    assert str(error.value) == "utterance a.txt:5: it is bad"
