"""What was measured on: it belongs beside every figure."""

import os
import platform

import torch

from speecht5_cli import __version__
from speecht5_cli.device import processor


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
    extensions = {"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"} & set(processor("flags").split())
    return ", ".join([processor("model name") or platform.processor(), *sorted(extensions)])
