"""The laws that weights are drawn from before training (spec 1.7: BERT's, with a few exceptions)."""

import math

from torch import nn

from speecht5_cli.models.positions import RelativePositions
from speecht5_cli.models.postnets import UnitHead
from speecht5_cli.models.prenets import ConvFeatures, ConvPositions, SpeechEncoderPrenet
from speecht5_cli.models.quantizer import Quantizer


def initialise(model: nn.Module) -> None:
    """Draw all weights of a SpeechT5 from torch's generator.

    Linear, embedding and relative positions N(0, 0.02), biases 0; feature convolutions Kaiming normal; convolutional
    positions N(0, sqrt(4 / (kernel * width))); codebook, unit embeddings and mask embedding U(0, 1); norms, scales and
    the post-net's convolutions as their constructors leave them.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, 0.0, 0.02)  # the row of <pad>, too: it is tied to the output projection
        elif isinstance(module, RelativePositions):
            nn.init.normal_(module.table, 0.0, 0.02)
        elif isinstance(module, ConvFeatures):
            for conv in module.convs:
                nn.init.kaiming_normal_(conv.weight)
        elif isinstance(module, ConvPositions):
            _, _, kernel = module.direction.shape
            nn.init.normal_(module.direction, 0.0, math.sqrt(4.0 / (kernel * len(module.bias))))
            module.magnitude.data.copy_(module.direction.data.norm(dim=(0, 1), keepdim=True))
        elif isinstance(module, SpeechEncoderPrenet):
            nn.init.uniform_(module.mask_embedding)
        elif isinstance(module, UnitHead):
            nn.init.uniform_(module.embeddings)
        elif isinstance(module, Quantizer):
            nn.init.uniform_(module.codebook)
