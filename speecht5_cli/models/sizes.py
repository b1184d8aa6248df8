"""The sizes of a SpeechT5, read off its weights: what a file of another toolkit need not be trusted to say."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from speecht5_cli.models.config import CONV_KERNELS, ModelConfig
from speecht5_cli.models.lm_config import LMConfig
from speecht5_cli.models.postnets import N_SPECIAL

Weights = Mapping[str, Tensor]  # under our names


def sizes_of(weights: Weights) -> dict[str, Any]:
    """The fields of ModelConfig that the weights fix; those of nets that are absent are left out.

    Raises ValueError that names a tensor which every model has, or one whose shape cannot be.
    """
    d_model = _shape(weights, "encoder.norm.weight", 1)[0]
    sizes = {
        "d_model": d_model,
        "encoder_layers": count_layers(weights, "encoder.layers."),
        "decoder_layers": count_layers(weights, "decoder.layers."),
        "ffn_dim": _shape(weights, "encoder.layers.0.ffn.inner.weight", 2)[0],
        "pre_norm": "decoder.norm.weight" in weights,
    }
    sizes |= _relative_sizes(weights, d_model)
    for net, read in (
        ("speech_encoder_prenet.", _speech_in_sizes),
        ("speech_decoder_prenet.", _speech_out_sizes),
        ("unit_head.", _unit_sizes),
        ("quantizer.", _codebook_sizes),
    ):
        if any(name.startswith(net) for name in weights):
            sizes |= read(weights, d_model)
    return sizes


def smallest_tree(fields: Mapping[str, Any], config: type[ModelConfig | LMConfig] = ModelConfig) -> dict[str, Any]:
    """A `model:` block: the named size that is nearest to the fields, and the fields in which they differ."""
    blocks = []
    for size in ("base", "large", "small", "tiny"):  # of equally near ones the first
        named = asdict(config.of_size(size))
        blocks.append({"size": size} | {key: value for key, value in fields.items() if named[key] != value})
    return min(blocks, key=len)


def n_units(weights: Weights) -> int:
    """Clusters that the unit head knows; 0 without one."""
    return len(weights["unit_head.embeddings"]) - N_SPECIAL if "unit_head.embeddings" in weights else 0


def n_symbols(weights: Weights) -> int:
    """Rows of the text table; 0 without one."""
    return len(weights["symbols.weight"]) if "symbols.weight" in weights else 0


def n_classes(weights: Weights) -> int:
    """Rows of the class head; 0 without one."""
    return len(weights["class_head.weight"]) if "class_head.weight" in weights else 0


def _shape(weights: Weights, name: str, n_axes: int) -> tuple[int, ...]:
    if name not in weights:
        raise ValueError(f"{name} is missing")
    shape = tuple(weights[name].shape)
    if len(shape) != n_axes or 0 in shape:
        raise ValueError(f"{name} has shape {shape}, expected {n_axes} axes")
    return shape


def count_layers(weights: Weights, prefix: str) -> int:
    """How many numbers follow the prefix in names. Raises ValueError when they do not run from 0 on."""
    numbers = {int(name.removeprefix(prefix).split(".")[0]) for name in weights if name.startswith(prefix)}
    if not numbers or numbers != set(range(len(numbers))):
        raise ValueError(f"{prefix}*: the layers are not numbered from 0 without a gap: {sorted(numbers)}")
    return len(numbers)


def _relative_sizes(weights: Weights, d_model: int) -> dict[str, Any]:
    rows, head_dim = _shape(weights, "encoder.relative.table", 2)
    if rows % 2 or d_model % head_dim:
        raise ValueError(f"encoder.relative.table has shape {(rows, head_dim)}, which no model of width {d_model} has")
    return {"relative_distance": rows // 2, "heads": d_model // head_dim}


def _speech_in_sizes(weights: Weights, d_model: int) -> dict[str, Any]:
    channels = _shape(weights, "speech_encoder_prenet.features.convs.0.weight", 3)[0]
    _, group_width, kernel = _shape(weights, "speech_encoder_prenet.conv_positions.direction", 3)
    last = f"speech_encoder_prenet.features.norms.{len(CONV_KERNELS) - 1}.weight"
    return {
        "conv_channels": channels,
        "conv_norm": "layer" if last in weights else "group",
        "position_kernel": kernel,
        "position_groups": max(d_model // group_width, 1),
    }


def _speech_out_sizes(weights: Weights, d_model: int) -> dict[str, Any]:
    prenet_dim, n_mels = _shape(weights, "speech_decoder_prenet.layers.0.weight", 2)
    channels, _, kernel = _shape(weights, "speech_decoder_postnet.convs.0.weight", 3)
    return {
        "n_mels": n_mels,
        "reduction": _shape(weights, "speech_decoder_postnet.stop.weight", 2)[0],
        "prenet_dim": prenet_dim,
        "postnet_layers": count_layers(weights, "speech_decoder_postnet.convs."),
        "postnet_channels": channels,
        "postnet_kernel": kernel,
        "xvector_dim": _shape(weights, "speech_decoder_prenet.speaker.weight", 2)[1] - d_model,
    }


def _unit_sizes(weights: Weights, d_model: int) -> dict[str, Any]:
    return {"unit_dim": _shape(weights, "unit_head.embeddings", 2)[1]}


def _codebook_sizes(weights: Weights, d_model: int) -> dict[str, Any]:
    groups, entries, _ = _shape(weights, "quantizer.codebook", 3)
    return {"codebook_groups": groups, "codebook_entries": entries}
