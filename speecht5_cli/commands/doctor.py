"""`speecht5 doctor`: what is missing or mismatched on this machine, and how to mend it."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import typer

from speecht5_cli import __version__
from speecht5_cli.errors import SpeechT5Error

LEAST_DISK_GB = 5.0


def add_to(app: typer.Typer) -> None:
    app.command("doctor", help="Say what is missing or mismatched on this machine, and how to mend it.")(doctor)


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    state: Literal["ok", "note", "wrong"]  # wrong: something will fail
    what: str
    mend: str = ""


def doctor() -> None:
    wrong = 0
    for check in (_python, _packages, _pair, _gpu, _sound, _extras, _machine):
        for finding in check():
            wrong += finding.state == "wrong"
            print(f"{finding.state:>6}  {finding.what}" + (f"\n        {finding.mend}" if finding.mend else ""))
    if wrong:
        raise SpeechT5Error(f"{wrong} of the above will not work until mended")


def _python() -> Iterator[Finding]:
    name = f"Python {sys.version.split()[0]}, speecht5 {__version__}"
    fits = (3, 10) <= sys.version_info[:2] < (3, 14)
    yield Finding("ok" if fits else "wrong", name, "" if fits else "use Python 3.10 to 3.13")


def _packages() -> Iterator[Finding]:
    """Everything that pyproject.toml requires is installed."""
    names = [line.split(";")[0] for line in requires("speecht5") or () if "extra ==" not in line]
    bare = ["".join(c for c in name.split("=")[0].split(">")[0].split("<")[0] if c not in "[]!~ ") for name in names]
    missing = [name for name in bare if _version(name) is None]
    if missing:
        yield Finding("wrong", f"missing packages: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    else:
        yield Finding("ok", f"{len(bare)} required packages are installed")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _pair() -> Iterator[Finding]:
    """torch and torchaudio must be a pair: what their versions say of that is not always true, so one is imported."""
    torch_version, audio_version = _version("torch"), _version("torchaudio")
    if torch_version is None or audio_version is None:
        return
    from speecht5_cli.data.torchaudio_pair import torchaudio

    try:
        torchaudio()
    except SpeechT5Error as error:
        yield Finding("wrong", f"torchaudio {audio_version} does not import", str(error))
    else:
        yield Finding("ok", f"torch {torch_version} with torchaudio {audio_version}")


def _gpu() -> Iterator[Finding]:
    if find_spec("torch") is None:
        return
    import torch

    from speecht5_cli.train.precision import gpu_multiplies_bf16

    if not torch.cuda.is_available():
        yield Finding("note", "no GPU: training runs on the CPU in fp32; enough for egs/mini and egs/fsdd")
        return
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        with torch.cuda.device(number):
            bf16 = "bf16" if gpu_multiplies_bf16() else "no bf16: fp32 is used"
        yield Finding("ok", f"GPU {number}: {properties.name}, {properties.total_memory / 1e9:.0f} GB, {bf16}")


def _sound() -> Iterator[Finding]:
    try:
        import soundfile
    except (ImportError, OSError) as error:
        yield Finding(
            "wrong", f"soundfile does not import: {error}", "pip install soundfile (on old Linux: libsndfile1)"
        )
        return
    mp3 = "MP3" in soundfile.available_formats()
    yield Finding("ok", f"soundfile {soundfile.__version__}: wav, flac, ogg{', mp3' if mp3 else ''}")
    if shutil.which("ffmpeg") is None:
        formats = "m4a and the like" if mp3 else "mp3, m4a and the like"
        yield Finding("note", f"no ffmpeg: {formats} cannot be read", "apt install ffmpeg, or brew install ffmpeg")
    else:
        yield Finding("ok", "ffmpeg decodes what soundfile cannot")


def _extras() -> Iterator[Finding]:
    """Optional packages, and what is lost without them."""
    extras: dict[str, tuple[str, tuple[str, ...]]] = {
        "mini": ("egs/mini cannot make its corpus", ("espeakng_loader",)),
        "world": ("no WORLD scores (MCD, F0)", ("pyworld", "pysptk")),
        "pesq": ("no PESQ", ("pesq",)),
        "slurm": ("no jobs on a Slurm cluster", ("submitit",)),
    }
    for extra, (loss, modules) in extras.items():
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            what = f"{loss}: {', '.join(missing)} is not installed"
            yield Finding("note", what, f"pip install '.[{extra}]', in the checkout")


def _machine() -> Iterator[Finding]:
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("ok", f"{cores} cores; OMP_NUM_THREADS {threads}")
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    enough = free_gb >= LEAST_DISK_GB
    yield Finding(
        "ok" if enough else "note",
        f"{free_gb:.0f} GB free here",
        "" if enough else f"recipes need {LEAST_DISK_GB:.0f} GB and more: start in another folder",
    )
