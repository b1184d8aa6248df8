"""The folder of hypotheses: what is written is read back, and every utterance has exactly one hypothesis."""

import json
from pathlib import Path

import numpy as np
import pytest

from speecht5_cli.data.audio import read_audio
from speecht5_cli.data.hypotheses import (
    Decoding,
    Output,
    read_decoding,
    read_hypotheses,
    read_values,
    write_hypotheses,
)
from speecht5_cli.errors import ConfigError, DataError
from speecht5_cli.plugins import Hypothesis

TEXTS = [
    Hypothesis("b-1", "zwei  Wörter", -1.5, "eos", nbest=(("zwei Wörter", -1.5), ("zwei", -2.0))),
    Hypothesis("a-1", "", -0.5, "length", details={"frames": np.arange(2), "ctc": np.float32(0.5)}),
    Hypothesis("a-2", "one", float("-inf")),
]
IDS = ["a-1", "a-2", "b-1"]


def decoding(output: Output = "text", **kwargs: object) -> Decoding:
    values = {"task": "asr", "model": "exp/asr", "data": "data/test", "settings": {"beam": 5}} | kwargs
    return Decoding(output=output, audio_s=20.0, work_s=5.0, **values)  # type: ignore[arg-type]


def test_texts_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "test"
    write_hypotheses(folder, TEXTS, decoding(), utterances=IDS)
    assert (folder / "text").read_text(encoding="utf-8") == "a-1\na-2 one\nb-1 zwei Wörter\n"
    assert read_values(folder, "text", IDS) == {"a-1": "", "a-2": "one", "b-1": "zwei Wörter"}
    found = read_hypotheses(folder)
    assert list(found) == IDS
    assert found["b-1"] == TEXTS[0]
    assert found["a-1"].details == {"frames": [0, 1], "ctc": 0.5}
    assert np.isnan(found["a-2"].score)  # JSON has no infinity


