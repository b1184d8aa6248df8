"""Trials and their equal error rate."""

from pathlib import Path

import numpy as np
import pytest

from speecht5_cli.data.trials import Trials, cosines, equal_error_rate, make_trials, read_trials
from speecht5_cli.errors import DataError


@pytest.mark.parametrize(
    ("targets", "nontargets", "rate"),
    [
        ([0.9, 0.8], [0.2, 0.1], 0.0),
        ([0.1, 0.2], [0.8, 0.9], 1.0),
        ([0.9, 0.6, 0.4, 0.3], [0.5, 0.35, 0.2, 0.1], 0.25),
        ([0.5, 0.5], [0.5, 0.5], 0.5),  # equal scores cannot be told apart
        ([0.9, 0.5], [0.5, 0.1], 0.25),
        ([3.0, 2.0, 0.0], [1.0, -1.0], 1 / 3),  # a third is missed whether a half or none of the others pass
        ([3.0, 0.0], [2.0, 1.0, -1.0], 0.5),
    ],
)
def test_equal_error_rate(targets: list[float], nontargets: list[float], rate: float) -> None:
    scores = np.array([*targets, *nontargets])
    same = np.array([True] * len(targets) + [False] * len(nontargets))
    assert equal_error_rate(scores, same) == pytest.approx(rate)


def test_rate_of_two_bells() -> None:
    rng = np.random.default_rng(0)
    same = np.arange(200_000) % 2 == 0
    scores = rng.standard_normal(len(same)) + 2.0 * same
    assert equal_error_rate(scores, same) == pytest.approx(0.1587, abs=0.003)  # P(z > 1)


def test_a_rate_needs_both_kinds() -> None:
    with pytest.raises(DataError, match="2 trials, 2 of them target"):
        equal_error_rate(np.array([0.1, 0.2]), np.array([True, True]))


def test_all_pairs_when_they_are_few() -> None:
    trials = make_trials({"a-1": "a", "a-2": "a", "b-1": "b"}, np.random.default_rng(0), limit=3)
    pairs = set(zip(trials.first, trials.second, trials.same.tolist()))
    assert pairs == {("a-1", "a-2", True), ("a-1", "b-1", False), ("a-2", "b-1", False)}


def test_a_sample_when_they_are_many() -> None:
    utt2spk = {f"{s}-{i:02d}": s for s, n in (("c", 20), ("a", 12), ("b", 1)) for i in range(n)}
    trials = make_trials(utt2spk, np.random.default_rng(0), limit=400)
    assert trials.same.sum() == 200 and len(trials.same) == 400
    assert [utt2spk[x] == utt2spk[y] for x, y in zip(trials.first, trials.second)] == trials.same.tolist()
    assert all(x != y for x, y in zip(trials.first, trials.second))
    again = make_trials(utt2spk, np.random.default_rng(0), limit=400)
    assert (again.first, again.second) == (trials.first, trials.second)
    of_c = sum(x.startswith("c") for x, same in zip(trials.first, trials.same) if same)
    assert of_c == pytest.approx(200 * 190 / (190 + 66), abs=20)  # pairs, not speakers, are equally likely


def test_one_kind_may_be_missing() -> None:
    trials = make_trials({f"s{i}": f"s{i}" for i in range(20)}, np.random.default_rng(0), limit=10)
    assert len(trials.same) == 5 and not trials.same.any()


def test_trials_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "trials"
    file.write_text("a-1 a-2 target\na-1 b-1 nontarget\n")
    trials = read_trials(file)
    assert (trials.first, trials.second, trials.same.tolist()) == (["a-1", "a-1"], ["a-2", "b-1"], [True, False])
    file.write_text("a-1 a-2 target\na-1 b-1 1\n")
    with pytest.raises(DataError, match="trials:2: expected 'utterance utterance target'"):
        read_trials(file)


def test_cosines() -> None:
    vectors = {"x": np.array([2.0, 0.0]), "y": np.array([3.0, 3.0])}
    trials = Trials(["x", "x"], ["y", "x"], np.array([False, True]))
    np.testing.assert_allclose(cosines(trials, vectors), [np.sqrt(0.5), 1.0])
    with pytest.raises(DataError, match="'z' has no vector"):
        cosines(Trials(["x"], ["z"], np.array([True])), vectors)
