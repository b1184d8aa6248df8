"""The search itself, with scorers whose answers can be looked up."""

from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from speecht5_cli.decode.beam import Found, Search, Weighted

EOS, PAD, V = 2, 1, 6
NEVER = (0, PAD)
SAYABLE = (3, 4, 5)


@dataclass
class Oracle:
    """Knows the log-probability of every next symbol by utterance and prefix; remembers what it was asked."""

    n_utterances: int
    beams: int
    seed: int = 0
    eos_bias: float = 0.0
    n_rows: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.said: list[tuple[int, tuple[int, ...]]] = [
            (u, ()) for u in range(self.n_utterances) for _ in range(self.beams)
        ]
        self.started = False

    def law(self, utterance: int, prefix: tuple[int, ...]) -> Tensor:
        generator = torch.Generator().manual_seed(hash((self.seed, utterance, prefix)) % (1 << 31))
        logits = torch.randn(V, generator=generator, dtype=torch.float64) * 2
        logits[EOS] += self.eos_bias
        return logits.log_softmax(-1)

    def score(self, tokens: Tensor) -> Tensor:
        if self.started:
            self.said = [(u, (*prefix, int(t))) for (u, prefix), t in zip(self.said, tokens)]
        self.started = True
        self.n_rows.append(len(tokens))
        return torch.stack([self.law(*row) for row in self.said])

    def reorder(self, rows: Tensor) -> None:
        self.said = [self.said[row] for row in rows.tolist()]

    def keep(self, utterances: Tensor, rows: Tensor) -> None:
        self.reorder(rows)


def search(*scorers: Oracle, limits: list[int], beam: int, **more: Any) -> list[list[Found]]:
    weight = 1 / len(scorers)
    weighted = [Weighted(scorer, weight) for scorer in scorers]
    return Search(weighted, torch.tensor(limits), beam=beam, eos=EOS, forbidden=NEVER, **more).run()


def everything(oracle: Oracle, utterance: int, limit: int, penalty: float = 1.0, bonus: float = 0.0) -> list[Found]:
    """All texts of at most `limit` symbols with their scores, best first."""
    found = []
    for n in range(limit + 1):
        for text in product(SAYABLE, repeat=n):
            total = sum(float(oracle.law(utterance, text[:k])[s]) for k, s in enumerate((*text, EOS)))
            score = (total + bonus * (n + 1)) / (n + 1) ** penalty
            found.append(Found(list(text), score, "length" if n == limit else "eos"))
    return sorted(found, key=lambda one: -one.score)


@pytest.mark.parametrize("more", [{}, {"length_penalty": 0.5}, {"length_bonus": 0.7}, {"length_penalty": 0.0}], ids=str)
def test_a_wide_beam_finds_the_best_of_all(more: dict[str, float]) -> None:
    """With as many beams as texts nothing is lost."""
    oracle = Oracle(2, 60)
    found = search(oracle, limits=[3, 2], beam=60, **more)
    for utterance, limit in enumerate((3, 2)):
        expected = everything(oracle, utterance, limit, more.get("length_penalty", 1.0), more.get("length_bonus", 0.0))
        expected = [one for one in expected if one.tokens]  # min_tokens is not in the way of anything here
        got = [one for one in found[utterance] if one.tokens]
        assert [(one.tokens, one.stopped) for one in got] == [(one.tokens, one.stopped) for one in expected]
        assert [one.score for one in got] == pytest.approx([one.score for one in expected])


@pytest.mark.parametrize("beam", [1, 2, 5])
def test_a_batch_is_its_members(beam: int) -> None:
    limits = [5, 1, 9, 3, 12, 7]
    batch = search(Oracle(6, beam), limits=limits, beam=beam)
    for utterance, limit in enumerate(limits):
        oracle = Oracle(1, beam)
        oracle.said = [(utterance, ())] * beam
        assert search(oracle, limits=[limit], beam=beam)[0] == batch[utterance]


def test_greedy_takes_the_best_symbol_each_time() -> None:
    oracle = Oracle(1, 1)
    found = search(oracle, limits=[20], beam=1)[0]
    text: list[int] = []
    while True:
        law = oracle.law(0, tuple(text))
        symbol = max((EOS, *SAYABLE), key=lambda one: float(law[one]))
        if symbol == EOS:
            break
        text.append(symbol)
    assert [one.tokens for one in found] == [text]


def test_scorers_are_added_by_weight() -> None:
    left, right = Oracle(1, 60, seed=1), Oracle(1, 60, seed=2)
    found = search(left, right, limits=[3], beam=60)[0][0]
    scores = {}
    for n in range(4):
        for text in product(SAYABLE, repeat=n):
            pairs = [(text[:k], symbol) for k, symbol in enumerate((*text, EOS))]
            scores[text] = sum(float(left.law(0, p)[s] + right.law(0, p)[s]) / 2 for p, s in pairs) / (n + 1)
    assert tuple(found.tokens) == max(scores, key=lambda text: scores[text])


def test_why_a_hypothesis_stopped() -> None:
    assert {one.stopped for one in search(Oracle(1, 2, eos_bias=9.0), limits=[8], beam=2)[0]} == {"eos"}
    cut = search(Oracle(1, 2, eos_bias=-30.0), limits=[8], beam=2)[0]
    assert {(one.stopped, len(one.tokens)) for one in cut} == {("length", 8)}


def test_least_number_of_symbols() -> None:
    found = search(Oracle(3, 3, eos_bias=9.0), limits=[8, 8, 8], beam=3, min_tokens=4)
    assert {len(one.tokens) for results in found for one in results} >= {4}
    assert min(len(one.tokens) for results in found for one in results) == 4
    assert [] in [one.tokens for one in search(Oracle(1, 3, eos_bias=9.0), limits=[8], beam=3, min_tokens=0)[0]]


def test_nothing_fits_between_the_limits() -> None:
    """At most two symbols, at least three: no hypothesis, and the others go on."""
    found = search(Oracle(2, 2, eos_bias=9.0), limits=[2, 8], beam=2, min_tokens=3)
    assert found[0] == []
    assert len(found[1]) == 2


def test_finished_utterances_leave_the_batch() -> None:
    oracle = Oracle(3, 2, eos_bias=-30.0)
    search(oracle, limits=[1, 3, 6], beam=2)
    assert oracle.n_rows == [6, 6, 4, 4, 2, 2, 2]


def test_results_come_best_first_and_at_most_a_beam() -> None:
    for results in search(Oracle(4, 3), limits=[6] * 4, beam=3):
        assert 0 < len(results) <= 3
        assert [one.score for one in results] == sorted((one.score for one in results), reverse=True)
        assert len({tuple(one.tokens) for one in results}) == len(results)


def test_more_beams_than_symbols() -> None:
    """Early on fewer texts exist than beams: what cannot be is never said."""
    found = search(Oracle(1, 20), limits=[2], beam=20)[0]
    assert len({tuple(one.tokens) for one in found}) == len(found)
    assert all(set(one.tokens) <= set(SAYABLE) for one in found)
    assert all(one.score > float("-inf") for one in found)
