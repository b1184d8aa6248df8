"""BLEU and chrF are sacreBLEU's, with its signatures: the same as its own command prints."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from speecht5_cli.errors import DataError
from speecht5_cli.score.bleu import translation_scores

REFERENCES = {
    "a-1": "Das ist, wie ich finde, ein sehr gutes Beispiel.",
    "a-2": "Wir haben 3,5 Millionen Menschen gefragt - und keiner wusste es!",
    "a-3": "Vielen Dank.",
    "b-1": "Es gibt keinen Grund, daran zu zweifeln, dass sie kommt.",
    "b-2": "Er sagte: „Nein“, und ging.",
}
HYPOTHESES = {
    "b-2": "Er sagte: „Nein“ und ging.",
    "b-1": "Es gibt keinen Grund daran zu zweifeln, daß sie kommen wird.",
    "a-3": "",
    "a-2": "Wir haben 3,5 Millionen menschen gefragt und niemand wusste es.",
    "a-1": "Das ist, wie ich finde, ein sehr gutes Beispiel dafür.",
}


def test_equal_to_the_command(tmp_path: Path) -> None:
    (tmp_path / "ref").write_text("".join(f"{text}\n" for text in REFERENCES.values()), encoding="utf-8")
    (tmp_path / "hyp").write_text("".join(f"{HYPOTHESES[name]}\n" for name in REFERENCES), encoding="utf-8")
    command = [Path(sys.executable).parent / "sacrebleu", tmp_path / "ref", "-i", tmp_path / "hyp"]
    done = subprocess.run([*command, "-m", "bleu", "chrf", "-w", "6"], capture_output=True, text=True, check=True)
    theirs = {item["name"].lower().rstrip("2"): item for item in json.loads(done.stdout)}
    ours = translation_scores(REFERENCES, HYPOTHESES)
    for name in ("bleu", "chrf"):
        assert ours.values[name] == pytest.approx(theirs[name]["score"], abs=1e-6)
        assert ours.settings[name] == theirs[name]["signature"]
    assert 10 < ours.values["bleu"] < 90


def test_case_counts() -> None:
    loud = {name: text.upper() for name, text in REFERENCES.items()}
    assert translation_scores(REFERENCES, REFERENCES).values["bleu"] == pytest.approx(100)
    assert translation_scores(REFERENCES, loud).values["bleu"] < 20
    assert "case:mixed" in translation_scores(REFERENCES, loud).settings["bleu"]


def test_counts_and_lines() -> None:
    scores = translation_scores(REFERENCES, HYPOTHESES, source={"a-3": "Thank you."})
    assert scores.counts and scores.counts["utterances"] == 5 and scores.counts["empty hypotheses"] == 1
    assert "id: (a-3)\nScores: BLEU 0.0  chrF 0.0\nSRC:  Thank you.\nREF:  Vielen Dank.\nHYP:\n" in scores.aligned
    assert scores.per_utterance and scores.per_utterance["a-1"]["bleu"] > 50


def test_nothing_to_score() -> None:
    with pytest.raises(DataError, match="nothing to score"):
        translation_scores({}, {})
