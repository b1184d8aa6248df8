"""The benches run, compare equal work, and draw."""

from pathlib import Path

import pytest
import torch

from speecht5_cli.bench import costs, features, loading, products, text, training
from speecht5_cli.bench.measure import Effort, Row, Times, in_turns
from speecht5_cli.bench.plots import draw_curves, short
from speecht5_cli.models.linear import Linear
from speecht5_cli.train.precision import Numbers

QUICK = Effort(rounds=1, quick=True)


def test_turns_are_taken() -> None:
    seen: list[str] = []
    mine, peer = in_turns(lambda: seen.append("a"), lambda: seen.append("b"), Effort(rounds=2), units=2.0)
    assert seen == ["a", "b"] * 3  # once to warm up
    assert peer is not None and 0 <= mine.fastest <= mine.median <= mine.slowest


def test_a_ratio_is_of_medians() -> None:
    row = Row("x", "y", "", Times.of([1.0, 2.0, 9.0], 1.0), Times.of([4.0, 8.0, 5.0], 1.0), our_bytes=1, peer_bytes=4)
    assert (row.ratio, row.memory_ratio) == (2.5, 0.25)
    assert Row("x", "y", "", Times.of([1.0], 1.0)).ratio is None


def test_curves_are_drawn(tmp_path: Path) -> None:
    rows = [Row("costs", "a: x", "s", Times(1, 1, 1), Times(2, 2, 2), at=at) for at in (1.0, 10.0)]
    draw_curves(tmp_path / "plot.png", [*rows, Row("costs", "b: y", "line", Times(1, 1, 1), at=5.0)])
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_ticks_are_short() -> None:
    assert [short(number) for number in (5, 16.0, 1_000, 2_500, 300_000)] == ["5", "16", "1k", "2.5k", "300k"]


def test_operations_are_counted() -> None:
    """A product has three: forward, and one for each gradient."""
    net, x = Linear(256, 512), torch.randn(128, 256, requires_grad=True)
    assert training.operations(lambda: net(x).sum().backward()) == 3 * 2 * 128 * 256 * 512


def test_the_fastest_rate_is_of_this_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_SIDE", 256)
    rate = training.fastest_rate(Numbers.of("fp32", torch.device("cpu")))
    assert 1e8 < rate < 1e15


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
def test_products_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "SIZES", ((64, 48),))
    monkeypatch.setattr(products, "_WEIGHTS", 1 << 16)
    found = list(products.rows(QUICK))
    assert [row.name for row in found[:2]] == ["1 x 64 -> 48, laid out", "1 x 64 -> 48, convolution"]
    assert len(found) == 2 * len(products.ROWS) + len(products.ROWS_OF_GRADIENTS)
    assert "gradients" in found[-1].name
    for row in found:
        assert row.ratio and row.difference is not None
        assert row.difference < (1e-3 if "gradients" in row.name else 1e-5)


@pytest.mark.slow
def test_every_group_measures(tmp_path: Path) -> None:
    """At base size, beside the real transformers: a minute or two."""
    pytest.importorskip("transformers")
    searches = list(text.rows(QUICK))
    assert {row.name.split(",")[0] for row in searches} >= {"greedy", "beam 5", "beam 5 with CTC"}
    assert not [row for row in searches if "differ" in row.note and "int8" not in row.name]
    steps = list(training.rows(QUICK))
    assert all(row.difference is not None and row.difference < 1e-4 for row in steps)
    assert len([row for row in loading.rows(QUICK) if row.peer]) == 2
    assert next(features.rows(QUICK)).difference is not None
    curves = list(costs.rows(QUICK))
    assert len({row.name for row in curves}) == 3 and all(row.at for row in curves)
