"""VoxCeleb1's layout: the reference trees, and oddities one by one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from speecht5_cli.corpora.voxceleb1 import prepare
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.trials import read_trials
from speecht5_cli.data.writer import DataDirReport
from speecht5_cli.errors import DataError, UsageError

WriteSound = Callable[..., Path]


def rejected(report: DataDirReport) -> dict[str, str]:
    return {item.id: item.reason for item in report.rejected}


@pytest.fixture
def trees(shared: Path) -> Path:
    return shared / "data" / "trees" / "voxceleb1"


def test_the_good_tree_loads_without_complaint(trees: Path, tmp_path: Path, accepted: Callable) -> None:
    expected = json.loads((trees / "expected.json").read_text())["good"]["counts"]
    reports = {report.out.name: report for report in prepare(trees / "good", tmp_path)}
    numbers = {name.replace("dev", "valid"): report.n_kept for name, report in reports.items() if name != "veri"}
    assert numbers == expected["utterances"]
    assert {report.n_speakers for report in reports.values()} == {expected["speakers"]}
    assert all(report.rejected == () for report in reports.values())
    assert accepted(*(report.out for report in reports.values()))
    assert DataDir(tmp_path / "train").table("spk2gender")["id10002"] == "m"
    trials = read_trials(tmp_path / "veri" / "trials.lines")
    assert (len(trials.same), trials.same.sum()) == (expected["trials_in_veri_test"], expected["target_trials"])
    assert {*trials.first, *trials.second} == set(DataDir(tmp_path / "veri").utterances)
    assert "id10003--J8vMv1u0nw-00001" in DataDir(tmp_path / "train").utterances
    assert "id10001-4oedmhwIcz1-00001" in DataDir(tmp_path / "dev").utterances  # as the file is called, not as another


def test_the_nasty_tree_comes_out_as_expected(trees: Path, tmp_path: Path, accepted: Callable) -> None:
    expected = json.loads((trees / "expected.json").read_text())["nasty"]
    reports = {report.out.name: report for report in prepare(trees / "nasty", tmp_path)}
    paths = {
        name.partition("/nasty/wav/")[2]
        for report in reports.values()
        for name in DataDir(report.out).table("wav.scp").values()
    }
    wanted = {path for kind in ("keep", "convert") for path, _ in expected[kind]}
    assert paths == wanted | {"id10002/ggggggggggg/00001.wav"}  # backslashes are accepted as slashes
    assert {name: report.n_kept for name, report in reports.items()} == {"train": 5, "dev": 1, "test": 1}
    assert accepted(*(report.out for report in reports.values()))
    left_out = {name: reason for report in reports.values() for name, reason in rejected(report).items()}
    assert {name: reason.partition(":")[0] for name, reason in left_out.items()} == {
        "id10001/aaaaaaaaaaa/00002.wav": "in two sets",
        "id10002-ccccccccccc-00002": "no samples",
        "id10003/eeeeeeeeeee/00001.wav": "speaker without training recordings",
        "id10001/aaaaaaaaaaa/00003.wav": "no such recording",
        "id10009/zzzzzzzzzzz/00001.wav": "no such recording",
        "iden_split.txt:16": "no path",
        "id10001/aaaaaaaaaaa/00001.wav": "unknown code of a set",  # its second line; the first one counts
    }
    train = DataDir(tmp_path / "train")
    assert len(set(train.table("utt2spk").values())) == expected["counts"]["classes_from_train"]
    assert "id10002-fff%20fffffff-00001" in train.utterances
    unlisted = "1 recordings are not in iden_split.txt and not used, such as id10001/aaaaaaaaaaa/00009.wav"
    assert unlisted in reports["train"].remarks
    notes = {note for report in reports.values() for note in report.notes}
    assert {"resampled from 44100 Hz", "down-mixed from 2 channels"} <= notes


@pytest.fixture
def corpus(tmp_path: Path, write_sound: WriteSound) -> Path:
    """Two speakers, spread over the two archives."""
    lines = []
    for speaker in ("id10001", "id10270"):
        for code, video in (("1", "-aAaaaaaaaa"), ("1", "_bbbbbbbbbb"), ("2", "cccccccccc-"), ("3", "ddddddddddd")):
            archive = "vox1_test_wav" if code == "3" else "vox1_dev_wav"
            write_sound(tmp_path / archive / "wav" / speaker / video / "00001.wav")
            lines.append(f"{code} {speaker}/{video}/00001.wav\n")
    (tmp_path / "iden_split.txt").write_text("".join(lines))
    return tmp_path


def test_each_set_is_gathered_from_both_archives(corpus: Path, accepted: Callable) -> None:
    reports = prepare(corpus, corpus / "data")
    assert [(report.out.name, report.n_kept) for report in reports] == [("train", 4), ("dev", 2), ("test", 2)]
    assert accepted(*(report.out for report in reports))
    assert reports[0].remarks == (
        "4 recordings of 2 speakers are here, 138361 of 1251 were published; is all of it unpacked?",
    )
    assert DataDir(corpus / "data" / "train").utterances[0] == "id10001--aAaaaaaaaa-00001"


def test_oddities_of_the_list(corpus: Path) -> None:
    lines = (corpus / "iden_split.txt").read_text()
    odd = "3 id10001//ddddddddddd/./00001.wav\n1\n1  id10001/-aAaaaaaaaa/00001.wav \nx id10270/ddddddddddd/00001.wav\n"
    (corpus / "iden_split.txt").write_bytes(b"\xef\xbb\xbf" + (lines + odd).replace("\n", "\r\n").encode())
    train, _, test = prepare(corpus, corpus / "data")
    assert (train.n_kept, test.n_kept) == (4, 2)  # the same paths, spelt otherwise
    assert rejected(train) == {
        "iden_split.txt:10": "no path: the line is '1'",
        "id10270/ddddddddddd/00001.wav": "unknown code of a set: 'x' in iden_split.txt:12",
    }


def test_a_speaker_who_is_no_class(corpus: Path, write_sound: WriteSound) -> None:
    write_sound(corpus / "vox1_test_wav" / "wav" / "id11251" / "eeeeeeeeeee" / "00001.wav")
    with (corpus / "iden_split.txt").open("a") as file:
        file.write("2 id11251/eeeeeeeeeee/00001.wav\n")
    _, dev, _ = prepare(corpus, corpus / "data")
    assert rejected(dev) == {
        "id11251/eeeeeeeeeee/00001.wav": "speaker without training recordings: id11251 is no class"
    }


def test_files_that_do_not_belong_here(corpus: Path, write_sound: WriteSound) -> None:
    video = corpus / "vox1_dev_wav" / "wav" / "id10001" / "-aAaaaaaaaa"
    write_sound(video / "._00001.wav")
    write_sound(video / "00002.flac")
    (video / "00001.txt").touch()
    write_sound(corpus / "vox1_dev_wav" / "wav" / "readme" / "x" / "00001.wav")
    train, *_ = prepare(corpus, corpus / "data")
    assert train.rejected == ()
    assert train.remarks[-1] == (
        "1 recordings are not in iden_split.txt and not used, such as id10001/-aAaaaaaaaa/00002.wav"
    )


def test_flac_serves_as_well(corpus: Path, write_sound: WriteSound) -> None:
    old = corpus / "vox1_test_wav" / "wav" / "id10001" / "ddddddddddd" / "00001.wav"
    write_sound(old.with_suffix(".flac"))
    old.unlink()
    *_, test = prepare(corpus, corpus / "data")
    assert DataDir(test.out).table("wav.scp")["id10001-ddddddddddd-00001"].endswith(".flac")


def test_damaged_sound(corpus: Path, write_sound: WriteSound) -> None:
    root = corpus / "vox1_dev_wav" / "wav"
    (root / "id10001" / "-aAaaaaaaaa" / "00001.wav").write_bytes(b"")
    write_sound(root / "id10270" / "_bbbbbbbbbb" / "00001.wav", level=0)
    train, *_ = prepare(corpus, corpus / "data")
    assert {name: reason.partition(":")[0] for name, reason in rejected(train).items()} == {
        "id10001--aAaaaaaaaa-00001": "empty audio file",
        "id10270-_bbbbbbbbbb-00001": "silent",
    }


def test_verification_trials(corpus: Path) -> None:
    (corpus / "veri_test2.txt").write_text(
        "1 id10001/ddddddddddd/00001.wav id10001/cccccccccc-/00001.wav\n"
        "0 id10001/ddddddddddd/00001.wav id10270/ddddddddddd/00001.wav\r\n"
    )
    (report,) = prepare(corpus, corpus / "data", parts=["veri"], trials="veri_test2.txt")
    assert (report.n_kept, report.remarks) == (3, ())
    trials = read_trials(report.out / "trials.lines")
    assert (trials.first[0], trials.second[0]) == ("id10001-ddddddddddd-00001", "id10001-cccccccccc--00001")
    assert trials.same.tolist() == [True, False]
    (corpus / "veri_test2.txt").write_text("1 id10001/ddddddddddd/00001.wav\n")
    with pytest.raises(DataError, match=r"veri_test2\.txt:1: expected '1 path path'"):
        prepare(corpus, corpus / "data", parts=["veri"], trials="veri_test2.txt")


def test_what_must_be_there(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no part 'veri'; known: train, dev, test"):
        prepare(corpus, corpus / "data", parts=["veri"])
    (corpus / "iden_split.txt").unlink()
    with pytest.raises(DataError, match=r"iden_split\.txt: no such file; get it from"):
        prepare(corpus, corpus / "data")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="no recordings such as wav/id10001"):
        prepare(tmp_path / "nothing", corpus / "data")
