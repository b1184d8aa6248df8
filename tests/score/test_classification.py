"""Accuracy and confusions, against small cases done by hand."""

import pytest

from speecht5_cli.errors import DataError
from speecht5_cli.score.classification import class_scores

REFERENCES = {"1": "anna", "2": "anna", "3": "ben", "4": "ben", "5": "cleo"}
HYPOTHESES = {"1": "anna", "2": "ben", "3": "ben", "4": "anna", "5": "anna"}


def test_accuracy_and_counts() -> None:
    scores = class_scores(REFERENCES, HYPOTHESES)
    assert scores.values == {"accuracy": 40.0}
    assert scores.counts == {"utterances": 5, "right": 2, "classes": 3, "classes never said": 1}
    assert scores.per_utterance and scores.per_utterance["1"] == {"right": 1.0}
    assert scores.per_utterance["2"] == {"right": 0.0}


def test_top_five() -> None:
    nbest = {name: ["x", "y", "z", "w", "ben", "anna"] for name in REFERENCES}
    assert class_scores(REFERENCES, HYPOTHESES, nbest).values == {"accuracy": 40.0, "top5_accuracy": 40.0}


def test_tables() -> None:
    said = {**HYPOTHESES, "6": "anna"}
    lines = [" ".join(line.split()) for line in class_scores({**REFERENCES, "6": "ben"}, said).aligned.splitlines()]
    assert lines[:5] == ["Confusions", "times class taken for", "2 ben anna", "1 anna ben", "1 cleo anna"]
    assert "anna 2 1 4 50.0" in lines  # came twice, right once, said four times
    assert lines[-4:] == ["anna ben cleo", "anna 1 1 .", "ben 2 1 .", "cleo 1 . ."]


def test_class_that_never_came() -> None:
    assert "dora   0           0      1     -" in class_scores({"1": "a"}, {"1": "dora"}).aligned


def test_no_full_table_for_many_classes() -> None:
    many = {str(i): f"c{i}" for i in range(41)}
    shown = class_scores(many, dict(zip(many, reversed(many.values())))).aligned
    assert "Confusion table" not in shown
    assert "Confusions" in shown
    shown = class_scores(many | {str(i): "c0" for i in range(70)}, {str(i): f"x{i}" for i in range(70)}).aligned
    assert "and 20 more" in shown


def test_nothing_to_score() -> None:
    with pytest.raises(DataError, match="nothing to score"):
        class_scores({}, {})
