"""fairseq's id-less labels, out and in again."""

from pathlib import Path

import numpy as np
import pytest

from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.data.fairseq_labels import export_labels, import_labels
from speecht5_cli.data.frames import n_unit_frames
from speecht5_cli.data.tables import write_table
from speecht5_cli.data.units import UnitInfo
from speecht5_cli.errors import DataError

N_SAMPLES = {"s-b": 8000, "s-a": 16_000, "t-c": 12_000}


@pytest.fixture
def data_dir(tmp_path: Path) -> DataDir:
    """Three utterances in two folders, with labels."""
    scp, units = {}, {}
    for number, (utterance, n_samples) in enumerate(N_SAMPLES.items()):
        path = tmp_path / "wav" / utterance[0] / f"{utterance[2]}.wav"
        write_audio(path, np.zeros(n_samples, np.float32))
        scp[utterance] = str(path)
        units[utterance] = " ".join(str(t % 3 + number) for t in range(n_unit_frames(n_samples)))
    speakers = {utterance: utterance[0] for utterance in scp}
    write_tables(tmp_path / "data", {"wav.scp": scp, "utt2spk": speakers, "units": units})
    UnitInfo(50.0, 7, "hash").save(tmp_path / "data")
    return DataDir(tmp_path / "data")


def bare_copy(data_dir: DataDir, out: Path, **changes: str) -> DataDir:
    tables = {name: data_dir.table(name) for name in ("utt2spk", "wav.scp")}
    return write_tables(out, tables | {"wav.scp": tables["wav.scp"] | changes})


def test_export(data_dir: DataDir, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    done = export_labels(data_dir, out, "train")
    assert (done.n_utterances, done.n_used) == (3, 5)
    assert (out / "train.tsv").read_text() == f"{tmp_path}/wav\ns/a.wav\t16000\ns/b.wav\t8000\nt/c.wav\t12000\n"
    assert [len(line.split()) for line in (out / "train.km").read_text().splitlines()] == [49, 24, 37]
    assert (out / "dict.km.txt").read_text() == "".join(f"{cluster} 1\n" for cluster in range(7))


def test_there_and_back(data_dir: DataDir, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    export_labels(data_dir, out, "train")
    copy = bare_copy(data_dir, tmp_path / "copy")
    import_labels(out / "train.tsv", out / "train.km", out / "dict.km.txt", copy, rate_hz=50)
    assert DataDir(copy.path).table("units") == data_dir.table("units")
    assert UnitInfo.load(copy.path) == UnitInfo(50.0, 7, None)


def test_sound_elsewhere_is_found_by_its_name(data_dir: DataDir, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    export_labels(data_dir, out, "train")
    (tmp_path / "wav").rename(tmp_path / "moved")
    moved = {key: value.replace("/wav/", "/moved/") for key, value in data_dir.table("wav.scp").items()}
    copy = bare_copy(data_dir, tmp_path / "copy", **moved)
    import_labels(out / "train.tsv", out / "train.km", out / "dict.km.txt", copy, rate_hz=50, name="units_x")
    assert DataDir(copy.path).table("units_x") == data_dir.table("units")


def test_a_name_that_two_files_have_is_no_name(data_dir: DataDir, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    export_labels(data_dir, out, "train")
    tsv = out / "train.tsv"
    tsv.write_text(tsv.read_text().replace(f"{tmp_path}/wav", "/elsewhere").replace("t/c.wav", "t/a.wav"))
    with pytest.raises(DataError, match=r"2 of .*/utt2spk are not there, such as s-a"):
        import_labels(tsv, out / "train.km", out / "dict.km.txt", data_dir, rate_hz=50)


def test_the_dictionary_numbers_the_clusters(data_dir: DataDir, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    export_labels(data_dir, out, "train")
    (out / "dict.km.txt").write_text("".join(f"{cluster} 9\n" for cluster in (6, 5, 4, 3, 2, 1, 0)))
    copy = bare_copy(data_dir, tmp_path / "copy")
    import_labels(out / "train.tsv", out / "train.km", out / "dict.km.txt", copy, rate_hz=50)
    expected = [6 - int(label) for label in data_dir.table("units")["s-a"].split()]
    assert [int(label) for label in DataDir(copy.path).table("units")["s-a"].split()] == expected


def test_counts_that_do_not_match(data_dir: DataDir, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    export_labels(data_dir, out, "train")
    files = (out / "train.tsv", out / "train.km", out / "dict.km.txt")
    copy = bare_copy(data_dir, tmp_path / "copy")
    good = {file: file.read_text() for file in files}

    def refused(file: Path, text: str, complaint: str) -> None:
        file.write_text(text)
        with pytest.raises(DataError, match=complaint):
            import_labels(*files, copy, rate_hz=50)
        file.write_text(good[file])
        assert not copy.has("units")

    tsv, km, dictionary = files
    lines = good[km].splitlines()
    refused(km, "\n".join(lines[:2]) + "\n", r"train\.km: 2 lines, but .*train\.tsv lists 3 files")
    refused(km, "\n".join(reversed(lines)) + "\n", "utterance s-a: 37 labels at 50 Hz, but its 1.000 s")
    refused(km, "\n".join([lines[0], "99 1", lines[2]]) + "\n", r"train\.km:2: label '99' is not in")
    refused(dictionary, "", "expected at least two")
    refused(dictionary, "0 1\n0 1\n", "each cluster once")
    refused(tsv, good[tsv].replace("\t8000", ""), r"train\.tsv:3: expected 'path<tab>number")
    with pytest.raises(DataError, match="make 98; do the features belong"):
        import_labels(*files, copy, rate_hz=100)


def test_what_fairseq_cannot_say(data_dir: DataDir, tmp_path: Path) -> None:
    write_table(data_dir.path / "segments", {key: f"{key} 0.0 {n / 16_000}" for key, n in N_SAMPLES.items()})
    with pytest.raises(DataError, match="name whole files only"):
        export_labels(DataDir(data_dir.path), tmp_path / "labels", "train")
    with pytest.raises(DataError, match="has segments"):
        (tmp_path / "a.tsv").write_text("/\na.wav\t1\n")
        (tmp_path / "a.km").write_text("0\n")
        (tmp_path / "dict").write_text("0 1\n1 1\n")
        import_labels(tmp_path / "a.tsv", tmp_path / "a.km", tmp_path / "dict", DataDir(data_dir.path), rate_hz=50)
