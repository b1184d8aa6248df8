"""The mini corpus end to end, in a small size: what is written, that it repeats, and that nothing is made twice."""

from pathlib import Path

import numpy as np
import pytest

from speecht5_cli.corpora.mini import prepare
from speecht5_cli.data.audio import SAMPLE_RATE, read_audio
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.validate import validate
from speecht5_cli.errors import UsageError

pytest.importorskip("espeakng_loader")
SIZES = {
    "n_train": 8,
    "n_dev": 2,
    "n_test_seen": 4,
    "n_test_unseen": 2,
    "n_pretrain": 4,
    "n_pretrain_dev": 2,
    "n_se_test": 3,
    "n_text": 30,
    "n_text_dev": 5,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with corpus/ and data/."""
    root = tmp_path_factory.mktemp("mini")
    prepare(root / "corpus", root / "data", nj=1, **SIZES)
    return root


def data(root: Path, name: str) -> DataDir:
    return DataDir(root / "data" / name)


def test_every_set_has_its_files(made: Path) -> None:
    files = {folder.name: set(DataDir(folder).files()) for folder in (made / "data").iterdir() if folder.name != "text"}
    plain = {"wav.scp", "utt2spk", "spk2utt", "utt2dur"}
    for name in ("train", "dev", "test_seen", "test_unseen"):
        assert files.pop(name) == plain | {"text", "text.de", "text.fr"}
    for split in ("train", "dev", "test"):
        assert files.pop(f"sid_{split}") == plain
        assert files.pop(f"vc_{split}") == plain | {"text", "target.scp", "utt2tgtspk"}
        assert files.pop(f"se_{split}") == plain | {"text", "target.scp", "utt2tgtspk", "utt2snr", "utt2noise"}
    assert files.pop("pretrain") == files.pop("pretrain_dev") == plain
    assert files == {}


def test_sizes(made: Path) -> None:
    sizes = {name: len(data(made, name).utterances) for name in ("train", "test_unseen", "pretrain", "vc_test")}
    assert sizes == {"train": 16, "test_unseen": 4, "pretrain": 20, "vc_test": 8}
    assert len((made / "data/text/train.txt").read_text().splitlines()) == 30


def test_all_sets_are_valid(made: Path) -> None:
    for folder in (made / "data").iterdir():
        if folder.name != "text":
            assert validate(folder) == [], folder


def test_nothing_is_rejected_and_clips_are_usable(made: Path) -> None:
    assert not list((made / "data").glob("*/rejected.tsv"))
    for utterance, ref in data(made, "train").audio().items():
        wave = read_audio(ref)
        assert 0.6 < len(wave) / SAMPLE_RATE < 4, utterance
        assert 0.03 < np.sqrt(np.mean(wave**2)) < 0.08
        loud = np.abs(wave) > 0.02 * np.abs(wave).max()
        for lead in (loud.argmax(), loud[::-1].argmax()):
            assert 0.07 < lead / SAMPLE_RATE < 0.2, utterance


def test_pairs_are_of_one_sentence_and_two_voices(made: Path) -> None:
    pairs = data(made, "vc_train")
    spoken = data(made, "train")
    for pair, source in pairs.table("wav.scp").items():
        voice, target, number = pair.split("-")
        assert pairs.table("utt2spk")[pair] == voice != target == pairs.table("utt2tgtspk")[pair]
        assert source == spoken.table("wav.scp")[f"{voice}-{number}"]
        assert pairs.table("target.scp")[pair] == spoken.table("wav.scp")[f"{target}-{number}"]
        assert pairs.table("text")[pair] == spoken.table("text")[f"{target}-{number}"]


def test_the_noise_has_the_stated_ratio(made: Path) -> None:
    noisy = data(made, "se_test")
    clean = noisy.audio("target.scp")
    assert len(noisy.utterances) == 9
    assert set(noisy.table("utt2snr").values()) == {"0", "5", "10"}
    for utterance, ref in noisy.audio().items():
        speech = read_audio(clean[utterance])
        added = read_audio(ref) - speech
        snr_db = 10 * np.log10(np.mean(speech**2) / np.mean(added**2))
        assert snr_db == pytest.approx(float(noisy.table("utt2snr")[utterance]), abs=0.05), utterance
        assert noisy.table("utt2noise")[utterance] in utterance


def test_classes_of_the_test_occur_in_training(made: Path) -> None:
    known = set(data(made, "sid_train").table("utt2spk").values())
    assert set(data(made, "sid_test").table("utt2spk").values()) <= known


def test_the_same_bytes_from_other_processes(made: Path, tmp_path: Path) -> None:
    prepare(tmp_path / "corpus", tmp_path / "data", nj=2, **SIZES)
    files = sorted(path.relative_to(made) for path in made.rglob("*.wav"))
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.wav"))
    for file in files:
        assert (made / file).read_bytes() == (tmp_path / file).read_bytes(), file
    for table in ("sentences.tsv", "voices.tsv"):
        assert (made / "corpus" / table).read_bytes() == (tmp_path / "corpus" / table).read_bytes()


def test_only_what_is_missing_or_changed_is_made(tmp_path: Path) -> None:
    sizes = {**SIZES, "n_text": 1, "n_text_dev": 1}
    corpus = tmp_path / "corpus"

    def run(**changed: int) -> set[str]:
        """Folders whose files are new."""
        before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*.wav")}
        prepare(corpus, tmp_path / "data", parts=["train", "se_test"], check_audio=False, **{**sizes, **changed})
        return {path.parent.name for path in corpus.rglob("*.wav") if path.stat().st_mtime_ns != before.get(path)}

    assert run() == {folder.name for folder in corpus.glob("*/[!.]*")} >= {"f01", "se_train"}
    assert run() == set()
    next((corpus / "wav" / "f01").glob("*.wav")).unlink()
    assert run() == {"f01"}
    assert run(n_se_test=1) == {"se_test"}


def test_an_unknown_part_stops_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no part 'trian'; did you mean 'train'"):
        prepare(tmp_path / "corpus", tmp_path / "data", parts=["trian"], **SIZES)
    assert not (tmp_path / "corpus").exists()
