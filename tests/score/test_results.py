"""scores.json, scores.txt and RESULTS.md: what is written, what is kept, and that no path of the machine gets in."""

import platform
from pathlib import Path

import pytest

from speecht5_cli.errors import DataError
from speecht5_cli.plugins import Scores
from speecht5_cli.score.page import MARKER, environment, portable, write_page
from speecht5_cli.score.results import decoded_sets, names, read_scores, write_scores

SCORES = Scores(
    values={"wer": 12.34567, "cer": float("nan")},
    settings={"wer": "per cent | jiwer"},
    aligned="REF: a\nHYP: b\n",
    per_utterance={"u1": {"words": 3, "errors": float("inf")}},
    counts={"utterances": 2, "words": 30},
)


def scored(folder: Path, scores: Scores = SCORES, *, task: str = "asr", **decoded: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "decode.json").write_text("{}")
    write_scores(folder, scores, task=task, reference="data/test", command="speecht5 score", decoded=decoded)
    return folder


def test_scores_come_back(tmp_path: Path) -> None:
    folder = scored(tmp_path / "test", command="speecht5 decode", rtf=0.5)
    result = read_scores(folder)
    assert result.values == {"wer": 12.3457, "cer": None}
    assert result.counts == {"utterances": 2, "words": 30}
    assert result.per_utterance == {"u1": {"words": 3.0, "errors": None}}
    assert (result.task, result.command, result.decoded["rtf"]) == ("asr", "speecht5 score", 0.5)
    assert "NaN" not in (folder / "scores.json").read_text()


def test_text_for_people(tmp_path: Path) -> None:
    text = (scored(tmp_path / "test") / "scores.txt").read_text()
    assert text.startswith("asr, compared with data/test\n\nwer              12.35\ncer                  -\n")
    assert "utterances           2\n" in text
    assert text.endswith("\nwer: per cent | jiwer\n\nREF: a\nHYP: b\n")


