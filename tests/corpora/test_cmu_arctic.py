"""CMU ARCTIC's layout: the reference tree, the split, and oddities one by one."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from speecht5_cli.corpora.cmu_arctic import PROMPTS, SPLITS, prepare
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.writer import DataDirReport
from speecht5_cli.errors import DataError, UsageError

WriteSound = Callable[..., Path]


def rejected(report: DataDirReport) -> dict[str, str]:
    return {item.id: item.reason for item in report.rejected}


def test_the_good_tree_loads_without_complaint(shared: Path, tmp_path: Path, accepted: Callable) -> None:
    tree = shared / "data" / "trees" / "cmu_arctic"
    expected = json.loads((tree / "expected.json").read_text())["good"]["counts"]
    pairs, recordings = prepare(tree / "good", tmp_path, speakers="all")
    assert (pairs.out.name, recordings.out.name) == ("train", "speech_train")  # nothing of dev and test is in the tree
    assert pairs.rejected == recordings.rejected == ()
    assert accepted(pairs.out, recordings.out)
    assert recordings.n_kept == expected["utterances_total"]
    assert Counter(DataDir(recordings.out).table("utt2spk").values()) == expected["utterances"]
    data = DataDir(pairs.out)
    found = Counter((data.table("utt2spk")[name], data.table("utt2tgtspk")[name]) for name in data.utterances)
    assert (len(found), found.total()) == (
        expected["ordered_pairs_with_data"],
        expected["parallel_items_over_ordered_pairs"],
    )
    for pair, number in expected["parallel_utterances_per_pair"].items():
        one, other = pair.split("-")
        assert found[one, other] == found[other, one] == number
    assert prepare(tree / "good", tmp_path)[0].n_kept == expected["bdl_clb_rms_slt_all_ordered_pairs_items"]


def test_the_split_goes_by_the_prompt_table() -> None:
    assert {split: (len(prompts), prompts[0], prompts[-1]) for split, prompts in SPLITS.items()} == {
        "train": (932, "arctic_a0001", "arctic_b0339"),
        "dev": (100, "arctic_b0340", "arctic_b0439"),
        "test": (100, "arctic_b0440", "arctic_b0539"),
    }
    assert sorted(PROMPTS) == PROMPTS and len(set(PROMPTS)) == 1132


@pytest.fixture
def corpus(tmp_path: Path, write_sound: WriteSound) -> Path:
    """Two speakers who read a prompt or two of each split."""
    for speaker in ("clb", "slt"):
        folder = tmp_path / f"cmu_us_{speaker}_arctic"
        prompts = ("arctic_a0001", "arctic_b0339", "arctic_b0340", "arctic_b0440", "arctic_b0539")
        for prompt in prompts:
            write_sound(folder / "wav" / f"{prompt}.wav")
        (folder / "etc").mkdir()
        lines = [f'( {prompt} "Prompt {prompt[7:]}, of {len(prompts)}." )\n' for prompt in prompts]
        (folder / "etc" / "txt.done.data").write_text("".join(lines))
    return tmp_path


def prompts_of(corpus: Path, speaker: str = "slt") -> Path:
    return corpus / f"cmu_us_{speaker}_arctic" / "etc" / "txt.done.data"


def test_pairs_of_all_splits(corpus: Path, accepted: Callable) -> None:
    reports = {report.out.name: report for report in prepare(corpus, corpus / "data", speakers="slt, clb")}
    assert {name: report.n_kept for name, report in reports.items()} == {
        "train": 4,
        "dev": 2,
        "test": 4,
        "speech_train": 4,
        "speech_dev": 2,
        "speech_test": 4,
    }
    test = DataDir(corpus / "data" / "test")
    row = "clb-slt-arctic_b0440"
    values = [test.table(name)[row] for name in ("utt2spk", "utt2tgtspk", "text")]
    assert values == ["clb", "slt", "Prompt b0440, of 5."]
    assert test.table("wav.scp")[row].endswith("clb_arctic/wav/arctic_b0440.wav")
    assert test.table("target.scp")[row].endswith("slt_arctic/wav/arctic_b0440.wav")
    assert reports["test"].remarks == ("4 pairs are here, 200 were published; is all of it unpacked?",)
    assert accepted(*(report.out for report in reports.values()))


def test_test_sets_of_single_pairs(corpus: Path, accepted: Callable) -> None:
    """The paper reports bdl to slt and clb to slt, not the mean of all pairs."""
    reports = {report.out.name: report for report in prepare(corpus, corpus / "data", speakers="all")}
    assert "test_clb_slt" not in reports
    words = {"speakers": "all", "test_pairs": "clb-slt, slt-clb"}
    reports = {report.out.name: report for report in prepare(corpus, corpus / "data", **words)}
    assert DataDir(reports["test_clb_slt"].out).utterances == ["clb-slt-arctic_b0440", "clb-slt-arctic_b0539"]
    assert reports["test_slt_clb"].remarks[0].startswith("2 pairs are here, 100 were published")
    assert len(reports) == 8 and accepted(reports["test_clb_slt"].out)
    for wrong in ("clb", "clb-clb", "clb-bdl"):
        with pytest.raises(UsageError, match=f"'{wrong}' is no pair, such as bdl-slt, of clb, slt"):
            prepare(corpus, corpus / "data", speakers="all", test_pairs=wrong)


def test_what_one_speaker_lacks(corpus: Path) -> None:
    """The others' split does not move, and the fault is said once, not for every pair."""
    (corpus / "cmu_us_slt_arctic" / "wav" / "arctic_b0440.wav").unlink()
    train, _, test, *_ = prepare(corpus, corpus / "data", speakers="all")
    assert DataDir(test.out).utterances == ["clb-slt-arctic_b0539", "slt-clb-arctic_b0539"]
    assert rejected(test) == {"slt-arctic_b0440": "no audio file: its prompt is there"}
    assert train.rejected == ()


