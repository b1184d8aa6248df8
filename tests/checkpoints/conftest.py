"""The original's small checkpoints and Hugging Face's small folders, as the golden suite keeps them."""

import lzma
import shutil
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_models import GOLDEN, tensors


@pytest.fixture(scope="session")
def dictionary() -> Path:
    return GOLDEN / "dict.txt"


@pytest.fixture(scope="session")
def fairseq_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A checkpoint that says it was trained for some t5_task; `change` may alter its content."""
    folder = tmp_path_factory.mktemp("fairseq")
    plain = {}
    for name in ("ckpt_pretrain", "ckpt_large_prenorm"):
        plain[name] = folder / f"{name}.pt"
        plain[name].write_bytes(lzma.decompress((GOLDEN / f"{name}.pt.xz").read_bytes()))
    counter = iter(range(1000))

    def make(
        kind: str = "pretrain", name: str = "ckpt_pretrain", change: Callable[[dict[str, Any]], object] | None = None
    ) -> Path:
        model = tensors(plain[name])
        if kind != "pretrain":  # fine-tuning drops them
            model = {key: value for key, value in model.items() if not key.startswith(("hubert_layer", "quantizer"))}
        if kind == "s2c":
            extra = np.load(GOLDEN / "sid_extra_weights.npz")
            model |= {key: torch.from_numpy(array) for key, array in extra.items()}
        heads = {"encoder_attention_heads": 2 if "large" in name else 4}
        options = Namespace(activation_fn="gelu", layer_norm_eps=1e-5, dropout=0.1, logit_temp=0.1, **heads)
        content = {"args": None, "cfg": {"task": Namespace(t5_task=kind), "model": options}, "model": model}
        if change:
            change(content)
        place = folder / str(next(counter))
        place.mkdir()
        torch.save(content, place / "speecht5.pt")
        return place / "speecht5.pt"

    return make


@pytest.fixture
def hf_folder(tmp_path: Path) -> Callable[[str], Path]:
    """A writable copy of a small folder, "asr" or "tts"."""

    def make(name: str) -> Path:
        place = tmp_path / f"hf_{name}"
        shutil.copytree(GOLDEN / "hf" / name, place)
        packed = place / "model.safetensors.xz"
        (place / "model.safetensors").write_bytes(lzma.decompress(packed.read_bytes()))
        packed.unlink()
        return place

    return make
