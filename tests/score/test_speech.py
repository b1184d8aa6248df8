"""Scores of a folder of waves against a data dir: which values come, and from which files."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.speaker_vectors import write_vectors
from speecht5_cli.data.tables import inverted, write_table
from speecht5_cli.errors import DataError
from speecht5_cli.score import cepstrum, enhancement
from speecht5_cli.score.speech import score_speech

RATE = 16_000
IDS = ("ann-bob-1", "ann-bob-2", "bob-ann-1")

pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources")


def speech(seed: int, f0_hz: float) -> np.ndarray:
    """A second of harmonics that come and go."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(RATE) / RATE
    wave = sum(rng.uniform(0.2, 1) / k * np.sin(2 * np.pi * k * f0_hz * time_s) for k in range(1, 20))
    gate = np.repeat(rng.uniform(0, 1, 20) > 0.3, RATE // 20)
    return 0.1 * wave * gate + 0.0005 * rng.normal(size=RATE)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A data dir of three pairs: what came in, what should come out."""
    data = tmp_path / "data"
    for number, name in enumerate(IDS):
        write_audio(data / f"in/{name}.wav", speech(number, 120) + 0.02 * np.random.default_rng(9).normal(size=RATE))
        write_audio(data / f"out/{name}.wav", speech(number, 180))
    write_table(data / "wav.scp", {name: str(data / f"in/{name}.wav") for name in IDS})
    write_table(data / "target.scp", {name: str(data / f"out/{name}.wav") for name in IDS})
    utt2spk = {name: name[:3] for name in IDS}
    write_table(data / "utt2spk", utt2spk)
    write_table(data / "spk2utt", inverted(utt2spk))
    write_table(data / "utt2tgtspk", {name: name[4:7] for name in IDS})
    write_table(data / "text", dict(zip(IDS, ("one two", "three", "four five six"))))
    return data


def hypotheses(folder: Path, change: Callable[[np.ndarray], np.ndarray], *, f0_hz: float = 180) -> Path:
    for number, name in enumerate(IDS):
        write_audio(folder / f"wav/{name}.wav", change(speech(number, f0_hz)))
    write_table(folder / "wav.scp", {name: str(folder / f"wav/{name}.wav") for name in IDS})
    return folder


def test_a_copy_has_the_best_scores_and_the_source_is_scored_beside_it(pairs: Path, tmp_path: Path) -> None:
    scores = score_speech(hypotheses(tmp_path / "hyp", lambda wave: wave), pairs, references="target.scp")
    assert scores.values["mel_mcd"] == 0
    assert scores.values["mel_mcd_source"] > 3
    assert scores.values["duration_ratio"] == 1
    assert scores.counts == {"utterances": 3}
    assert not {"stoi", "si_sdr", "wer", "similarity", "stopped_by_length"} & scores.values.keys()
    if cepstrum.world_is_here():
        assert (scores.values["mcd"], scores.values["vuv_error"], scores.values["log_f0_rmse"]) == (0, 0, 0)
        assert scores.values["mcd_source"] > 2
        assert "order 24, alpha 0.41, 0th left out" in scores.settings["mcd"]
    assert set(scores.per_utterance or {}) == set(IDS)
    assert "ann" in scores.aligned


def test_recordings_of_the_texts_speaker_have_no_source(pairs: Path, tmp_path: Path) -> None:
    hyp = hypotheses(tmp_path / "hyp", lambda wave: wave[: RATE // 2], f0_hz=120)
    scores = score_speech(hyp, pairs, references="wav.scp")
    assert scores.values["duration_ratio"] == 0.5
    assert not [name for name in scores.values if name.endswith(("_source", "_noisy", "_gain"))]


def test_aligned_pairs_are_compared_sample_by_sample(pairs: Path, tmp_path: Path) -> None:
    write_table(pairs / "utt2snr", dict(zip(IDS, ("10", "5", "10"))))
    late = hypotheses(tmp_path / "hyp", lambda wave: np.concatenate([np.zeros(160), wave]))
    scores = score_speech(late, pairs, references="target.scp", aligned=True)
    assert scores.values["lag_ms"] == pytest.approx(10, abs=0.5)
    assert scores.values["stoi"] > 0.99
    assert scores.values["stoi_gain"] == pytest.approx(scores.values["stoi"] - scores.values["stoi_noisy"])
    assert scores.values["stoi_gain"] > 0
    assert scores.values["si_sdr"] < 0 < scores.values["si_sdr_shifted"]
    assert ("pesq_noisy" in scores.values) == enhancement.pesq_is_here()
    rows = {line.split()[0]: line.split()[1:] for line in scores.aligned.partition("SNR")[2].splitlines()[1:]}
    assert rows["utterances"] == ["1", "2"]
    assert {"stoi", "stoi_noisy"} <= rows.keys()
    by_snr = (scores.parts or {})["SNR in dB"]
    assert list(by_snr) == ["5", "10"]
    assert by_snr["5"]["stoi"] == (scores.per_utterance or {})[IDS[1]]["stoi"]


def test_what_models_found_is_read_from_beside_the_waves(pairs: Path, tmp_path: Path) -> None:
    hyp = hypotheses(tmp_path / "hyp", lambda wave: wave)
    write_table(hyp / "asr/text", dict(zip(IDS, ("one two", "tree", "four 5 six"))))
    write_table(hyp / "asr_noisy/text", dict(zip(IDS, ("one", "tree", "for fife six"))))
    ann, bob = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    write_vectors(hyp, "xvector", dict(zip(IDS, (bob, ann, ann))))
    write_vectors(pairs, "spk_xvector", {"ann": ann, "bob": bob})
    ends = zip(IDS, ("length", "threshold", "threshold"))
    lines = [json.dumps({"id": name, "wav": f"wav/{name}.wav", "stopped": end}) for name, end in ends]
    (hyp / "hyp.jsonl").write_text("\n".join(lines) + "\n")
    scores = score_speech(hyp, pairs, references="target.scp")
    expected = {
        "wer": 200 / 6,
        "wer_english": 100 / 6,
        "wer_noisy": 400 / 6,
        "wer_gain": 200 / 6,
        "similarity": 2 / 3,
        "similarity_source": 1 / 3,
        "nearer_to_target": 200 / 3,
        "voice_named": 200 / 3,
        "stopped_by_length": 100 / 3,
    }
    assert {name: scores.values[name] for name in expected} == pytest.approx(expected)
    assert "read by an unnamed recogniser" in scores.settings["wer_noisy"]
    assert "tree" in scores.aligned
    assert (scores.per_utterance or {})[IDS[1]]["errors_noisy"] == 1


def test_without_optional_packages_it_says_what_is_missing(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cepstrum, "world_is_here", lambda: False)
    monkeypatch.setattr(enhancement, "pesq_is_here", lambda: False)
    hyp = hypotheses(tmp_path / "hyp", lambda wave: wave)
    scores = score_speech(hyp, pairs, references="target.scp", aligned=True)
    assert not {"mcd", "pesq"} & scores.values.keys()
    assert "speecht5[world]" in scores.settings["mcd, log_f0_rmse, vuv_error"]
    assert "speecht5[pesq]" in scores.settings["pesq"]


def test_other_utterances_are_refused(pairs: Path, tmp_path: Path) -> None:
    hyp = hypotheses(tmp_path / "hyp", lambda wave: wave)
    write_table(hyp / "asr/text", {IDS[0]: "one two"})
    with pytest.raises(DataError, match=r"asr.text: no hypothesis for 2 of 3"):
        score_speech(hyp, pairs, references="target.scp")
    write_table(hyp / "wav.scp", {IDS[0]: str(hyp / f"wav/{IDS[0]}.wav")})
    with pytest.raises(DataError, match=r"wav\.scp: no hypothesis for 2 of 3"):
        score_speech(hyp, pairs, references="target.scp")


def test_processes_change_nothing(pairs: Path, tmp_path: Path) -> None:
    hyp = hypotheses(tmp_path / "hyp", lambda wave: 0.5 * wave)
    alone, shared_out = (score_speech(hyp, pairs, references="target.scp", nj=nj) for nj in (1, 2))
    assert alone.values == pytest.approx(shared_out.values, rel=1e-6)  # sums of other numbers of threads


def test_the_shortest_speech_is_scored(pairs: Path, tmp_path: Path) -> None:
    hyp = hypotheses(tmp_path / "hyp", lambda wave: wave[:512])
    scores = score_speech(hyp, pairs, references="target.scp", aligned=True)
    assert scores.values["duration_ratio"] == pytest.approx(512 / RATE)
    assert scores.values["mel_mcd"] > 0


def test_a_judge_can_read_a_folder_of_waves_as_it_is(pairs: Path, tmp_path: Path) -> None:
    """Hypotheses have no utt2spk; decoding them must not need one."""
    from speecht5_cli.data.rows import UtteranceRows

    rows = UtteranceRows([hypotheses(tmp_path / "hyp", lambda wave: wave)], ["wav.scp"])
    assert [rows.id(number) for number in range(len(rows))] == list(IDS)
    assert rows.costs.tolist() == [1.0, 1.0, 1.0]
