"""Digits: the official split, strings and pieces that are made of them, and pairs."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speecht5_cli.corpora.digits import digit_strings, in_words
from speecht5_cli.corpora.fsdd import prepare
from speecht5_cli.corpora.fsdd_joined import draw_pieces
from speecht5_cli.corpora.fsdd_recordings import find_recordings
from speecht5_cli.data.audio import SAMPLE_RATE, read_audio
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.validate import validate
from speecht5_cli.errors import DataError, UsageError

WriteSound = Callable[..., Path]
SPEAKERS = ("ann", "bob", "eve")
INDICES = (0, 4, 5, 9, 10, 49)
SIZES = {
    "n_strings_train": 20,
    "n_strings_dev": 6,
    "n_strings_test": 9,
    "n_vc_train": 30,
    "n_vc_dev": 5,
    "n_vc_test": 10,
    "n_se_train": 8,
    "n_se_dev": 2,
    "n_se_test": 4,
    "n_text": 40,
    "n_text_dev": 10,
}


def test_digits_in_words() -> None:
    assert in_words((3, 0, 5), "en") == "three zero five"
    assert in_words((3, 0, 5), "de") == "drei null fünf"
    assert in_words((3, 0, 5), "fr") == "trois zéro cinq"


def test_strings_are_different_and_3_to_6_long() -> None:
    drawn = digit_strings(3000, np.random.default_rng(0))
    assert len(set(drawn)) == 3000
    assert {len(string) for string in drawn} == {3, 4, 5, 6}
    assert digit_strings(10, np.random.default_rng(0)) == drawn[:10]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three speakers, ten digits, two recordings for each split; every digit has a pitch of its own."""
    folder = tmp_path_factory.mktemp("fsdd") / "recordings"
    folder.mkdir()
    for number, speaker in enumerate(SPEAKERS):
        for digit in range(10):
            for index in INDICES:
                seconds = np.arange(round(8000 * (0.3 + 0.02 * digit))) / 8000
                wave = 10 ** -(number + 0.5) * np.sin(2 * np.pi * (300 + 100 * digit + index) * seconds)
                soundfile.write(folder / f"{digit}_{speaker}_{index}.wav", wave, 8000)
    return folder


@pytest.fixture(scope="module")
def out(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    prepare(corpus.parent, folder, **SIZES)
    return folder


def test_all_sets_are_valid(out: Path) -> None:
    names = {folder.name for folder in out.iterdir()} - {"wav", "text"}
    families = {
        f"{kind}_{split}" for kind in ("digits", "strings", "vc", "se", "sid") for split in ("train", "dev", "test")
    }
    assert names == families | {"train", "dev", "train_10pct", "pretrain", "pretrain_dev"}
    for name in names:
        assert not any(problem.severity == "error" for problem in validate(out / name)), name


def test_the_official_split(out: Path) -> None:
    for split, indices in (("test", {"00", "04"}), ("dev", {"05", "09"}), ("train", {"10", "49"})):
        digits = DataDir(out / f"digits_{split}")
        assert len(digits.utterances) == 60
        assert {utterance.split("-")[2] for utterance in digits.utterances} == indices
    row = "eve-7-49"
    train = DataDir(out / "digits_train")
    assert [train.table(name)[row] for name in ("utt2spk", "text", "text.de", "text.fr")] == [
        "eve",
        "seven",
        "sieben",
        "sept",
    ]
    assert train.table("wav.scp")[row].endswith("recordings/7_eve_49.wav")  # no copy


def loudest_hz(wave: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(wave)).argmax() * SAMPLE_RATE / len(wave))


def test_strings_say_their_text_with_recordings_of_their_split(out: Path) -> None:
    words = [in_words((digit,), "en") for digit in range(10)]
    for split, indices in (("train", {10, 49}), ("dev", {5, 9}), ("test", {0, 4})):
        strings = DataDir(out / f"strings_{split}")
        heard = set()
        for utterance, ref in strings.audio().items():
            digits = [words.index(word) for word in strings.table("text")[utterance].split()]
            assert 3 <= len(digits) <= 6
            assert strings.table("text.de")[utterance] == in_words(digits, "de")
            wave = read_audio(ref)
            start = 0
            for digit in digits:
                n_samples = round(SAMPLE_RATE * (0.3 + 0.02 * digit))
                start += int(np.argmax(np.abs(wave[start:]) > 0.02))  # behind the gap
                hz = loudest_hz(wave[start : start + n_samples])
                heard.add(round(hz - 300 - 100 * digit))
                start += n_samples
            assert 0.09 < (len(wave) - start) / SAMPLE_RATE < 0.12  # silence at the end
        assert all(min(abs(hz - index) for index in indices) <= 2 for hz in heard), (split, heard)


