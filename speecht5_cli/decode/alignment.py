"""When each word was said: CTC alignment of a text with the frames, and texts of overlapping windows made one.

B utterances   T frames   V symbols
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from speecht5_cli.data.torchaudio_pair import torchaudio

FRAME_S = 0.02  # an encoder frame
WORD_START = "▁"


@dataclass(frozen=True)
class TimedWord:
    """A word of a hypothesis, and when it was said."""

    word: str
    start_s: float
    end_s: float

    def shifted(self, by_s: float) -> "TimedWord":
        """The word, said so much later."""
        return TimedWord(self.word, self.start_s + by_s, self.end_s + by_s)

    @property
    def middle_s(self) -> float:
        """Half way through the word."""
        return (self.start_s + self.end_s) / 2


def timed_words(log_p: Tensor, tokens: Sequence[int], symbols: Sequence[str], *, blank: int) -> list[TimedWord]:
    """log_p (T, V) of the CTC head, the tokens of a hypothesis -> its words with times, to a frame of 20 ms.

    `symbols` say what each token adds to a text. A text that is too long for the frames cannot be aligned; its words
    are spread evenly.
    """
    repeats = sum(a == b for a, b in pairwise(tokens))
    if not tokens or len(tokens) + repeats > len(log_p):
        return spread_words(tokens, symbols, len(log_p))
    align = torchaudio().functional.forced_align
    path, _ = align(log_p.float().cpu()[None], torch.tensor([list(tokens)], dtype=torch.int32), blank=blank)
    return _words(tokens, symbols, _spans(path[0].tolist(), blank))


def spread_words(tokens: Sequence[int], symbols: Sequence[str], n_frames: int) -> list[TimedWord]:
    """As `timed_words`, each token as long as any other."""
    edges = [round(k * n_frames / max(len(tokens), 1)) for k in range(len(tokens) + 1)]
    return _words(tokens, symbols, list(pairwise(edges)))


def _spans(path: Sequence[int], blank: int) -> list[tuple[int, int]]:
    """First frame and the one behind the last of each token on an aligned path (T,)."""
    spans: list[tuple[int, int]] = []
    before = blank
    for frame, symbol in enumerate(path):
        if symbol != blank and symbol == before:
            spans[-1] = (spans[-1][0], frame + 1)
        elif symbol != blank:
            spans.append((frame, frame + 1))
        before = symbol
    return spans


def _words(tokens: Sequence[int], symbols: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[TimedWord]:
    words: list[TimedWord] = []
    for token, (start, end) in zip(tokens, spans):
        piece = symbols[token]
        if piece.startswith(WORD_START) or not words:
            words.append(TimedWord(piece.removeprefix(WORD_START), start * FRAME_S, end * FRAME_S))
        else:
            last = words[-1]
            first = last.start_s if last.word else start * FRAME_S  # a lone word start has its place in the pause
            words[-1] = TimedWord(last.word + piece, first, end * FRAME_S)
    return [word for word in words if word.word]


def joined_words(parts: Sequence[Sequence[TimedWord]], spans_s: Sequence[tuple[float, float]]) -> list[TimedWord]:
    """The words of windows, times counted from each window's start, as those of the whole recording.

    Where two windows overlap, each speaks for its own side of the middle: there both have heard what is around.
    """
    joined: list[TimedWord] = []
    for number, (words, (start_s, end_s)) in enumerate(zip(parts, spans_s)):
        first_s = (start_s + spans_s[number - 1][1]) / 2 if number else 0.0
        last_s = (end_s + spans_s[number + 1][0]) / 2 if number + 1 < len(spans_s) else float("inf")
        placed = [word.shifted(start_s) for word in words]
        joined += [word for word in placed if first_s <= word.middle_s < last_s]
    return joined
