"""What a training may save: memory by computing layers twice, time by compiling them. Neither changes a model file."""

import os
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from shutil import which
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from speecht5_cli.errors import UsageError
from speecht5_cli.models.lm import LMLayer
from speecht5_cli.models.transformer import DecoderLayer, EncoderLayer
from speecht5_cli.train.config import TrainConfig


def economise(model: nn.Module, cfg: TrainConfig) -> None:
    """Apply `checkpoint_layers` and `compile` to every Transformer layer of a model that is about to be trained.

    Raises UsageError when this machine has nothing to compile with.
    """
    if cfg.compile:
        _need_compiler(next(model.parameters()).device)
        for layer in _layers(model):
            layer.forward = torch.compile(layer.forward, dynamic=True)  # lengths differ from batch to batch
    if cfg.checkpoint_layers:
        for layer in _layers(model):
            layer.forward = partial(_computed_twice, layer.forward, layer)


def _need_compiler(device: torch.device) -> None:
    """Raises UsageError where torch.compile would fail at the first step."""
    compiler = os.environ.get("CXX", "c++")
    if device.type == "cuda" and find_spec("triton") is None:
        raise UsageError("train.compile needs the package triton on a GPU; install it, or leave compile false")
    if device.type == "cpu" and which(compiler) is None:
        raise UsageError(f"train.compile needs a C++ compiler, and there is no {compiler}; leave it false here")


def _layers(model: nn.Module) -> Iterator[nn.Module]:
    return (m for m in model.modules() if isinstance(m, (EncoderLayer, DecoderLayer, LMLayer)))


def _computed_twice(forward: Any, layer: nn.Module, *inputs: Any, **options: Any) -> Any:
    """Keep what goes into the layer, nothing from inside. Dropout falls alike: the generator is set back for it."""
    if not (layer.training and torch.is_grad_enabled()):
        return forward(*inputs, **options)
    return checkpoint(forward, *inputs, use_reentrant=False, **options)
