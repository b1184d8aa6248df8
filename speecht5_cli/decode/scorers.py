"""What tells a good next symbol from a bad one: attention, CTC, language model. Small objects that the search composes.

B utterances   K beams   N = B * K rows, utterance-major   T frames   V symbols
"""

from typing import Protocol

import torch
from torch import Tensor

from speecht5_cli.models.speecht5 import Encoded, SpeechT5


class Scorer(Protocol):
    """Remembers what each row has said so far."""

    def score(self, tokens: Tensor) -> Tensor:
        """The last symbol of each row (N,) -> log-probability of each next symbol (N, V)."""

    def reorder(self, rows: Tensor) -> None:
        """Row i goes on as row rows[i] (N,) of the same utterance."""

    def keep(self, utterances: Tensor, rows: Tensor) -> None:
        """Only these utterances (of B) and rows (of N) go on."""


class AttentionScorer:
    """The decoder of a model, with its memory."""

    def __init__(self, model: SpeechT5, encoded: Encoded) -> None:
        self.model, self.cache = model, model.start(encoded)

    def score(self, tokens: Tensor) -> Tensor:
        return self.model.next_text(tokens, self.cache).float().log_softmax(-1)

    def reorder(self, rows: Tensor) -> None:
        self.cache.reorder(rows)

    def keep(self, utterances: Tensor, rows: Tensor) -> None:
        self.cache.keep(utterances, rows)


class CTCPrefixScorer:
    """Probability of all alignments that start with a prefix (Watanabe et al. 2017), for all symbols and rows at once.

    For a row's prefix g, non_blank[t] and blank[t] are the log-probabilities of the alignments of frames 0..t that
    spell g and end in its last symbol, or in a blank. The probability that symbol c comes next is a sum over the frame
    t at which c starts, of (all alignments up to t - 1) * p(c at t): one matrix product for all symbols. Only the
    alignments of the symbols that the search chose are then continued; their recursion over the frames is linear in
    probabilities, so that it becomes a cumulative sum. Everything is float64: the sums span hundreds of nats.
    """

    def __init__(self, log_p: Tensor, lens: Tensor, beams: int, *, blank: int, eos: int) -> None:
        """log_p (B, T, V), lens (B,)"""
        self.blank_id, self.eos, self.beams = blank, eos, beams
        valid = torch.arange(log_p.size(1), device=log_p.device) < lens[:, None]  # (B, T)
        self.log_p = log_p.double().masked_fill(~valid[..., None], 0.0)  # pads: harmless in cumulative sums
        self.p = log_p.double().exp().masked_fill(~valid[..., None], 0.0)
        self.valid = valid
        self.last_frame = lens - 1
        blanks = self._blanks().cumsum(1)  # the empty prefix: blanks only
        self.blank = blanks.repeat_interleave(beams, 0)  # (N, T)
        self.non_blank = torch.full_like(self.blank, float("-inf"))
        self.prefix = blanks.new_zeros(len(self.blank))  # (N,) log-probability of the prefix so far
        self.last = torch.full((len(self.blank),), -1, device=log_p.device)  # (N,) its last symbol
        self.empty = True
        self.next: Tensor | None = None  # (N, V) of the last call

    def score(self, tokens: Tensor) -> Tensor:
        if not self.empty or (tokens != self.eos).any():
            self._append(tokens)
        utterances = self._utterances()
        either = torch.logaddexp(self.blank, self.non_blank)
        psi = self._starts(either, utterances)
        if not self.empty:  # the same symbol again needs a blank between
            again = self._starts(self.blank, utterances).gather(1, self.last[:, None])
            psi = psi.scatter(1, self.last[:, None], again)
        psi[:, self.eos] = either.gather(1, self.last_frame[utterances, None])[:, 0]
        psi[:, self.blank_id] = float("-inf")
        self.next = psi
        return (psi - self.prefix[:, None]).masked_fill(self.prefix[:, None].isneginf(), float("-inf")).float()

    def reorder(self, rows: Tensor) -> None:
        self.blank, self.non_blank = self.blank[rows], self.non_blank[rows]
        self.prefix, self.last = self.prefix[rows], self.last[rows]
        self.next = None if self.next is None else self.next[rows]

    def keep(self, utterances: Tensor, rows: Tensor) -> None:
        self.reorder(rows)
        self.log_p, self.p, self.valid = self.log_p[utterances], self.p[utterances], self.valid[utterances]
        self.last_frame = self.last_frame[utterances]

    def _utterances(self) -> Tensor:
        """(N,) the utterance of each row"""
        return torch.arange(len(self.p), device=self.p.device).repeat_interleave(self.beams)

    def _blanks(self) -> Tensor:
        return self.log_p[:, :, self.blank_id]  # (B, T)

    def _shifted(self, x: Tensor) -> Tensor:
        """Log-probabilities up to the frame before each frame (N, T); before the first one only the empty prefix is."""
        first = torch.full_like(x[:, :1], 0.0 if self.empty else float("-inf"))
        return torch.cat([first, x[:, :-1]], dim=1)

    def _starts(self, before: Tensor, utterances: Tensor) -> Tensor:
        """log of the sum over t of exp(before[t - 1]) * p(c at t): (N, T) -> (N, V)"""
        weight = self._shifted(before).masked_fill(~self.valid[utterances], float("-inf"))
        top = weight.amax(1, keepdim=True).clamp(min=-1e30)
        sums = (weight - top).exp().view(len(self.p), self.beams, -1) @ self.p  # (B, K, V)
        return sums.flatten(0, 1).log() + top

    def _append(self, tokens: Tensor) -> None:
        """Continue the alignments of each row by its new symbol (N,)."""
        utterances = self._utterances()
        before = torch.logaddexp(self.blank, self.non_blank)
        if not self.empty:
            before = torch.where((tokens == self.last)[:, None], self.blank, before)
        symbol = self.log_p[utterances].gather(2, tokens[:, None, None].expand(-1, self.log_p.size(1), 1))[..., 0]
        non_blank = _recursion(self._shifted(before), symbol)
        blanks = self._blanks()[utterances]
        start = torch.full_like(non_blank[:, :1], float("-inf"))
        self.blank = _recursion(torch.cat([start, non_blank[:, :-1]], dim=1), blanks)
        self.non_blank = non_blank
        if self.next is not None:
            self.prefix = self.next.gather(1, tokens[:, None])[:, 0]
        self.last, self.empty = tokens, False


def _recursion(entering: Tensor, staying: Tensor) -> Tensor:
    """r[t] = log(exp(r[t - 1]) + exp(entering[t])) + staying[t], over the frames of (N, T)."""
    total = staying.cumsum(1)
    before = total - staying
    return total + torch.logcumsumexp(entering - before, dim=1)
