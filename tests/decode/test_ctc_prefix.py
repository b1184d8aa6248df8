"""Prefix scores are sums over all alignments: compared with adding them up one by one."""

from itertools import product

import pytest
import torch
from torch import Tensor

from speecht5_cli.decode.scorers import CTCPrefixScorer

BLANK, EOS, V = 3, 0, 4  # symbols 1 and 2 can be said


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    """Repetitions merged, then blanks removed."""
    kept = [symbol for k, symbol in enumerate(path) if k == 0 or symbol != path[k - 1]]
    return tuple(symbol for symbol in kept if symbol != BLANK)


def spelled(log_p: Tensor) -> dict[tuple[int, ...], float]:
    """Text -> probability of all alignments that spell it, of one utterance (T, V)."""
    sums: dict[tuple[int, ...], float] = {}
    for path in product(range(V), repeat=len(log_p)):
        if EOS in path:
            continue
        probability = float(torch.stack([log_p[t, symbol] for t, symbol in enumerate(path)]).sum().exp())
        sums[collapsed(path)] = sums.get(collapsed(path), 0.0) + probability
    return sums


def begins(sums: dict[tuple[int, ...], float], prefix: tuple[int, ...]) -> float:
    return sum(p for text, p in sums.items() if text[: len(prefix)] == prefix)


@pytest.fixture
def log_p() -> Tensor:
    """Two utterances of 5 and 3 frames; </s> has no probability in a CTC output that was trained."""
    torch.manual_seed(0)
    logits = torch.randn(2, 5, V)
    logits[..., EOS] = -1e4
    return logits.log_softmax(-1)


LENS = torch.tensor([5, 3])
PREFIXES = [(), (1,), (1, 1), (1, 2), (2, 1, 1), (1, 2, 1), (1, 1, 1), (2, 2, 1, 2)]


@pytest.mark.parametrize("prefix", PREFIXES, ids=str)
def test_next_symbols(log_p: Tensor, prefix: tuple[int, ...]) -> None:
    """Repeated symbols, which need a blank between them, and prefixes that are too long for the frames."""
    scorer = CTCPrefixScorer(log_p, LENS, 1, blank=BLANK, eos=EOS)
    scores = scorer.score(torch.full((2,), EOS))
    total = torch.zeros(2)
    for symbol in prefix:
        total += scores[:, symbol]
        scorer.reorder(torch.arange(2))
        scores = scorer.score(torch.full((2,), symbol))
    for row, n in enumerate(LENS.tolist()):
        sums = spelled(log_p[row, :n])
        of_prefix = begins(sums, prefix)
        if of_prefix == 0:
            assert scores[row].eq(float("-inf")).all()  # impossible, and not a number that is none
            continue
        assert float(total[row].exp()) == pytest.approx(of_prefix, rel=1e-4)
        for symbol in (1, 2):
            expected = begins(sums, (*prefix, symbol)) / of_prefix
            assert float(scores[row, symbol].exp()) == pytest.approx(expected, rel=1e-4, abs=1e-9)
        assert float(scores[row, EOS].exp()) == pytest.approx(sums.get(prefix, 0.0) / of_prefix, rel=1e-4, abs=1e-9)
        assert scores[row, BLANK] == float("-inf")


def test_beams_go_their_own_ways(log_p: Tensor) -> None:
    """Rows of one utterance swap, and the second utterance stays alone: every row scores as if it had come alone."""
    scorer = CTCPrefixScorer(log_p, LENS, 2, blank=BLANK, eos=EOS)
    scorer.score(torch.full((4,), EOS))
    scorer.reorder(torch.tensor([0, 0, 2, 2]))
    scorer.score(torch.tensor([1, 2, 2, 1]))
    scorer.keep(torch.tensor([1]), torch.tensor([3, 2]))
    scores = scorer.score(torch.tensor([1, 1]))  # the second utterance has said 1 1, and 2 1
    for row, prefix in enumerate([(1, 1), (2, 1)]):
        alone = CTCPrefixScorer(log_p[1:, :3], LENS[1:], 1, blank=BLANK, eos=EOS)
        expected = alone.score(torch.tensor([EOS]))
        for symbol in prefix:
            expected = alone.score(torch.tensor([symbol]))
        torch.testing.assert_close(scores[row], expected[0])


def test_pads_do_not_count(log_p: Tensor) -> None:
    wide = torch.cat([log_p, torch.randn(2, 30, V).log_softmax(-1)], dim=1)
    narrow_scores, wide_scores = [], []
    narrow = CTCPrefixScorer(log_p, LENS, 1, blank=BLANK, eos=EOS)
    padded = CTCPrefixScorer(wide, LENS, 1, blank=BLANK, eos=EOS)
    for symbol in (EOS, 1, 1, 2):
        narrow_scores.append(narrow.score(torch.full((2,), symbol)))
        wide_scores.append(padded.score(torch.full((2,), symbol)))
    torch.testing.assert_close(wide_scores, narrow_scores)


def test_long_and_certain_outputs_stay_finite() -> None:
    """2,000 frames, each almost certain of a blank: probabilities of 1e-6000 are no obstacle."""
    logits = torch.full((1, 2000, V), -30.0)
    logits[..., BLANK] = 0.0
    scorer = CTCPrefixScorer(logits.log_softmax(-1), torch.tensor([2000]), 1, blank=BLANK, eos=EOS)
    scores = [scorer.score(torch.tensor([symbol])) for symbol in (EOS, *[1, 2] * 50)]
    assert all(one[0, [EOS, 1, 2]].isfinite().all() for one in scores)
