"""When words were said, and texts of overlapping windows made one."""

import pytest
import torch
from torch import Tensor

from speecht5_cli.data.vocabulary import SPACE, Vocabulary
from speecht5_cli.decode.alignment import TimedWord, joined_words, spread_words, timed_words

VOCABULARY = Vocabulary.of_pieces([SPACE, *"abc"])
SYMBOLS = VOCABULARY.spellings
SPACE_ID, A, B, C = 4, 5, 6, 7


def certain(path: list[int]) -> Tensor:
    """Log-probabilities (T, V) of a CTC head that is sure of each frame."""
    return (torch.nn.functional.one_hot(torch.tensor(path), len(VOCABULARY)).float() * 20).log_softmax(-1)


def times(words: list[TimedWord]) -> list[tuple[str, float, float]]:
    return [(word.word, round(word.start_s, 2), round(word.end_s, 2)) for word in words]


def test_specials_add_nothing_to_a_text() -> None:
    assert SYMBOLS == ("", "", "", "", SPACE, "a", "b", "c", "", "")


def test_words_have_the_times_of_their_frames() -> None:
    _ = VOCABULARY.blank
    path = [_, SPACE_ID, A, A, _, A, B, _, _, SPACE_ID, _, C, C, _]
    words = timed_words(certain(path), [SPACE_ID, A, A, B, SPACE_ID, C], SYMBOLS, blank=VOCABULARY.blank)
    assert times(words) == [("aab", 0.04, 0.14), ("c", 0.22, 0.26)]  # from the letter on, not from the pause before it
    assert words[1].middle_s == pytest.approx(0.24)


def test_an_unknown_character_is_no_part_of_a_word() -> None:
    """As in a text: `Vocabulary.decode` leaves it out."""
    _, unk = VOCABULARY.blank, VOCABULARY.unk
    tokens = [SPACE_ID, A, unk, B, SPACE_ID, unk, SPACE_ID, C]
    path = [SPACE_ID, A, unk, B, _, SPACE_ID, unk, SPACE_ID, C]
    words = timed_words(certain(path), tokens, SYMBOLS, blank=VOCABULARY.blank)
    assert " ".join(word.word for word in words) == "ab c"
    assert VOCABULARY.decode(tokens).split() == ["ab", "c"]


def test_a_text_too_long_for_its_frames_is_spread() -> None:
    tokens = [SPACE_ID, A, SPACE_ID, B]
    words = timed_words(certain([A, B]), tokens, SYMBOLS, blank=VOCABULARY.blank)
    assert times(words) == times(spread_words(tokens, SYMBOLS, 2))
    assert times(spread_words(tokens, SYMBOLS, 100)) == [("a", 0.5, 1.0), ("b", 1.5, 2.0)]
    assert timed_words(certain([A]), [], SYMBOLS, blank=VOCABULARY.blank) == []


def test_each_window_speaks_for_its_side_of_the_overlap() -> None:
    """Two windows of 10 s that share 4 s: the border is at 8 s."""
    first = [TimedWord("one", 1.0, 2.0), TimedWord("two", 7.0, 7.8), TimedWord("cut", 8.5, 9.9)]
    second = [TimedWord("two", 1.0, 1.8), TimedWord("three", 2.6, 3.8), TimedWord("four", 9.0, 9.9)]
    joined = joined_words([first, second], [(0.0, 10.0), (6.0, 16.0)])
    assert times(joined) == [("one", 1.0, 2.0), ("two", 7.0, 7.8), ("three", 8.6, 9.8), ("four", 15.0, 15.9)]
