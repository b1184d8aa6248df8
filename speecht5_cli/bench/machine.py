"""What was measured on: it belongs beside every figure."""

import os
import platform
from pathlib import Path

import torch

from speecht5_cli import __version__


def description() -> dict[str, str | int]:
    """Processor, threads and versions; no name of the machine."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "speecht5": __version__,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    extensions = {"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"}
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return ", ".join([names[0] if names else platform.processor(), *sorted(extensions & set(flags))])