def test_recordings_without_a_prompt(corpus: Path, write_sound: WriteSound) -> None:
    lines = prompts_of(corpus).read_text().splitlines()
    prompts_of(corpus).write_text("\n".join(line for line in lines if "b0539" not in line))
    write_sound(corpus / "cmu_us_slt_arctic" / "wav" / "arctic_c0001.wav")
    train, _, test, *_ = prepare(corpus, corpus / "data", speakers="all")
    assert "no prompt:" in rejected(test)["slt-arctic_b0539"]
    assert "no prompt of the corpus" in rejected(train)["slt-arctic_c0001"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'( arctic_b0440 "" )', "unusable prompt: empty"),
        (b'( arctic_b0440 "caf\xe9" )', "unusable prompt: not UTF-8"),
        (b'( arctic_b0539 "Another text." )', "unusable prompt: a second text"),
        (b"arctic_b0440 without brackets", "unusable prompt: not of the form"),
    ],
)
def test_prompts_that_cannot_be_used(corpus: Path, line: bytes, reason: str) -> None:
    lines = prompts_of(corpus).read_bytes().split(b"\n")
    kept = [one for one in lines if b"b0440" not in one or b"b0539" in line]
    prompts_of(corpus).write_bytes(b"\n".join([*kept, line]))
    reports = prepare(corpus, corpus / "data", speakers="all")
    assert any(item.reason.startswith(reason) for report in reports for item in report.rejected)
    assert DataDir(corpus / "data" / "test").utterances[0].startswith("clb-slt-arctic_b0")
    assert len(DataDir(corpus / "data" / "test").utterances) == 2


def test_forms_of_the_prompt_list(corpus: Path) -> None:
    content = prompts_of(corpus).read_text().replace(" )", ")").replace("of 5", '\\"of\\"  5')
    prompts_of(corpus).write_bytes(b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode() + b"\r\n")
    *_, speech = prepare(corpus, corpus / "data", speakers="slt")
    assert DataDir(speech.out).table("text")["slt-arctic_b0440"] == 'Prompt b0440, "of" 5.'


def test_texts_of_a_pair_must_agree(corpus: Path) -> None:
    content = prompts_of(corpus).read_text()
    content = content.replace("Prompt b0440, of", "prompt b0440 of").replace("Prompt b0539", "Prompt b0538")
    prompts_of(corpus).write_text(content)
    (report,) = prepare(corpus, corpus / "data", speakers="all", parts=["test"])
    assert DataDir(report.out).utterances == ["clb-slt-arctic_b0440", "slt-clb-arctic_b0440"]
    assert set(rejected(report)) == {"clb-slt-arctic_b0539", "slt-clb-arctic_b0539"}
    assert "different texts: 'Prompt b0539, of 5.'" in rejected(report)["clb-slt-arctic_b0539"]


def test_damaged_sound_of_one_side(corpus: Path) -> None:
    (corpus / "cmu_us_slt_arctic" / "wav" / "arctic_b0340.wav").write_bytes(b"RIFF")
    (corpus / "cmu_us_slt_arctic" / "wav" / "._arctic_b0440.wav").write_bytes(b"x")
    reports = {report.out.name: report for report in prepare(corpus, corpus / "data", speakers="all", parts=["train"])}
    assert reports["train"].rejected == ()
    with pytest.raises(DataError, match="no utterance is left"):
        prepare(corpus, corpus / "data", speakers="all", parts=["dev"])


def test_speakers_and_parts(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no speaker 'bdl' in .*; it has clb, slt"):
        prepare(corpus, tmp_path / "data")
    with pytest.raises(UsageError, match="no part 'eval'"):
        prepare(corpus, tmp_path / "data", speakers="all", parts=["eval"])
    with pytest.raises(DataError, match="no folder such as cmu_us_bdl_arctic"):
        prepare(corpus / "cmu_us_slt_arctic", tmp_path / "data")
    prompts_of(corpus).unlink()
    with pytest.raises(DataError, match=r"no etc/txt\.done\.data, which holds the prompts"):
        prepare(corpus, tmp_path / "data", speakers="all")
