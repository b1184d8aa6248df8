"""Batched beam search over text, with any mixture of scorers.

B utterances still searched   K beams   N = B * K rows, utterance-major   V symbols
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from speecht5_cli.decode.scorers import Scorer

Stopped = Literal["eos", "length"]


@dataclass(frozen=True)
class Found:
    """A finished hypothesis: its symbols without the end mark, and its score."""

    tokens: list[int]
    score: float  # sum of log-probabilities over length ** length_penalty
    stopped: Stopped  # "length": the limit ended it, not the end mark


@dataclass(frozen=True)
class Weighted:
    """A scorer and its weight in the sum."""

    scorer: Scorer
    weight: float


@dataclass
class Search:
    """How to search. `limits` (B,) is the largest number of symbols of each utterance."""

    scorers: Sequence[Weighted]
    limits: Tensor
    beam: int
    eos: int
    forbidden: Sequence[int]  # never said: padding, masks, the CTC blank
    min_tokens: int = 0  # symbols before the end mark
    length_penalty: float = 1.0
    length_bonus: float = 0.0  # added for every symbol
    # As the original's joint decoding; the scorers are then attention, CTC, and any others.
    original_ctc: bool = False
    finished: list[list[Found]] = field(init=False)

    def run(self) -> list[list[Found]]:
        """The finished hypotheses of each utterance, best first, `beam` of them where there are so many."""
        device, n_utterances = self.limits.device, len(self.limits)
        self.finished = [[] for _ in range(n_utterances)]
        self.active = torch.arange(n_utterances, device=device)  # the utterances still searched
        rows = n_utterances * self.beam
        self.said = torch.full((rows, 1), self.eos, device=device)  # (N, length + 1), </s> first
        self.scores = torch.full((n_utterances, self.beam), float("-inf"), device=device)
        self.scores[:, 0] = 0.0  # all rows of an utterance are alike at first: only one of them counts
        while len(self.active):
            self._step()
        return [sorted(found, key=lambda f: -f.score)[: self.beam] for found in self.finished]

    def _step(self) -> None:
        length = self.said.size(1)  # of the hypotheses that end now, the end mark counted
        total = self.scores[..., None] + self._next().unflatten(0, (-1, self.beam))  # (B, K, V)
        n_symbols = total.size(2)
        full = (length > self.limits[self.active])[:, None, None]
        is_eos = torch.arange(n_symbols, device=total.device) == self.eos
        total = total.masked_fill((full & ~is_eos) | (is_eos & (length <= self.min_tokens)), float("-inf"))
        # Twice the beam: even if half of the candidates end here, enough are left to go on with.
        k = min(2 * self.beam, total.size(1) * n_symbols - 1)
        scores, places = total.flatten(1).topk(k, dim=1)  # (B, 2K)
        symbols, beams = places % n_symbols, places // n_symbols
        ends = (symbols == self.eos) & scores.isfinite()
        self._finish(ends[:, : self.beam], scores, beams, length, full.flatten())
        scores, order = scores.masked_fill(symbols == self.eos, float("-inf")).topk(self.beam, dim=1)
        self._go_on(scores, symbols.gather(1, order), beams.gather(1, order), full.flatten())

    def _next(self) -> Tensor:
        """(N, V) weighted sum of the scorers."""
        last = self.said[:, -1]
        parts = [weighted.scorer.score(last) * weighted.weight for weighted in self.scorers]
        total = sum(parts[1:], parts[0]) + self.length_bonus
        if self.original_ctc and len(parts) > 1:
            total = self._as_original(*parts)
        total[:, list(self.forbidden)] = float("-inf")
        return total

    def _as_original(self, attention: Tensor, ctc: Tensor, *others: Tensor) -> Tensor:
        """CTC counts for the 7 * beam symbols that attention likes best; the rest keep its score, unweighted."""
        plain = attention / self.scorers[0].weight
        plain[:, list(self.forbidden)] = float("-inf")
        k = min(7 * self.beam, plain.size(1) - len(self.forbidden) + 1)
        likeliest = plain.topk(k, dim=1).indices
        total = plain.scatter(1, likeliest, (attention + ctc).gather(1, likeliest))
        return sum(others, total) + self.length_bonus

    def _finish(self, ends: Tensor, scores: Tensor, beams: Tensor, length: int, full: Tensor) -> None:
        for place, rank in ends.nonzero().tolist():
            found = self.finished[int(self.active[place])]
            if len(found) < self.beam:
                row = place * self.beam + int(beams[place, rank])
                score = float(scores[place, rank]) / length**self.length_penalty
                found.append(Found(self.said[row, 1:].tolist(), score, "length" if full[place] else "eos"))

    def _go_on(self, scores: Tensor, symbols: Tensor, beams: Tensor, full: Tensor) -> None:
        """Extend the beams, and let the finished utterances go."""
        counts = torch.tensor([len(self.finished[i]) for i in self.active.tolist()], device=full.device)
        going = ((counts < self.beam) & ~full & scores[:, 0].isfinite()).nonzero()[:, 0]
        rows = (torch.arange(len(beams), device=beams.device)[:, None] * self.beam + beams)[going].flatten()
        self.said = torch.cat([self.said[rows], symbols[going].flatten()[:, None]], dim=1)
        self.scores = scores[going]
        if len(going) == len(self.active) and self.beam == 1:
            return  # every row goes on as itself
        for weighted in self.scorers if len(going) else ():
            if len(going) == len(self.active):
                weighted.scorer.reorder(rows)
            else:
                weighted.scorer.keep(going, rows)
        self.active = self.active[going]
