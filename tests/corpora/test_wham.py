"""WHAM!: the reference tree, oddities one by one, and mixtures made from WSJ0 and noise."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speecht5_cli.corpora.wham import prepare
from speecht5_cli.corpora.wsj0 import Wsj0, spoken_words
from speecht5_cli.data.audio import read_audio
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.writer import DataDirReport
from speecht5_cli.errors import DataError, UsageError

WriteSound = Callable[..., Path]
FIRST, SECOND = "011a0101_0.4975_401c020r_-0.4975", "011a0101_0.9021_20ga010m_-0.9021"


def rejected(report: DataDirReport) -> dict[str, str]:
    return {item.id: item.reason for item in report.rejected}


@pytest.fixture
def tree(shared: Path) -> Path:
    return shared / "data" / "trees" / "wham_wsj0"


def test_the_good_tree_loads_without_complaint(tree: Path, tmp_path: Path, accepted: Callable) -> None:
    expected = json.loads((tree / "expected.json").read_text())["good"]
    names = {"train": "tr", "dev": "cv", "test": "tt"}
    reports = {names[report.out.name]: report for report in prepare(tree / "good", tmp_path)}
    assert {name: report.n_kept for name, report in reports.items()} == expected["counts"]["mixtures"]
    assert {name: report.n_speakers for name, report in reports.items()} == expected["counts"]["speakers_s1"]
    found = []
    for report in reports.values():
        assert report.rejected == () and not report.notes and accepted(report.out)
        data = DataDir(report.out)
        found += [name.partition("-")[2] for name in data.utterances]
        for name, noisy in data.audio().items():
            clean = read_audio(data.audio("target.scp")[name])
            assert len(clean) == len(read_audio(noisy)) == expected["counts"]["samples_per_mixture"]
            noise = read_audio(noisy.source.replace("/mix_single/", "/noise/"))
            assert np.abs(read_audio(noisy) - clean - noise).max() < 1e-6
    assert sorted(found) == expected["names"]
    corpus = Wsj0(tree / "good")
    assert corpus.recording("wsj0/si_tr_s/011/011a0101.wav") == tree / "good/wsj0/si_tr_s/011/011a0101.wv1"


@pytest.fixture
def generated(tmp_path: Path, write_sound: WriteSound) -> Path:
    """A generated training set of two mixtures."""
    for kind in ("mix_single", "mix_both", "s1", "noise"):
        for name in (FIRST, SECOND):
            write_sound(tmp_path / "wham" / "wav16k" / "max" / "tr" / kind / f"{name}.wav")
    return tmp_path / "wham" / "wav16k" / "max" / "tr"


def run(generated: Path, **options: object) -> DataDirReport:
    root = generated.parents[3]
    (report,) = prepare(root, root / "data", parts=["train"], **options)  # type: ignore[arg-type]
    return report


def test_names_with_dots_stay_apart(generated: Path) -> None:
    assert DataDir(run(generated).out).utterances == [f"011-{FIRST}", f"011-{SECOND}"]


def test_oddities(generated: Path, write_sound: WriteSound) -> None:
    (generated / "s1" / f"{SECOND}.wav").unlink()
    write_sound(generated / "s1" / "22ga010c_1.2157_420a010i_-1.2157.wav")
    for kind in ("mix_single", "s1"):
        write_sound(generated / kind / "011a0101.wav")
        write_sound(generated / kind / "._x.wav")
        write_sound(generated / kind / "011a0102_1_401c0201_-1.wav", 0.8 if kind == "s1" else 0.2)
        write_sound(generated / kind / "011a0103_1_401c0202_-1.wav", level=0 if kind == "s1" else 0.1)
    report = run(generated)
    assert DataDir(report.out).utterances == [f"011-{FIRST}"]
    assert {name: reason.partition(":")[0] for name, reason in rejected(report).items()} == {
        SECOND: "only one of the two sounds",
        "22ga010c_1.2157_420a010i_-1.2157": "only one of the two sounds",
        "011a0101": "name of no mixture",
        "011-011a0102_1_401c0201_-1": "target of another length",
        "011-011a0103_1_401c0202_-1": "target silent",
    }
    assert report.remarks[0] == "5 mixtures are here, 20000 were published; is all of it unpacked?"


def test_texts_of_wsj0(generated: Path) -> None:
    dots = generated.parents[3] / "wsj0" / "transcrp" / "dots" / "si_tr_s" / "011"
    dots.mkdir(parents=True)
    (generated.parents[3] / "wsj0" / "si_tr_s").mkdir()
    (dots / "011a0100.dot").write_text("The [loud_breath] sale ,COMMA of hote:ls (011A0101)\nno match\n")
    report = run(generated)
    assert DataDir(report.out).table("text") == dict.fromkeys(
        (f"011-{FIRST}", f"011-{SECOND}"), "the sale comma of hotels"
    )
    assert not any("no text" in remark for remark in report.remarks)


@pytest.mark.parametrize(
    ("transcript", "words"),
    [
        ("<the> *hole* [<door_slam] was . deep -- and [tongue_click] dark", "the hole was deep and dark"),
        ("\\\"DOUBLE-QUOTE It's ten \\%PERCENT .PERIOD", "double-quote it's ten percent period"),
        ("'TIS !strange ;SEMI-COLON so-called ~", "'tis strange semi-colon so-called"),
    ],
)
def test_words_of_detailed_transcripts(transcript: str, words: str) -> None:
    assert spoken_words(transcript) == words


@pytest.fixture
def ingredients(tmp_path: Path, write_sound: WriteSound) -> Path:
    """WSJ0, wham_noise with its tables, and the lists of wham_scripts: three mixtures of the training set."""
    speech = write_sound(tmp_path / "wsj0" / "si_tr_s" / "011" / "011a0101.wav", 1.0)
    wave, _ = soundfile.read(speech)
    soundfile.write(speech.with_suffix(".wv1"), wave, 16_000, format="NIST")
    speech.unlink()
    names = (FIRST, SECOND, "011a0199_1_401c020r_-1")
    noise = tmp_path / "wham_noise"
    for name in names:
        source = write_sound(noise / "tr" / f"{name}.wav", 2.0)
        left, _ = soundfile.read(source)
        soundfile.write(source, np.stack([left, 0 * left], 1), 16_000)
    (noise / "metadata").mkdir()
    rows = "".join(f"{name}.wav,0,0,1\n" for name in names)
    header = "utterance_id,noise_samples_beginning_16k,noise_samples_end_16k,target_speaker1_snr_db\n"
    (noise / "metadata" / "mix_param_meta_tr.csv").write_text(header + rows)
    np.savez(
        noise / "metadata" / "scaling_tr.npz",
        utterance_id=np.array([f"{name}.wav" for name in names], dtype=object),
        speech_start_sample_16k=np.array([4000, 24_000, 0]),
        scaling_wsjmix_16k_max=np.array([[0.5, 9], [0.25, 9], [1, 9]]),
        scaling_wham_speech_16k_max=np.array([1.0, 2.0, 1]),
        scaling_wham_noise_16k_max=np.array([0.5, 1.0, 1]),
    )
    (tmp_path / "wham_scripts" / "data").mkdir(parents=True)
    listed = "".join(f"{name}.wav,wsj0/si_tr_s/011/{name[:8]}.wav,wsj0/si_tr_s/401/x.wav\n" for name in names)
    file = tmp_path / "wham_scripts" / "data" / "mix_2_spk_filenames_tr.csv"
    file.write_text(f"output_filename,s1_path,s2_path\n{listed}")
    return tmp_path


def test_mixtures_are_made_from_wsj0_and_noise(ingredients: Path, accepted: Callable) -> None:
    (report,) = prepare(ingredients, ingredients / "data", parts=["train"])
    data = DataDir(report.out)
    assert data.utterances == [f"011-{FIRST}", f"011-{SECOND}"] and accepted(report.out)
    assert "no such recording in WSJ0" in rejected(report)["011a0199_1_401c020r_-1"]
    speech, _ = soundfile.read(ingredients / "wsj0" / "si_tr_s" / "011" / "011a0101.wv1")
    for name, start, gain, noise_gain in ((FIRST, 4000, 0.5, 0.5), (SECOND, 24_000, 0.5, 1.0)):
        clean, noisy = (read_audio(data.audio(table)[f"011-{name}"]) for table in ("target.scp", "wav.scp"))
        noise, _ = soundfile.read(ingredients / "wham_noise" / "tr" / f"{name}.wav")
        assert len(clean) == len(noisy) == 32_000
        end = min(start + len(speech), 32_000)
        assert np.abs(clean[start:end] - gain * speech[: end - start]).max() < 2e-4
        assert not clean[:start].any() and not clean[end:].any()
        assert np.abs(noisy - clean - noise_gain * noise[:, 0]).max() < 2e-4  # the left channel alone


def test_mixtures_are_not_made_twice(ingredients: Path) -> None:
    for _ in range(2):
        prepare(ingredients, ingredients / "data", parts=["train"], nj=2)
    (folder,) = (ingredients / "data" / "wav").glob("tr_*")
    made = folder / "s1" / f"{FIRST}.wav"
    before = made.stat().st_mtime_ns
    prepare(ingredients, ingredients / "data", parts=["train"])
    assert made.stat().st_mtime_ns == before
    made.unlink()
    prepare(ingredients, ingredients / "data", parts=["train"])
    assert made.exists()


def test_what_mixing_needs(ingredients: Path, write_sound: WriteSound) -> None:
    run = {"parts": ["train"]}
    table = ingredients / "wham_noise" / "metadata" / "mix_param_meta_tr.csv"
    lines = table.read_text()
    table.write_text(lines + "one_more.wav,0,0,1\n")
    with pytest.raises(DataError, match=r"3 rows, but .*mix_param_meta_tr\.csv names 4 mixtures"):
        prepare(ingredients, ingredients / "data", **run)
    table.write_text(lines)
    (ingredients / "wham_noise" / "tr" / f"{SECOND}.wav").unlink()
    (report,) = prepare(ingredients, ingredients / "data", **run)
    assert "no noise" in rejected(report)[SECOND]
    write_sound(ingredients / "wham_noise" / "tr" / f"{FIRST}.wav", rate=8000)
    with pytest.raises(DataError, match="8000 Hz; WHAM! is mixed from recordings of 16000 Hz"):
        prepare(ingredients, ingredients / "data2", **run)
    with pytest.raises(UsageError, match=r"length=min: .* has no wav16k/min, and only max is mixed here"):
        prepare(ingredients, ingredients / "data", length="min")
    (ingredients / "wham_scripts" / "data" / "mix_2_spk_filenames_tr.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no column 'output_filename' with values"):
        prepare(ingredients, ingredients / "data", **run)
    with pytest.raises(DataError, match=r"mix_2_spk_filenames_cv\.csv: no such file; it is in the folder `data`"):
        prepare(ingredients, ingredients / "data", parts=["dev"])
    with pytest.raises(DataError, match="no mixtures of WHAM! are here, and to make them WSJ0 is needed"):
        prepare(ingredients / "data", ingredients / "data")
