"""Accuracy, confusions and the equal error rate, against small cases done by hand and a plain search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speecht5_cli.errors import DataError
from speecht5_cli.score.classification import class_scores, equal_error_rate

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


def test_equal_error_rate_by_hand() -> None:
    apart = [(0.1, False), (0.2, False), (0.8, True), (0.9, True)]
    assert equal_error_rate(apart) == (0.0, 0.8)
    assert equal_error_rate([(0.1, True), (0.9, False)])[0] == 100.0
    # One target of four below, one other of four above.
    crossed = [(s, True) for s in (0.3, 0.7, 0.8, 0.9)] + [(s, False) for s in (0.1, 0.2, 0.25, 0.6)]
    assert equal_error_rate(crossed)[0] == 25.0
    # All the same score: accept all or none, so the curve is one line from (0, 1) to (1, 0).
    assert equal_error_rate([(0.5, True), (0.5, True), (0.5, False)])[0] == pytest.approx(50.0)


@pytest.mark.parametrize("trials", [[], [(0.1, True)], [(0.1, False)], [(float("nan"), True), (0.1, False)]])
def test_equal_error_rate_needs_both_kinds(trials: list[tuple[float, bool]]) -> None:
    with pytest.raises(DataError, match="both kinds"):
        equal_error_rate(trials)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.lists(st.integers(0, 20), min_size=1, max_size=30))
def test_equal_error_rate_lies_on_the_curve(same: list[int], other: list[int]) -> None:
    """The rate lies between the two neighbours that a search over all thresholds finds."""
    rate, _ = equal_error_rate([(s, True) for s in same] + [(s, False) for s in other])
    thresholds = np.arange(0, 22)
    misses = np.array([np.mean(np.array(same) < t) for t in thresholds])
    alarms = np.array([np.mean(np.array(other) >= t) for t in thresholds])
    assert 100 * np.max(np.minimum(misses, alarms)) - 1e-9 <= rate <= 100 * np.min(np.maximum(misses, alarms)) + 1e-9
