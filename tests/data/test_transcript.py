"""Which characters a transcript may hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speecht5_cli.data.transcript import UNPRINTABLE, UNUSUAL_BLANKS, cleaned, reserved, unprintable, unusual_blanks


@pytest.mark.parametrize(
    ("text", "clean", "notes"),
    [
        ("plain words", "plain words", ()),
        ("  two  blanks\t ", "two blanks", ()),
        ("one\u2028two\x85three\vfour\u00a0five", "one two three four five", (UNUSUAL_BLANKS,)),
        ("bell\a and\x00 zero", "bell and zero", (UNPRINTABLE,)),
        ("soft\u00adhyphen \ufeffmark", "softhyphen mark", (UNPRINTABLE,)),
        ("a \u200b b\u2003c", "a b c", (UNUSUAL_BLANKS, UNPRINTABLE)),
        ("می\u200cروم क्\u200dष", "می\u200cروم क्\u200dष", ()),  # joiners are spelling
        ("\u200d \u200c", "", ()),
        ("\u2028\a", "", (UNUSUAL_BLANKS, UNPRINTABLE)),
        ("naïve 🦊 Straße", "naïve 🦊 Straße", ()),
    ],
)
def test_cleaning(text: str, clean: str, notes: tuple[str, ...]) -> None:
    assert cleaned(text) == (clean, notes)


@given(st.text())
def test_a_clean_text_is_one_line_for_everybody(text: str) -> None:
    clean, _ = cleaned(text)
    assert len(clean.splitlines()) <= 1
    assert clean == " ".join(clean.split())
    assert cleaned(clean) == (clean, ())
    assert not unusual_blanks(clean)
    assert not unprintable(clean)
    clean.encode()


@pytest.mark.parametrize(
    ("text", "word"),
    [("a <s> b", "<s>"), ("</s>", "</s>"), ("see #0, it", "#0"), ("a<s>b", None), ("#01", None), ("<b> #1", None)],
)
def test_words_that_kaldi_keeps(text: str, word: str | None) -> None:
    assert reserved(text) == word
