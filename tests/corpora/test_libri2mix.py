"""Libri2Mix's layout, and oddities one by one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from speecht5_cli.corpora.libri2mix import prepare
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.writer import DataDirReport
from speecht5_cli.errors import DataError, UsageError

WriteSound = Callable[..., Path]
MIXTURES = ("84-121123-0000_174-50561-0001", "84-121123-0001_8-1-0000", "841-3-0000_84-121123-0000")


def rejected(report: DataDirReport) -> dict[str, str]:
    return {item.id: item.reason for item in report.rejected}


@pytest.fixture
def root(tmp_path: Path, write_sound: WriteSound) -> Path:
    """wav16k/max with three mixtures of dev."""
    folder = tmp_path / "Libri2Mix" / "wav16k" / "max"
    for kind in ("mix_single", "mix_clean", "s1", "s2", "noise"):
        for name in MIXTURES:
            write_sound(folder / "dev" / kind / f"{name}.wav")
    (folder / "metadata").mkdir()
    return folder


def test_the_first_speaker_is_the_target(root: Path, tmp_path: Path, accepted: Callable) -> None:
    for source in (root, root.parents[1], root.parents[2], root.parent):
        (report,) = prepare(source, tmp_path / "data")
        assert (report.n_kept, report.n_speakers, report.rejected) == (3, 2, ())
    out = DataDir(tmp_path / "data" / "dev")
    assert out.table("utt2spk")[MIXTURES[2]] == out.table("utt2tgtspk")[MIXTURES[2]] == "841"
    assert out.table("wav.scp")[MIXTURES[0]].endswith(f"dev/mix_single/{MIXTURES[0]}.wav")
    assert out.table("target.scp")[MIXTURES[0]].endswith(f"dev/s1/{MIXTURES[0]}.wav")
    assert accepted(out.path)
    assert report.remarks == ("3 mixtures are here, 3000 were published; is all of it unpacked?",)


@pytest.fixture
def librispeech(tmp_path: Path, write_sound: WriteSound) -> Path:
    """What the first speakers read, one of them without a line."""
    for reader, chapter, numbers in (("84", "121123", (0, 1)), ("841", "3", (0,))):
        folder = tmp_path / "LibriSpeech" / "dev-clean" / reader / chapter
        for number in numbers:
            write_sound(folder / f"{reader}-{chapter}-{number:04d}.flac")
        if reader == "84":
            lines = "".join(f"84-121123-{number:04d} TEXT {'AB'[number]}\n" for number in numbers)
            (folder / "84-121123.trans.txt").write_text(lines)
    return tmp_path


def test_texts_come_from_librispeech(root: Path, librispeech: Path, tmp_path: Path) -> None:
    (report,) = prepare(root, tmp_path / "data", librispeech=librispeech)
    assert DataDir(report.out).table("text") == {MIXTURES[0]: "text a", MIXTURES[1]: "text b"}
    assert "no transcript" in rejected(report)[MIXTURES[2]]
    (tmp_path / "LibriSpeech" / "dev-clean").rename(tmp_path / "LibriSpeech" / "dev-other")
    with pytest.raises(DataError, match="no dev-clean, which the texts come from; it has dev-other"):
        prepare(root, tmp_path / "data", librispeech=librispeech)


def test_oddities(root: Path, tmp_path: Path, write_sound: WriteSound) -> None:
    (root / "dev" / "s1" / f"{MIXTURES[0]}.wav").unlink()  # only the mixture is there
    write_sound(root / "dev" / "s1" / "9-9-0000_8-8-0000.wav")  # only the target is there
    write_sound(root / "dev" / "s1" / f"{MIXTURES[1]}.wav", 0.3)  # cut off
    for kind in ("mix_single", "s1"):
        write_sound(root / "dev" / kind / "84-121123-0000.wav")  # one name instead of two
        write_sound(root / "dev" / kind / f"._{MIXTURES[0]}.wav")
    (report,) = prepare(root, tmp_path / "data")
    assert DataDir(report.out).utterances == [MIXTURES[2]]
    assert {name: reason.partition(":")[0] for name, reason in rejected(report).items()} == {
        MIXTURES[0]: "only one of the two sounds",
        "9-9-0000_8-8-0000": "only one of the two sounds",
        MIXTURES[1]: "target of another length",
        "84-121123-0000": "name of no mixture",
    }


def test_a_side_that_cannot_be_read(root: Path, tmp_path: Path) -> None:
    (root / "dev" / "mix_single" / f"{MIXTURES[0]}.wav").write_bytes(b"not sound")
    (root / "dev" / "s1" / f"{MIXTURES[1]}.wav").write_bytes(b"")
    (report,) = prepare(root, tmp_path / "data")
    assert set(rejected(report)) == set(MIXTURES[:2])
    assert rejected(report)[MIXTURES[1]].startswith("target empty audio file")


def test_parts(root: Path, tmp_path: Path) -> None:
    (root / "dev").rename(root / "train-100")
    assert [report.out.name for report in prepare(root, tmp_path / "data", parts=["train_100"])] == ["train_100"]
    with pytest.raises(DataError, match="has no test; it has train-100"):
        prepare(root, tmp_path / "data", parts=["test"])
    with pytest.raises(UsageError, match="no part 'train'"):
        prepare(root, tmp_path / "data", parts=["train"])
    with pytest.raises(DataError, match="no Libri2Mix/wav16k/max with train-100"):
        prepare(tmp_path / "data", tmp_path / "data")
    (root / "train-100" / "s1").rename(root / "s1")
    with pytest.raises(DataError, match="s1: no such folder"):
        prepare(root, tmp_path / "data")