def test_lines_are_strict_json(tmp_path: Path) -> None:
    write_hypotheses(tmp_path / "test", TEXTS, decoding(), utterances=IDS)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    lines = (tmp_path / "test/hyp.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line, parse_constant=refuse) for line in lines]
    assert [item["id"] for item in items] == IDS
    assert items[2]["nbest"][1] == {"text": "zwei", "score": -2.0}


def test_decode_json_says_how_it_was_made(tmp_path: Path) -> None:
    written = write_hypotheses(tmp_path / "test", TEXTS, decoding(), utterances=IDS)
    read = read_decoding(tmp_path / "test")
    assert read == written
    assert (read.n_utterances, read.rtf, read.settings) == (3, 0.25, {"beam": 5})
    assert read.stopped == {"eos": 1, "length": 1, "unstated": 1}
    assert read.command.startswith("speecht5")


def test_no_audio_no_rtf(tmp_path: Path) -> None:
    silent = Decoding(task="t", output="text", model="m", data="d", settings={}, audio_s=0.0, work_s=1.0)
    assert write_hypotheses(tmp_path / "x", [], silent, utterances=[]).rtf is None


@pytest.mark.parametrize(
    ("hypotheses", "message"),
    [
        (TEXTS[:2], "no hypothesis for 1 of 3 utterances .a-2."),
        ([*TEXTS, TEXTS[0]], "'b-1' is there twice"),
        ([*TEXTS, Hypothesis("c", "")], "'c' is no utterance of data/test"),
    ],
)
def test_one_hypothesis_each(tmp_path: Path, hypotheses: list[Hypothesis], message: str) -> None:
    folder = tmp_path / "test"
    write_hypotheses(folder, TEXTS, decoding(), utterances=IDS)
    before = (folder / "hyp.jsonl").read_bytes()
    with pytest.raises(DataError, match=message):
        write_hypotheses(folder, hypotheses, decoding(), utterances=IDS)
    assert (folder / "hyp.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["test"]


def test_old_scores_do_not_survive(tmp_path: Path) -> None:
    write_hypotheses(tmp_path / "test", TEXTS, decoding(), utterances=IDS)
    (tmp_path / "test/scores.json").write_text("{}")
    write_hypotheses(tmp_path / "test", TEXTS, decoding(), utterances=IDS)
    assert not (tmp_path / "test/scores.json").exists()


def test_labels(tmp_path: Path) -> None:
    said = [Hypothesis("u1", "id10001", -0.1, nbest=(("id10001", -0.1), ("id10002", float("-inf"))))]
    write_hypotheses(tmp_path / "test", said, decoding("label"), utterances=["u1"])
    assert (tmp_path / "test/utt2label").read_text() == "u1 id10001\n"
    assert read_values(tmp_path / "test", "label", ["u1"]) == {"u1": "id10001"}
    assert [name for name, _ in read_hypotheses(tmp_path / "test")["u1"].nbest] == ["id10001", "id10002"]


def test_speech_of_waves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wave = np.linspace(-0.5, 0.5, 1600, dtype=np.float32)
    folder = Path("exp/vc/decode/test")
    write_hypotheses(
        folder, [Hypothesis("a/1%", wave), Hypothesis("b", wave)], decoding("speech"), utterances=["a/1%", "b"]
    )
    assert (folder / "wav.scp").read_text().splitlines()[1] == "b exp/vc/decode/test/wav/b.wav"
    for place in (tmp_path, Path("/")):
        monkeypatch.chdir(place)
        sources = read_values(tmp_path / folder, "speech", ["a/1%", "b"])
        assert np.allclose(read_audio(sources["a/1%"]), wave, atol=1e-4)
    assert read_hypotheses(tmp_path / folder)["b"].value == tmp_path / folder / "wav/b.wav"


def test_no_id_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder, name = tmp_path / "exp/test", "../../../a"
    write_hypotheses(folder, [Hypothesis(name, np.zeros(10))], decoding("speech"), utterances=[name])
    assert [path.name for path in (folder / "wav").iterdir()] == ["..%2F..%2F..%2Fa.wav"]


def test_speech_of_another_kind_is_written_by_the_caller(tmp_path: Path) -> None:
    def save(hypothesis: Hypothesis, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(hypothesis.value)

    folder = tmp_path / "test"
    write_hypotheses(folder, [Hypothesis("b", "mel")], decoding("speech"), utterances=["b"], write_speech=save)
    assert Path(read_values(folder, "speech", ["b"])["b"]).read_text() == "mel"


def test_values_need_the_same_utterances(tmp_path: Path) -> None:
    write_hypotheses(tmp_path / "test", TEXTS, decoding(), utterances=IDS)
    with pytest.raises(DataError, match=r"no hypothesis for 1 of 4 utterances \(z\)"):
        read_values(tmp_path / "test", "text", [*IDS, "z"])
    with pytest.raises(DataError, match=r"no reference, for 2 of 1 utterances \(a-2, b-1\)"):
        read_values(tmp_path / "test", "text", ["a-1"])


def test_many_ids_are_cut(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\(0, 1, 2, 3, 4, \.\.\.\)"):
        write_hypotheses(tmp_path / "test", [], decoding(), utterances=map(str, range(9)))


@pytest.mark.parametrize("line", ['{"id": "a"}', "[1]", "3", '{"text": "x"}', "{"])
def test_broken_lines_are_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "hyp.jsonl").write_text(f'{{"id": "u", "text": ""}}\n{line}\n')
    with pytest.raises(DataError, match=r"hyp\.jsonl:2"):
        read_hypotheses(tmp_path)


def test_double_lines_are_named(tmp_path: Path) -> None:
    (tmp_path / "hyp.jsonl").write_text('{"id": "u", "text": ""}\n' * 2)
    with pytest.raises(DataError, match=r"hyp\.jsonl:2: 'u'"):
        read_hypotheses(tmp_path)


def test_decode_json_missing_or_broken(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--task"):
        read_decoding(tmp_path)
    (tmp_path / "decode.json").write_text("{")
    with pytest.raises(DataError, match="JSON"):
        read_decoding(tmp_path)
    (tmp_path / "decode.json").write_text('{"task": "asr"}')
    with pytest.raises(ConfigError, match="output"):
        read_decoding(tmp_path)
