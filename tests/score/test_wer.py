"""Word and character error rates: counted as sclite counts, shown as sclite shows, on the reference as it stands."""

import csv
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speecht5_cli.errors import ConfigError, DataError
from speecht5_cli.score.alignment import Counts, align, aligned_text, summary_table
from speecht5_cli.score.wer import error_rates

sys.path.insert(0, str(Path(__file__).parent))
from sclite_pairs import TABLE, find_sclite, made_pairs, sclite_counts

REFERENCES = {"a-1": "the cat sat on the mat", "a-2": "a b c d e", "b-1": "Hello, world", "b-2": ""}
HYPOTHESES = {"a-1": "the cat sit on a the mat", "a-2": "a b d e f", "b-1": "hello world", "b-2": "extra words"}
UTT2SPK = {name: name[0] for name in REFERENCES}

SCLITE = find_sclite()


def summed(alignments: dict) -> Counts:
    return sum((alignment.counts() for alignment in alignments.values()), Counts())


def test_stored_sclite_counts() -> None:
    """200 pairs with errors of about 15 %; sclite_pairs.py says how they and sclite's counts were made.

    Every utterance has as many errors as in sclite. In a few, sclite says `one deleted, one inserted` where the least
    number of edits can as well be two substitutions (its weights are 4 for S and 3 for D and I).
    """
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    ours = align({row["id"]: row["ref"] for row in rows}, {row["id"]: row["hyp"] for row in rows}, "word")
    assert len(rows) == 200
    for row in rows:
        counts = ours[row["id"]].counts()
        assert counts.n_errors == int(row["sub"]) + int(row["del"]) + int(row["ins"]), row["id"]
        assert counts.n_tokens == int(row["correct"]) + int(row["sub"]) + int(row["del"]), row["id"]
    same_kinds = [row for row in rows if ours[row["id"]].counts().n_substituted == int(row["sub"])]
    assert len(same_kinds) >= 190
    total = summed(ours)
    assert 0.14 < total.n_errors / total.n_tokens < 0.17


@pytest.mark.skipif(SCLITE is None, reason="sclite is not installed (Debian package sctk)")
def test_sclite_itself() -> None:
    assert SCLITE
    pairs = made_pairs(random.Random(11))
    theirs = sclite_counts(SCLITE, pairs)
    ours = align({name: ref for name, ref, _ in pairs}, {name: hyp for name, _, hyp in pairs}, "word")
    for name, (_, n_substituted, n_deleted, n_inserted) in theirs.items():
        assert ours[name].counts().n_errors == n_substituted + n_deleted + n_inserted, name


def test_counts_and_rates() -> None:
    scores = error_rates(REFERENCES, HYPOTHESES, UTT2SPK, normalise="lower")
    assert scores.counts == {
        "utterances": 4,
        "words": 13,
        "correct": 10,
        "substitutions": 2,
        "deletions": 1,
        "insertions": 4,
        "empty references": 1,
    }
    assert scores.values["wer"] == pytest.approx(100 * 7 / 13)
    assert scores.values["wer_lower"] == pytest.approx(100 * 6 / 13)
    assert scores.values["ser"] == 100.0
    assert scores.per_utterance == {
        "a-1": {"words": 6, "errors": 2},
        "a-2": {"words": 5, "errors": 2},
        "b-1": {"words": 2, "errors": 1},
        "b-2": {"words": 0, "errors": 2},
    }
    assert "jiwer" in scores.settings["wer"]
    assert "lower case" in scores.settings["wer_lower"]


def test_without_normaliser_only_raw() -> None:
    scores = error_rates(REFERENCES, HYPOTHESES, UTT2SPK, normalise="none")
    assert list(scores.values) == ["wer", "cer", "ser"]
    assert "normalised" not in scores.aligned


def test_characters_count_the_blank() -> None:
    """ESPnet and jiwer do so: joining two words is one error in five characters."""
    scores = error_rates({"u": "ab  cd"}, {"u": "abcd "}, {"u": "u"}, normalise="none")
    assert scores.values["cer"] == pytest.approx(100 / 5)
    assert scores.values["wer"] == pytest.approx(100)


def test_reference_is_taken_as_it_stands() -> None:
    """Symbols that no vocabulary holds are compared like any other."""
    odd = {"u": "naïve 🙂 <unk> \u00e9"}
    assert error_rates(odd, odd, {"u": "u"}, normalise="none").values["wer"] == 0
    assert error_rates(odd, {"u": "naïve <unk> <unk> \u00e9"}, {"u": "u"}, normalise="none").values["wer"] == 25


def test_no_words_at_all() -> None:
    with pytest.raises(DataError, match="hold no word"):
        error_rates({"u": ""}, {"u": "x"}, {"u": "u"}, normalise="none")
    with pytest.raises(ConfigError, match="no text normaliser"):
        error_rates({"u": "x"}, {"u": "x"}, {"u": "u"}, normalise="loud")


def test_aligned_text() -> None:
    shown = aligned_text(align(REFERENCES, HYPOTHESES, "word"))
    assert "id: (a-1)\nScores: (#C #S #D #I) 5 1 0 1\n" in shown
    assert "REF:  the cat sat on * the mat\nHYP:  the cat sit on a the mat\nEval:         S      I\n" in shown
    assert "REF:  ***** *****\nHYP:  extra words\nEval: I     I\n" in shown


def test_wide_characters_stay_in_their_columns() -> None:
    shown = aligned_text(align({"u": "你好 a b"}, {"u": "x a c"}, "word")).splitlines()
    assert shown[2:] == ["REF:  你好 a b", "HYP:  x    a c", "Eval: S      S"]


def test_summary_has_speakers_and_sum() -> None:
    table = summary_table("title", {"a": Counts(2, 9, 1, 1, 2, 2), "bbbbbbbbb": Counts(1, 0, 0, 0, 2, 1)}, "word")
    lines = [" ".join(line.split()) for line in table.splitlines()]
    assert len({len(line) for line in table.splitlines()[1:]}) == 1
    assert lines[2] == "| SPKR | # Snt # Wrd | Corr Sub Del Ins Err S.Err |"
    assert lines[4] == "| a | 2 11 | 81.8 9.1 9.1 18.2 36.4 100.0 |"
    assert lines[5] == "| bbbbbbbbb | 1 0 | - - - - - 100.0 |"
    assert lines[7] == "| Sum/Avg | 3 11 | 81.8 9.1 9.1 36.4 54.5 100.0 |"
    assert lines[-2] == "| Sum | 3 11 | 9 1 1 4 6 3 |"


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_alignment_spells_both_texts(reference: list[str], said: list[str]) -> None:
    alignment = align({"u": " ".join(reference)}, {"u": " ".join(said)}, "word")["u"]
    assert [left for left, _ in alignment.columns if left is not None] == reference
    assert [right for _, right in alignment.columns if right is not None] == said
    assert alignment.counts().n_errors <= max(len(reference), len(said))
