"""What a training has left: numbers and weights, to be compared with those of another."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

_OF_THE_CLOCK = {"steps_per_s", "cost_per_s", "waiting"}


def numbers(exp: Path, split: str) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, without what the clock decides."""
    lines = [json.loads(line) for line in (exp / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in _OF_THE_CLOCK} for line in lines if line["split"] == split]


def steps(exp: Path, split: str = "train") -> list[int]:
    return [line["step"] for line in numbers(exp, split)]


def weights(exp: Path) -> dict[str, Tensor]:
    """Of the final model."""
    return load_file(exp / "model" / "model.safetensors")


def assert_same_run(exp: Path, other: Path) -> None:
    """Bit for bit: every logged number, every weight."""
    for split in ("train", "dev"):
        assert numbers(exp, split) == numbers(other, split)
    assert (exp / "model" / "model.safetensors").read_bytes() == (other / "model" / "model.safetensors").read_bytes()


def distance(one: dict[str, Tensor], other: dict[str, Tensor], *, leave_out: str = "running_") -> float:
    """Largest difference of two models' tensors, statistics of norms left out."""
    assert one.keys() == other.keys()
    names = [name for name in one if leave_out not in name and one[name].is_floating_point()]
    return max(float((one[name] - other[name]).abs().max()) for name in names)


def checkpoint_steps(exp: Path) -> list[int]:
    """On disk, sorted."""
    return sorted(int(path.name) for path in (exp / "checkpoints").iterdir() if path.name.isdigit())


def all_finite(tensors: dict[str, Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