def test_speakers_are_equally_loud_in_strings(out: Path) -> None:
    strings = DataDir(out / "strings_train")
    levels = {
        strings.table("utt2spk")[utterance]: np.sqrt(np.mean(np.square(read_audio(ref)[:3000])))
        for utterance, ref in strings.audio().items()
    }
    assert set(levels) == set(SPEAKERS)
    assert max(levels.values()) / min(levels.values()) < 1.1


def test_no_string_of_digits_is_in_two_sets(out: Path) -> None:
    texts = {split: set(DataDir(out / f"strings_{split}").table("text").values()) for split in ("train", "dev", "test")}
    assert [len(texts[split]) for split in ("train", "dev", "test")] == [20, 6, 9]
    for split in ("train", "dev"):
        texts[f"text {split}"] = set((out / "text" / f"{split}.txt").read_text().splitlines())
    assert len(texts["text train"]) == 40
    for one, two in combinations(texts, 2):
        assert not texts[one] & texts[two], (one, two)
    ids = [
        utterance for split in ("train", "dev", "test") for utterance in DataDir(out / f"strings_{split}").utterances
    ]
    assert len({utterance.split("-")[1] for utterance in ids}) == len(ids)


def test_pieces_for_pretraining(out: Path, corpus: Path) -> None:
    pieces = DataDir(out / "pretrain")
    assert not pieces.has("text")
    durations = pieces.durations()
    assert all(2 <= seconds <= 8 for seconds in durations.values())
    speech_s = sum(
        soundfile.info(str(file)).duration for file in corpus.glob("*.wav") if file.stem[-2:] in ("10", "49")
    )
    ratio = sum(durations.values()) / (2 * speech_s)  # all recordings twice, the silences, what fills the last ones
    assert 1.1 < ratio < 2


def test_pieces_hold_every_recording_once_a_shuffle(corpus: Path) -> None:
    recordings = find_recordings(corpus)
    counts = Counter(one for piece in draw_pieces(recordings, "train", shuffles=3, seed=0) for one in piece.recordings)
    assert set(counts) == set(recordings.of("train"))
    assert min(counts.values()) == 3
    assert sum(counts.values()) < 1.3 * 3 * len(counts)


def test_a_tenth_of_each_speaker(out: Path) -> None:
    tenth, train = DataDir(out / "train_10pct"), DataDir(out / "train")
    assert set(tenth.utterances) < set(train.utterances)
    for speaker in SPEAKERS:
        sizes = [sum(one == speaker for one in some.table("utt2spk").values()) for some in (tenth, train)]
        assert sizes[0] == round(sizes[1] / 10)


def test_pairs_say_one_digit_with_two_voices(out: Path) -> None:
    pairs = DataDir(out / "vc_train")
    assert len(pairs.utterances) == 30
    for pair in pairs.utterances:
        speaker, target, digit, index = pair.split("-")
        assert pairs.table("utt2spk")[pair] == speaker != target == pairs.table("utt2tgtspk")[pair]
        assert pairs.table("wav.scp")[pair].endswith(f"/{digit}_{speaker}_{int(index)}.wav")
        assert pairs.table("target.scp")[pair].endswith(f"/{digit}_{target}_{int(index)}.wav")


def test_noise_at_the_stated_ratios(out: Path) -> None:
    noisy = DataDir(out / "se_test")
    assert sorted(noisy.table("utt2snr").values()) == ["0"] * 4 + ["10"] * 4 + ["5"] * 4
    assert {noisy.table("utt2noise")[one] for one in noisy.utterances} == {"white", "pink", "hum", "babble"}
    clean = noisy.audio("target.scp")
    for utterance, ref in noisy.audio().items():
        speech = read_audio(clean[utterance])
        snr_db = 10 * np.log10(np.mean(speech**2) / np.mean((read_audio(ref) - speech) ** 2))
        assert snr_db == pytest.approx(float(noisy.table("utt2snr")[utterance]), abs=0.05)


def test_derived_sound_carries_the_licence(out: Path) -> None:
    assert "CC BY-SA 4.0" in (out / "wav" / "LICENSE-NOTE.md").read_text()


