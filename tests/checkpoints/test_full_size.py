"""A checkpoint as large as the released base model, with its optimiser's state: time and memory of an import."""

import resource
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.models.keymaps import fairseq_rules, renamed
from speecht5_cli.models.speecht5 import SpeechT5

pytestmark = pytest.mark.slow

MOST_SECONDS, MOST_MEMORY = 20.0, 2.5  # memory: as a multiple of the file


@pytest.fixture
def base_file(tmp_path: Path) -> Iterator[Path]:
    """1.85 GB: weights and both of Adam's moments in float32, as the original's trainer writes them."""
    parts = Parts(
        speech_in=True, text_in=True, text_out=True, speech_out=True, codebook=True, vocabulary=81, blank=80, units=500
    )
    net, rules = SpeechT5(ModelConfig(), parts), fairseq_rules("group")
    model = {str(renamed(name, rules)): tensor for name, tensor in net.state_dict().items()}
    model["quantizer.vars"] = model["quantizer.vars"].flatten(0, 1)[None]
    n = sum(parameter.numel() for parameter in net.parameters())
    moments = {name: torch.rand(n) for name in ("exp_avg", "exp_avg_sq")}
    content = {
        "args": None,
        "cfg": {"task": Namespace(t5_task="pretrain"), "model": Namespace(activation_fn="gelu")},
        "model": model,
        "last_optimizer_state": {"state": {0: {"step": 800_000, **moments}}, "param_groups": []},
    }
    path = tmp_path / "speecht5_base.pt"
    torch.save(content, path)
    (tmp_path / "dict.txt").write_text("".join(f"s{i} 1\n" for i in range(75)), encoding="utf-8")
    yield path
    path.unlink()
    shutil.rmtree(tmp_path / "model", ignore_errors=True)


def test_time_and_memory(base_file: Path, tmp_path: Path) -> None:
    size = base_file.stat().st_size
    assert 1.8e9 < size < 1.9e9
    command = "from speecht5_cli.main import main; main()"
    words = ["checkpoint", "import", "--from", "fairseq", str(base_file), str(tmp_path / "model")]
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", command, *words], check=True)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"{seconds:.1f} s, {peak / 1e9:.2f} GB, {peak / size:.2f} x the file")
    assert seconds < MOST_SECONDS
    assert peak < MOST_MEMORY * size
    with safe_open(tmp_path / "model" / "model.safetensors", framework="pt") as file:
        assert len(file.keys()) > 400
