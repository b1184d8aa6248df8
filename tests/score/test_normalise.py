"""Normalisers take away what is a matter of writing, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speecht5_cli.data.normalise import NORMALISERS, english, lower, normaliser, unchanged
from speecht5_cli.data.numerals import numbers_read
from speecht5_cli.errors import ConfigError


def test_none_only_folds_blanks() -> None:
    assert unchanged("  Don’t,\tSTOP! ") == "Don’t, STOP!"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don’t, STOP!", "don't stop"),
        ("'tis the dogs' rock'n'roll", "tis the dogs rock'n'roll"),
        ("twenty-one — U.S. (ok)", "twenty one u s ok"),
        ("ＦＵＬＬ ﬁne", "full fine"),
        ("Straße ÄÖÜ", "straße äöü"),
        ("50% of 1,234 + $5", "50 of 1 234 5"),
        ("नमस्ते दुनिया।", "नमस्ते दुनिया"),  # vowel signs are marks, not punctuation
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zerowidth"),
        ("snake_case", "snake case"),
        ("...", ""),
    ],
)
def test_lower(text: str, expected: str) -> None:
    assert lower(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("105 people", "one hundred and five people"),
        ("1,234,567", "one million two hundred and thirty-four thousand five hundred and sixty-seven"),
        ("3.05", "three point zero five"),
        ("the 21st, the 5th", "the twenty-first, the fifth"),
        ("in 1984 and 1905", "in nineteen eighty-four and nineteen oh-five"),
        ("in 2005 and 2024", "in two thousand and five and twenty twenty-four"),
        ("the 1990s, the '90s, 90's", "the nineteen nineties, the 'nineties, nineties"),
        ("5% and 50 %", "five percent and fifty percent"),
        ("$1 £2.50 €0.01 $3.00", "one dollar two pounds and fifty pence one cent three dollars"),
        ("$3.5 million", "three point five million dollars"),
        ("3 million of 2 thousand", "three million of two thousand"),
        ("007", "zero zero seven"),
        ("1234567890123456", "one two three four five six seven eight nine zero one two three four five six"),
        ("mp3, B2B and é5", "mp3, B2B and é5"),
        ("10:30, 4.5.6.", "ten:thirty, four point five.six."),
    ],
)
def test_numbers_are_read(text: str, expected: str) -> None:
    assert numbers_read(text) == expected


def test_english_is_lower_with_numbers() -> None:
    assert english("It’s 21 o'clock; I can't!") == "it's twenty one o'clock i can't"
    assert english("2,641 segments") == english("Two thousand, six hundred and forty-one segments")


@pytest.mark.parametrize("name", NORMALISERS)
@settings(deadline=None)
@given(text=st.text() | st.text(alphabet="aB 059.,'-$%é’_\u200b"))
def test_twice_is_once(name: str, text: str) -> None:
    once = NORMALISERS[name](text)
    assert NORMALISERS[name](once) == once
    assert once == " ".join(once.split())


def test_unknown_name() -> None:
    assert normaliser("lower") is lower
    with pytest.raises(ConfigError, match="did you mean 'english'"):
        normaliser("englsh")
