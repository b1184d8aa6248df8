"""The laws that weights are drawn from before training (spec 1.7: BERT's, with a few exceptions)."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from speecht5_cli.models.conv_features import ConvFeatures
from speecht5_cli.models.postnets import UnitHead
from speecht5_cli.models.prenets import ConvPositions, SpeechEncoderPrenet
from speecht5_cli.models.quantizer import Quantizer
from speecht5_cli.models.relative_attention import RelativePositions


def initialise(model: nn.Module, std: float) -> None:
    """Draw all weights of a SpeechT5 from torch's generator.

    Linear, embedding and relative positions N(0, std), biases 0; feature convolutions Kaiming normal; convolutional
    positions N(0, sqrt(4 / (kernel * width))); codebook, unit embeddings and mask embedding U(0, 1); norms, scales and
    the post-net's convolutions as their constructors leave them. On the meta device nothing is there to be drawn, and
    trying to takes a third of the time of loading a base model.
    """
    if next(model.parameters()).is_meta:
        return
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, 0.0, std)  # the row of <pad>, too: it is tied to the output projection
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, RelativePositions):
            nn.init.normal_(module.table, 0.0, std)
        for kind, draw in _LAWS.items():
            if isinstance(module, kind):
                draw(module)


@contextmanager
def without_memory() -> Iterator[None]:
    """Models that are built in the block are on the meta device: their weights are to be read, not drawn."""
    with torch.device("meta"), Undrawn():
        yield


class Undrawn(TorchFunctionMode):
    """In its block nothing is drawn: for nets whose weights are all read.

    To draw the 446 M weights of the authors' language model takes seconds. On the meta device torch would import its
    compiler to find out that nothing is there to be drawn: 0.7 s of a loading of 1.1 (`speecht5 bench loading`).
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _DRAWING:
            return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
        return func(*args, **(kwargs or {}))


_DRAWING = {nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_, torch.Tensor.normal_, torch.Tensor.uniform_}


def _draw_features(module: ConvFeatures) -> None:
    for conv in module.convs:
        nn.init.kaiming_normal_(conv.weight)


def _draw_positions(module: ConvPositions) -> None:
    nn.init.normal_(module.direction, 0.0, math.sqrt(4.0 / (module.direction.size(2) * len(module.bias))))
    module.magnitude.data.copy_(module.direction.data.norm(dim=(0, 1), keepdim=True))


_LAWS: dict[type[nn.Module], Callable[..., object]] = {
    ConvFeatures: _draw_features,
    ConvPositions: _draw_positions,
    SpeechEncoderPrenet: lambda module: nn.init.uniform_(module.mask_embedding),
    UnitHead: lambda module: nn.init.uniform_(module.embeddings),
    Quantizer: lambda module: nn.init.uniform_(module.codebook),
}
