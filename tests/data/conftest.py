"""Small sounds and small data dirs."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture
def speech(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes noise of a speech-like level; the name's suffix gives the format."""

    def write(
        name: str, seconds: float = 1.0, *, rate: int = 16_000, channels: int = 1, level: float = 0.1, **more: str
    ) -> Path:
        path = tmp_path / "audio" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (round(seconds * rate), channels) if channels > 1 else round(seconds * rate)
        wave = np.random.default_rng(len(name)).uniform(-level, level, shape)
        soundfile.write(path, wave, rate, **more)
        return path

    return write


@pytest.fixture
def streamed_flac(speech: Callable[..., Path]) -> Path:
    """A FLAC whose header gives no number of samples (36 bits of zeros), as encoders write into a pipe."""
    path = speech("streamed.flac")
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    return path


@pytest.fixture
def good_dir(tmp_path: Path, speech: Callable[..., Path]) -> Path:
    """A data dir of three utterances without any fault."""
    folder = tmp_path / "data" / "train"
    folder.mkdir(parents=True)
    sounds = {name: speech(f"{name}.wav", 1.5) for name in ("ann-1", "ann-2", "bob-1")}
    tables = {
        "wav.scp": {name: str(path) for name, path in sounds.items()},
        "utt2spk": {"ann-1": "ann", "ann-2": "ann", "bob-1": "bob"},
        "spk2utt": {"ann": "ann-1 ann-2", "bob": "bob-1"},
        "text": {"ann-1": "hello there", "ann-2": "guten Tag, Jürgen", "bob-1": "سلام می\u200cروم"},
        "utt2dur": dict.fromkeys(sounds, "1.5"),
    }
    for name, table in tables.items():
        (folder / name).write_text("".join(f"{key} {value}\n" for key, value in table.items()), encoding="utf-8")
    return folder


@pytest.fixture
def kaldi() -> Callable[..., None]:
    """Kaldi's own validator, where KALDI_ROOT names a copy of Kaldi."""
    root = os.environ.get("KALDI_ROOT")
    if not root:
        pytest.skip("KALDI_ROOT is not set")

    def accepts(folder: Path, *options: str) -> None:
        script = ["bash", "utils/validate_data_dir.sh", "--no-feats", *options, str(folder.resolve())]
        done = subprocess.run(script, cwd=Path(root, "egs/wsj/s5"), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Successfully validated" in done.stdout

    return accepts
