"""Corpora as large as the real ones, without their sound: time and memory of preparation."""

import subprocess
import sys
from pathlib import Path

import pytest

from speecht5_cli.data.datadir import DataDir

pytestmark = pytest.mark.slow

MEASURED = """
import resource, sys, time
from pathlib import Path
from speecht5_cli.corpora.{corpus} import prepare
started = time.monotonic()
prepare(Path(sys.argv[1]), Path(sys.argv[2]), check_audio=False)
print("MEASURED", time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def measured(corpus: str, source: Path, out: Path) -> tuple[float, float]:
    """(seconds, GB of memory) that a preparation takes, in a process of its own."""
    command = [sys.executable, "-c", MEASURED.format(corpus=corpus), str(source), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _, seconds, kilobytes = done.stdout.splitlines()[-1].split()
    return float(seconds), float(kilobytes) / 1e6


def test_librispeech_960_h(tmp_path: Path) -> None:
    """281,241 recordings, as many as the three training sets have."""
    sizes = {"train-clean-100": (28_539, 251), "train-clean-360": (104_014, 921), "train-other-500": (148_688, 1_166)}
    for subset, (n_recordings, n_readers) in sizes.items():
        per_reader, more = divmod(n_recordings, n_readers)
        for reader in range(n_readers):
            folder = tmp_path / "LibriSpeech" / subset / str(1000 + reader) / "7"
            folder.mkdir(parents=True)
            names = [f"{1000 + reader}-7-{number:04d}" for number in range(per_reader + (reader < more))]
            for name in names:
                (folder / f"{name}.flac").touch()
            text = "".join(f"{name} A SENTENCE OF MIDDLING LENGTH AS MANY OF THEM ARE\n" for name in names)
            (folder / f"{1000 + reader}-7.trans.txt").write_text(text)
    seconds, gigabytes = measured("librispeech", tmp_path, tmp_path / "data")
    print(f"{seconds:.1f} s, {gigabytes:.2f} GB")
    assert sum(len(DataDir(tmp_path / "data" / name.replace("-", "_")).utterances) for name in sizes) == 281_241
    assert seconds < 60
    assert gigabytes < 1.5


def test_mustc_en_de(tmp_path: Path) -> None:
    """229,703 segments of 2,093 talks."""
    folder = tmp_path / "en-de" / "data" / "train"
    (folder / "wav").mkdir(parents=True)
    (folder / "txt").mkdir()
    lines = []
    for number in range(229_703):
        talk, place = divmod(number, 110)
        (folder / "wav" / f"ted_{talk}.wav").touch()
        lines.append(
            f"- {{duration: 5.210000, offset: {place * 6}.370000, rW: 9, speaker_id: spk.{talk}, uW: 0, "
            f"wav: ted_{talk}.wav}}\n"
        )
    (folder / "txt" / "train.yaml").write_text("".join(lines))
    for language in ("en", "de"):
        (folder / "txt" / f"train.{language}").write_text("A sentence of middling length, as many are.\n" * len(lines))
    seconds, gigabytes = measured("mustc", tmp_path, tmp_path / "data")
    print(f"{seconds:.1f} s, {gigabytes:.2f} GB")
    assert len(DataDir(tmp_path / "data" / "train").utterances) == 229_703
    assert seconds < 90
    assert gigabytes < 1.5


def test_voxceleb1(tmp_path: Path) -> None:
    """153,516 recordings of 1,251 speakers, 18 videos each."""
    lines = []
    for number in range(153_516):
        speaker, take = f"id{10001 + number % 1251}", number // 1251
        path = f"{speaker}/video{take % 18:06d}/{take // 18:05d}.wav"
        file = tmp_path / "dev" / "wav" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        lines.append(f"{1 if take < 110 else 2 + take % 2} {path}\n")
    (tmp_path / "iden_split.txt").write_text("".join(lines))
    seconds, gigabytes = measured("voxceleb1", tmp_path, tmp_path / "data")
    print(f"{seconds:.1f} s, {gigabytes:.2f} GB")
    assert sum(len(DataDir(tmp_path / "data" / name).utterances) for name in ("train", "dev", "test")) == 153_516
    assert seconds < 60
    assert gigabytes < 1.5
