"""Parameter names of SpeechBrain's x-vector net -> ours.

Its `embedding_model.ckpt` numbers the steps of one list: convolution, activation and batch norm in turn for every
frame layer, then the pooling, then the linear layer.
"""

from collections.abc import Mapping

from torch import Tensor

from speecht5_cli.models.xvector import XVectorNetConfig


def from_speechbrain(state: Mapping[str, Tensor]) -> tuple[XVectorNetConfig, dict[str, Tensor]]:
    """The sizes and the state of our net. Raises ValueError when the names or shapes are not those of that net.

    Dilations leave no trace in the weights; they are taken to be the published ones.
    """
    n_layers = len(XVectorNetConfig().dilations)
    names = _names(n_layers)
    unknown, missing = sorted(state.keys() - names.keys()), sorted(names.keys() - state.keys())
    if unknown or missing:
        raise ValueError(
            f"not the weights of SpeechBrain's x-vector net with {n_layers} frame layers: "
            f"missing {missing[:3]}, unknown {unknown[:3]}"
        )
    convolutions = [state[f"blocks.{3 * i}.conv.weight"] for i in range(n_layers)]  # each (C out, C in, kernel size)
    config = XVectorNetConfig(
        n_mels=convolutions[0].size(1),
        channels=tuple(weight.size(0) for weight in convolutions),
        kernel_sizes=tuple(weight.size(2) for weight in convolutions),
        dim=state[f"blocks.{3 * n_layers + 1}.w.weight"].size(0),
    )
    return config, {ours: state[theirs] for theirs, ours in names.items()}


def _names(n_layers: int) -> dict[str, str]:
    """Their name -> ours."""
    names = {}
    for i in range(n_layers):
        for part in ("weight", "bias"):
            names[f"blocks.{3 * i}.conv.{part}"] = f"frame_layers.{i}.conv.{part}"
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            names[f"blocks.{3 * i + 2}.norm.{part}"] = f"frame_layers.{i}.norm.{part}"
    for part in ("weight", "bias"):
        names[f"blocks.{3 * n_layers + 1}.w.{part}"] = f"segment_layer.{part}"
    return names
