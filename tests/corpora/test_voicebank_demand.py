"""VoiceBank-DEMAND's layout: the reference tree, and oddities one by one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from speecht5_cli.corpora.voicebank_demand import prepare
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.writer import DataDirReport
from speecht5_cli.errors import DataError, UsageError

WriteSound = Callable[..., Path]


def rejected(report: DataDirReport) -> dict[str, str]:
    return {item.id: item.reason for item in report.rejected}


def test_the_good_tree_loads_without_complaint(shared: Path, tmp_path: Path, accepted: Callable) -> None:
    tree = shared / "data" / "trees" / "voicebank_demand"
    expected = json.loads((tree / "expected.json").read_text())["good"]
    reports = {report.out.name: report for report in prepare(tree / "good", tmp_path, held_out="none")}
    assert {name: report.n_kept for name, report in reports.items()} == expected["counts"]["pairs"]
    assert {name: report.n_speakers for name, report in reports.items()} == expected["counts"]["speakers"]
    for report in reports.values():
        assert report.rejected == () and accepted(report.out)
        assert set(report.notes) == {"resampled from 48000 Hz", "target resampled from 48000 Hz"}
    test = DataDir(tmp_path / "test")
    noises = {
        name.replace("-", "_"): f"{test.table('utt2noise')[name]} {test.table('utt2snr')[name]}"
        for name in test.utterances
    }
    assert noises == expected["snr_log"]
    assert test.table("text")["p232-001"] == "Please call Stella."
    assert test.table("utt2tgtspk") == test.table("utt2spk")


def test_the_held_out_speakers_of_the_good_tree(shared: Path, tmp_path: Path) -> None:
    """The tree's training set is p226 and p287 alone."""
    tree = shared / "data" / "trees" / "voicebank_demand" / "good"
    dev, _ = prepare(tree, tmp_path, parts=["dev", "test"])
    assert DataDir(dev.out).utterances == ["p226-001", "p287-001"]
    with pytest.raises(UsageError, match=r"held_out=p226,p287: no speaker of .* is left for train; it has p226, p287"):
        prepare(tree, tmp_path)


@pytest.fixture
def corpus(tmp_path: Path, write_sound: WriteSound) -> Path:
    """Three speakers to train on, one of them held out, one to test on."""
    for kind, speakers in (("trainset_28spk", ("p226", "p228", "p23")), ("testset", ("p232",))):
        lines = []
        for speaker in speakers:
            for number in (1, 2):
                name = f"{speaker}_{number:03d}"
                for side in ("noisy", "clean"):
                    write_sound(tmp_path / f"{side}_{kind}_wav" / f"{name}.wav", rate=48_000)
                (tmp_path / f"{kind}_txt").mkdir(exist_ok=True)
                (tmp_path / f"{kind}_txt" / f"{name}.txt").write_text(f"Sentence {number}.\n")
                lines.append(f"{name} cafe {5 * number}\n")
        (tmp_path / f"log_{kind}.txt").write_text("".join(lines))
    return tmp_path


def run(corpus: Path, *parts: str, **options: object) -> list[DataDirReport]:
    return prepare(corpus, corpus / "data", parts=list(parts) or None, **options)  # type: ignore[arg-type]


def test_the_split(corpus: Path, accepted: Callable) -> None:
    reports = run(corpus)
    assert {report.out.name: DataDir(report.out).utterances for report in reports} == {
        "train": ["p228-001", "p228-002", "p23-001", "p23-002"],
        "dev": ["p226-001", "p226-002"],
        "test": ["p232-001", "p232-002"],
    }
    assert accepted(*(report.out for report in reports))
    assert reports[0].remarks == ("4 pairs of 2 speakers are here, 10802 of 26 were published; is all of it unpacked?",)
    train, dev, _ = run(corpus, held_out="p23")
    assert (train.n_kept, dev.n_kept, train.remarks) == (4, 2, ())