def test_it_repeats_and_is_not_made_twice(out: Path, corpus: Path, tmp_path: Path) -> None:
    prepare(corpus, tmp_path, nj=2, check_audio=False, **SIZES)
    files = sorted(path.relative_to(out) for path in out.rglob("*.wav"))
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.wav"))
    assert all((out / file).read_bytes() == (tmp_path / file).read_bytes() for file in files)
    assert (out / "strings_train/text").read_bytes() == (tmp_path / "strings_train/text").read_bytes()
    times = {file: (tmp_path / file).stat().st_mtime_ns for file in files}
    prepare(corpus, tmp_path, parts=["dev"], check_audio=False, **SIZES)
    assert times == {file: (tmp_path / file).stat().st_mtime_ns for file in files}


def test_extra_speech(corpus: Path, tmp_path: Path, write_sound: WriteSound) -> None:
    for name in ("84-10-0000", "84-10-0001", "1272-9-0000"):
        reader, chapter, _ = name.split("-")
        write_sound(tmp_path / "Libri" / "train-clean-100" / reader / chapter / f"{name}.flac")
    extra = {"extra_speech": tmp_path / "Libri", "parts": ["pretrain_extra"]}
    (report,) = prepare(corpus, tmp_path / "data", **extra, **SIZES)
    assert (report.n_kept, report.n_speakers) == (3, 2)
    extra["parts"] = ["readers_train", "readers_dev", "readers_test"]
    (tmp_path / "Libri/train-clean-100/84/10/84-10-0002.flac").write_bytes(b"no sound")
    reports = prepare(corpus, tmp_path / "data", **extra, **SIZES)
    assert [(report.n_kept, report.n_speakers) for report in reports] == [(3, 2)] * 3
    whole = soundfile.info(str(tmp_path / "Libri/train-clean-100/84/10/84-10-0000.flac")).duration
    cuts = [DataDir(tmp_path / "data" / name).audio()["84-10-0000-" + name[8:]] for name in extra["parts"]]
    assert [cut.start_s for cut in cuts] == pytest.approx([0, 0.7 * whole, 0.85 * whole], abs=1e-3)
    assert [cut.end_s for cut in cuts] == pytest.approx([0.7 * whole, 0.85 * whole, whole], abs=1e-3)
    with pytest.raises(UsageError, match="no part 'pretrain_extra'"):
        prepare(corpus, tmp_path / "data", parts=["pretrain_extra"], **SIZES)
    with pytest.raises(DataError, match="none of LibriSpeech's subsets"):
        prepare(corpus, tmp_path / "data", extra_speech=corpus, **SIZES)


@pytest.fixture
def damaged(tmp_path: Path, write_sound: WriteSound) -> Path:
    """As `corpus`, to be broken by a test."""
    for speaker in ("ann", "bob"):
        for digit in range(10):
            for index in range(50):
                (tmp_path / f"{digit}_{speaker}_{index}.wav").touch()
    return tmp_path


def test_what_is_missing_is_said(damaged: Path) -> None:
    assert list(find_recordings(damaged).remarks("test")) == []
    (damaged / "7_bob_3.wav").unlink()
    (damaged / "7_bob.wav").touch()
    (damaged / "._7_bob_3.wav").touch()
    assert list(find_recordings(damaged).remarks("test")) == [
        "1 of 100 recordings are missing, such as 7_bob_3.wav",
        "1 WAV files are no recordings of the corpus, such as 7_bob.wav",
    ]
    for index in range(5):
        (damaged / f"2_ann_{index}.wav").unlink()
    with pytest.raises(DataError, match="ann has no recording of 2 with an index of 0 to 4, which test needs"):
        find_recordings(damaged)


def test_a_folder_without_recordings(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no recordings; expected names such as"):
        find_recordings(tmp_path)
    with pytest.raises(DataError, match="no such folder; clone"):
        find_recordings(tmp_path / "nowhere")


def test_impossible_sizes(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="n_strings dev: 0; expected 1"):
        prepare(corpus, tmp_path, **{**SIZES, "n_strings_dev": 0})


def test_the_real_corpus(shared: Path, tmp_path: Path) -> None:
    parts = ["digits_train", "digits_dev", "digits_test", "strings_test"]
    reports = prepare(shared / "data" / "fsdd", tmp_path, parts=parts, pretrain_shuffles=1, check_audio=False, **SIZES)
    assert [report.n_kept for report in reports] == [2400, 300, 300, 9]
    assert all(report.n_speakers == 6 and not report.remarks and not report.rejected for report in reports)
