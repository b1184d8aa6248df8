"""Text as it is spoken, and long texts in parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speecht5_cli.data.speech_text import READERS, sentences, spoken
from speecht5_cli.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("plain words stay, as they are: fifty-fifty.", "plain words stay, as they are: fifty-fifty."),
        ("MR. SMITH and Mrs Jones", "MISTER SMITH and Missus Jones"),
        ("Dr. Lee vs. Acme Inc.", "Doctor Lee versus Acme Incorporated."),
        ("St. Paul lives on Main St. near 42nd St.", "Saint Paul lives on Main Street near forty second Street."),
        ("cats, dogs, etc. Then, e.g. this", "cats, dogs, et cetera. Then, for example this"),
        ("It costs $3.50, or £5m.", "It costs three dollars and fifty cents, or five million pounds."),
        ("US$1,200 and ¥500", "one thousand two hundred dollars and five hundred yen"),
        ("20% off No. 3 & #4", "twenty percent off Number three and number four"),
        ("on 3/4/2021", "on March fourth, twenty twenty one"),
        ("on 25/12/1999", "on December twenty fifth, nineteen ninety nine"),
        ("on 2020-03-04", "on March fourth, twenty twenty"),
        ("Sept. 3rd, 1984", "September third, nineteen eighty four"),
        ("the 5th of May", "the fifth of May"),
        ("4 March", "the fourth of March"),
        ("May 2021", "May twenty twenty one"),
        ("you may 5 times", "you may five times"),
        ("at 10:05 or 3:00 p.m.", "at ten oh five or three p m."),
        ("15:00, 7:00 and 3pm", "fifteen hundred, seven o'clock and three p m"),
        ("1 km, 21 km/h and -5°C", "one kilometer, twenty one kilometers per hour and minus five degrees Celsius"),
        ("1/2 cup, 3/4, 2½ and 24/7", "one half cup, three quarters, two and one half and twenty four seven"),
        ("pages 10-15, 1990–1995", "pages ten to fifteen, nineteen ninety to nineteen ninety five"),
        ("call 555-1234", "call five five five one two three four"),
        ("version 1.2.3 of mp3, B52", "version one point two point three of mp three, B fifty two"),
        ("the '90s", "the nineties"),
        ("2+2=4, me@home and/or you", "two plus two equals four, me at home and or you"),
        ("“Quoted” text — with dashes", '"Quoted" text, with dashes'),
        ("the 21st, 10,000 and 0.05", "the twenty first, ten thousand and zero point zero five"),
    ],
)
def test_english(written: str, words: str) -> None:
    assert spoken(written) == words
    assert spoken(words) == words


@given(st.text())
def test_no_digit_is_left_and_nothing_fails(text: str) -> None:
    words = spoken(text)
    assert not any(char in "0123456789" for char in words)
    assert words == " ".join(words.split())


def test_other_languages_read_their_numbers() -> None:
    assert spoken("Ich habe 21 Äpfel, Raum 3b", "de") == "Ich habe einundzwanzig Äpfel, Raum 3b"
    assert spoken("3.5", "fr") == "trois virgule cinq"
    assert "en" in READERS
    with pytest.raises(ConfigError, match=r"'xx'.*known: .*, de, "):
        spoken("5", "xx")
    with pytest.raises(ConfigError, match=r"did you mean 'en'"):
        spoken("5", "eng")


def test_a_long_text_is_cut_at_sentences_clauses_words() -> None:
    text = 'J. Smith came. He said: hello there, how are you? "Fine!" she said.'
    assert sentences(text, 200) == [text]
    assert sentences(text, 50) == ["J. Smith came. He said: hello there, how are you?", '"Fine!" she said.']
    assert sentences(text, 48) == ["J. Smith came.", 'He said: hello there, how are you? "Fine!"', "she said."]
    assert sentences(text, 25) == [
        "J. Smith came.",
        "He said: hello there,",
        'how are you? "Fine!"',
        "she said.",
    ]
    assert sentences("one two three four", 9) == ["one two", "three", "four"]
    assert sentences("你好。我很好！谢谢", 5) == ["你好。", "我很好！", "谢谢"]
    assert sentences("at 10:30, 1,000 of them", 10) == ["at 10:30,", "1,000 of", "them"]
    assert sentences(" \n", 10) == []


@given(st.lists(st.text("abc.,;!? ", min_size=1), max_size=20), st.integers(10, 40))
def test_no_word_is_lost(parts: list[str], limit: int) -> None:
    words = " ".join(parts).split()
    if any(len(word) > limit for word in words):
        return
    found = sentences(" ".join(words), limit)
    assert " ".join(found).split() == words
    assert all(0 < len(part) <= limit for part in found)


def test_only_a_word_that_is_too_long_is_an_error() -> None:
    with pytest.raises(DataError, match="has 50 characters; at most 40"):
        sentences("well, " + "a" * 50, 40)