def test_a_sound_without_its_partner(corpus: Path) -> None:
    (corpus / "clean_trainset_28spk_wav" / "p228_001.wav").unlink()
    (corpus / "noisy_trainset_28spk_wav" / "p226_002.wav").unlink()
    train, dev, _ = run(corpus)
    assert set(rejected(train)) == {"p228_001"} and set(rejected(dev)) == {"p226_002"}
    assert "clean_trainset_28spk_wav has none of this name" in rejected(train)["p228_001"]


def test_sides_of_different_lengths(corpus: Path, write_sound: WriteSound) -> None:
    write_sound(corpus / "clean_testset_wav" / "p232_001.wav", 0.5, rate=48_000)
    (report,) = run(corpus, "test")
    assert rejected(report) == {"p232-001": "target of another length: 0.50 s for 0.80 s"}


def test_damaged_and_silent_sides(corpus: Path, write_sound: WriteSound) -> None:
    write_sound(corpus / "clean_trainset_28spk_wav" / "p228_001.wav", rate=48_000, level=0)
    (corpus / "noisy_trainset_28spk_wav" / "p228_002.wav").write_bytes(b"")
    (report,) = run(corpus, "train")
    assert rejected(report)["p228-001"].startswith("target silent")
    assert rejected(report)["p228-002"].startswith("empty audio file")


def test_names_that_are_none(corpus: Path, write_sound: WriteSound) -> None:
    for side in ("noisy", "clean"):
        write_sound(corpus / f"{side}_testset_wav" / "speech.wav", rate=48_000)
        write_sound(corpus / f"{side}_testset_wav" / "._p232_001.wav", rate=48_000)
        write_sound(corpus / f"{side}_testset_wav" / "p232_002.flac", rate=48_000)
    (report,) = run(corpus, "test")
    assert report.n_kept == 2
    assert sorted(reason.partition(":")[0] for reason in rejected(report).values()) == [
        "name of no recording",
        "second audio file",
        "second audio file",
    ]


def test_texts(corpus: Path) -> None:
    folder = corpus / "trainset_28spk_txt"
    (folder / "p228_001.txt").write_bytes(b"\xef\xbb\xbfWith a mark.\r\n")
    (folder / "p228_002.txt").write_bytes(b"caf\xe9")
    (folder / "p23_001.txt").unlink()
    (report,) = run(corpus, "train")
    assert DataDir(report.out).table("text") == {"p228-001": "With a mark.", "p23-002": "Sentence 2."}
    assert set(rejected(report)) == {"p228_002", "p23_001"}
    folder.rename(corpus / "away")
    (report,) = run(corpus, "train")
    assert report.n_kept == 4 and not DataDir(report.out).has("text")
    assert "no trainset_28spk_txt is here, so there is no text" in report.remarks


def test_logs_of_noises(corpus: Path) -> None:
    log = corpus / "log_trainset_28spk.txt"
    (corpus / "logfiles").mkdir()
    log.rename(corpus / "logfiles" / log.name)
    (report,) = run(corpus, "train")
    assert DataDir(report.out).table("utt2snr")["p228-002"] == "10"
    (corpus / "logfiles" / log.name).write_text("p228_001 cafe 5\n\nbroken\n")
    (report,) = run(corpus, "train")
    assert not DataDir(report.out).has("utt2snr") and report.n_kept == 4
    assert "log_trainset_28spk.txt lacks 5 of the recordings, so there are no utt2noise and utt2snr" in report.remarks


def test_what_must_be_there(corpus: Path) -> None:
    with pytest.raises(DataError, match="noisy_trainset_56spk_wav: no such folder; is the corpus unpacked as a whole"):
        run(corpus, trainset="56spk")
    with pytest.raises(UsageError, match="no part 'valid'; known: train, dev, test"):
        run(corpus, "valid")
    with pytest.raises(UsageError, match="no part 'dev'"):
        run(corpus, "dev", held_out="none")
