"""Masks and text noise are drawn with other generators than the original's: their statistics must agree."""

import json
from typing import Any

import numpy as np
import pytest
from golden import DATA, golden

from speecht5_cli.data.corruption import SpanMask, TextNoise, infilled, span_mask

MASKS: dict[str, Any] = json.loads((DATA / "h_speech_mask_stats.json").read_text())
NOISE: dict[str, Any] = json.loads((DATA / "h_text_noise_stats.json").read_text())


def runs(mask: np.ndarray) -> np.ndarray:
    """Lengths of the runs of hidden positions in all rows."""
    found = []
    for row in mask:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
        found.append(edges[1::2] - edges[::2])
    return np.concatenate(found)


@pytest.mark.parametrize("name", [name for name in MASKS if "T" in name or "C" in name])
def test_spans(name: str) -> None:
    """Share hidden, its spread between batches, length of runs: within sampling error of the original's."""
    law = MASKS[name]
    spans = SpanMask(prob=law["mask_prob"], length=law["mask_length"], min_spans=0 if "channel" in name else 2)
    rng = np.random.default_rng(3)
    drawn = [span_mask(np.full(law["batch"], law["T"]), spans, rng) for _ in range(250)]
    masks = [mask for mask in drawn if mask is not None]
    assert all(len(set(mask.sum(1))) == 1 for mask in masks)  # every row hides equally many
    shares = np.array([mask.mean() for mask in masks])
    error = law["std"] / np.sqrt(len(masks))
    assert abs(shares.mean() - law["mean_masked_fraction"]) < 5 * error + 0.004
    assert shares.std() == pytest.approx(law["std"], rel=0.25)
    lengths = np.concatenate([runs(mask) for mask in masks])
    assert lengths.mean() == pytest.approx(law["mean_run_length"], rel=0.06)
    assert np.mean(lengths < law["mask_length"]) == pytest.approx(law["frac_runs_shorter_than_L"], abs=0.04)


def test_short_row_limits_the_batch() -> None:
    rng = np.random.default_rng(3)
    spans = SpanMask(prob=0.8, length=10, min_spans=2)
    masks = [span_mask(np.array([200, 150, 60]), spans, rng) for _ in range(600)]
    counts = np.array([mask.sum(1) for mask in masks if mask is not None])
    assert (counts == counts[:, :1]).all()
    stored = golden("h_speech_mask_draws")["seed5_padded_3x200_len200_150_60"]
    assert counts.min() <= stored.sum(1)[0] <= counts.max()
    assert all(not mask[1, 150:].any() and not mask[2, 60:].any() for mask in masks if mask is not None)


@pytest.mark.parametrize("length", [20, 60, 200, 400])
def test_text(length: int) -> None:
    """Length after noise, number of masks, share removed, share of random symbols among the masks."""
    law = NOISE[str(length)]
    noise, rng, mask, n_symbols = TextNoise(), np.random.default_rng(5), 50_000_004, 50_000_000
    clean = np.array([0, *(4 + np.arange(length)), 2])
    n = 2000
    noisy = [infilled(clean, noise, mask=mask, n_symbols=n_symbols, rng=rng)[1:-1] for _ in range(n)]
    kept = np.array([np.isin(row, clean[1:-1]).sum() for row in noisy])
    masks = np.array([(row == mask).sum() for row in noisy])
    lengths = np.array(list(map(len, noisy)))
    placeholders = lengths - kept
    assert lengths.mean() == pytest.approx(law["mean_out_len"], abs=4 * law["std_out_len"] / np.sqrt(law["n_sent"]))
    assert lengths.std() == pytest.approx(law["std_out_len"], rel=0.2)
    assert 1 - kept.sum() / (n * length) == pytest.approx(law["frac_deleted_or_replaced"], abs=0.005)
    spread = law["std_placeholders"]
    assert placeholders.mean() == pytest.approx(law["mean_placeholders"], abs=4 * spread / np.sqrt(law["n_sent"]))
    assert placeholders.std() == pytest.approx(spread, rel=0.12)
    assert 1 - masks.sum() / placeholders.sum() == pytest.approx(law["frac_random_of_placeholders"], abs=0.02)


def test_text_examples() -> None:
    """The stored sentences are such as ours: marks stay, order stays, only masks and strangers are put in."""
    g = golden("h_text_noise_examples")
    for j, row in enumerate(g["example_noised_src"]):
        first = 4 + 100 * (j % 10)
        clean = set(range(first, first + 20))
        row = row[row >= 0]
        own = [symbol for symbol in row if symbol in clean]
        assert row[0] == 0 and row[-1] == 2 and own == sorted(own)