def test_missing_or_broken_scores(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_scores(tmp_path)
    (tmp_path / "scores.json").write_text("{")
    with pytest.raises(DataError, match="JSON"):
        read_scores(tmp_path)


def test_decoded_sets_have_a_record_and_no_hidden_name(tmp_path: Path) -> None:
    for name in ("test", "dev", ".test.tmp"):
        (tmp_path / "asr/decode" / name).mkdir(parents=True)
        (tmp_path / "asr/decode" / name / "decode.json").touch()
    (tmp_path / "asr/decode/empty").mkdir()
    assert [folder.name for folder in decoded_sets([tmp_path / "asr", tmp_path / "no"])] == ["dev", "test"]


def test_names_keep_their_order() -> None:
    assert names([{"b": 1, "a": 1}, {"c": 1, "a": 1}]) == ["b", "a", "c"]


def page_of(recipe: Path) -> str:
    folders = decoded_sets(sorted((recipe / "exp").glob("*")))
    return write_page(recipe, folders).read_text(encoding="utf-8")


def test_page(tmp_path: Path) -> None:
    command = f"speecht5 decode --task asr --data {tmp_path}/data/test --model /elsewhere/exp/m data.x=/a/b"
    for name in ("dev", "test"):
        scored(tmp_path / "exp/asr/decode" / name, command=command, rtf=0.25)
    (tmp_path / "exp/asr/config.yaml").write_text("name: asr\n")
    scored(tmp_path / "exp/sid/decode/test", Scores({"accuracy": 99.0}, {"accuracy": "top 1"}), task="sid")
    page = page_of(tmp_path)
    assert page.startswith(f"# Results of {tmp_path.name}\n\n{MARKER}\n")
    assert page.index("## asr") < page.index("## sid")
    assert "| experiment | set | wer | cer | utterances | words | RTF | config |\n" in page
    rows = [line for line in page.splitlines() if line.startswith("| exp/asr | dev |")]
    assert len(rows) == 1 and rows[0].startswith("| exp/asr | dev | 12.35 | - | 2 | 30 | 0.25 | `")
    assert "| exp/sid | test | 99.00 | - | `missing` |" in page
    said = "`speecht5 decode --task asr --data data/test --model .../m data.x=.../b`"
    assert f"\n- {said}\n" in page  # said once, for all sets of the task
    assert "\n- accuracy: top 1\n" in page
    assert str(tmp_path) not in page and "/elsewhere" not in page
    assert f"- python: {platform.python_version()}\n" in page


def test_parts_of_a_set_have_a_table_of_their_own(tmp_path: Path) -> None:
    by_snr = {"0": {"utterances": 2, "wer": 50.0}, "5": {"utterances": 1, "wer": 20.0, "stoi": float("nan")}}
    scored(tmp_path / "exp/se/decode/test", Scores({"wer": 40.0}, {}, parts={"SNR in dB": by_snr}), task="se")
    scored(tmp_path / "exp/se2/decode/test", Scores({"wer": 30.0}, {}), task="se")
    page = page_of(tmp_path)
    expected = [
        "exp/se on test, by SNR in dB",
        "",
        "| SNR in dB | wer | stoi | utterances |",
        "| :-- | --: | --: | --: |",
        "| 0 | 50.00 | - | 2 |",
        "| 5 | 20.00 | - | 1 |",
    ]
    assert "\n\n" + "\n".join(expected) + "\n\nDecoded by\n" in page


def test_sets_that_differ_are_named(tmp_path: Path) -> None:
    scored(tmp_path / "exp/asr/decode/dev", command="speecht5 decode --task asr")
    scored(tmp_path / "exp/asr/decode/test", Scores({"wer": 1.0}, {"wer": "by hand"}), command="speecht5 decode beam=1")
    page = page_of(tmp_path)
    assert "- exp/asr dev: `speecht5 decode --task asr`\n- exp/asr test: `speecht5 decode beam=1`\n" in page
    assert "- exp/asr dev: wer: per cent | jiwer\n- exp/asr test: wer: by hand\n" in page


def test_config_hash_follows_the_configuration(tmp_path: Path) -> None:
    scored(tmp_path / "exp/asr/decode/test")
    (tmp_path / "exp/asr/config.yaml").write_text("a: 1\n")
    first = page_of(tmp_path)
    (tmp_path / "exp/asr/config.yaml").write_text("a: 2\n")
    assert page_of(tmp_path) != first
    (tmp_path / "exp/asr/config.yaml").write_text("a: 1\n")
    assert page_of(tmp_path) == first


def test_hand_written_part_survives(tmp_path: Path) -> None:
    scored(tmp_path / "exp/asr/decode/test")
    (tmp_path / "RESULTS.md").write_text("# Mine\n\nTrained for three days.\n")
    first = page_of(tmp_path)
    assert first.startswith(f"# Mine\n\nTrained for three days.\n\n{MARKER}\n")
    assert page_of(tmp_path) == first
    (tmp_path / "RESULTS.md").write_text(first + "\nbelow the marker\n")
    assert page_of(tmp_path) == first


def test_bars_do_not_break_the_table(tmp_path: Path) -> None:
    scored(tmp_path / "exp/a|b/decode/test")
    assert "| exp/a\\|b | test |" in page_of(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--data /recipe/data/test", "--data data/test"),
        ("--data=/recipes/data/test", "--data=.../test"),
        ("train=[/x/a,/x/b]", "train=[.../a,.../b]"),
        ("'/x/a b'", "'.../a b'"),
        ("exp/asr ../data https://host/x", "exp/asr ../data https://host/x"),
    ],
)
def test_paths_are_shortened(text: str, expected: str) -> None:
    assert portable(text, Path("/recipe")) == expected


def test_environment_names_torch_without_importing_it(tmp_path: Path) -> None:
    found = environment(tmp_path)
    assert found["torch"].startswith("2.")
    assert "git" not in found  # no repository there
