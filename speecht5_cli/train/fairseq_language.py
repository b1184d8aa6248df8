"""fairseq's `transformer_lm` checkpoints: the language models that the original rescored its searches with."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speecht5_cli.errors import CheckpointError
from speecht5_cli.models.keymaps import FAIRSEQ_LANGUAGE
from speecht5_cli.models.lm_config import LANGUAGE_SIZES, LMConfig
from speecht5_cli.models.sizes import count_layers, smallest_tree
from speecht5_cli.train.foreign import ForeignLanguageModel, under_our_names

KIND = "language_modeling"  # fairseq's name of the task
TABLE, OUTPUT = "decoder.embed_tokens.weight", "decoder.output_projection.weight"

_UNUSED = r"decoder\.version|.*\._float_tensor"
# Settings under which fairseq's is another network than ours, and what they must be.
_EXPECTED: dict[str, Any] = {
    "decoder_normalize_before": True,
    "no_decoder_final_norm": False,
    "decoder_learned_pos": False,
    "no_token_positional_embeddings": False,
    "adaptive_input": False,
    "character_embeddings": False,
    "layernorm_embedding": False,
    "adaptive_softmax_cutoff": None,
}
_FIELDS = ("dropout", "attention_dropout", "activation_dropout")


def is_language_model(theirs: Mapping[str, Tensor]) -> bool:
    """Whether a checkpoint has a decoder that attends to no encoder."""
    return TABLE in theirs and not any(name.startswith("encoder.") or "encoder_attn" in name for name in theirs)


def read_language_model(theirs: Mapping[str, Tensor], settings: Mapping[str, Any], path: Path) -> ForeignLanguageModel:
    """The tensors and settings of a checkpoint under our names. Raises CheckpointError that names setting or tensor."""
    for key, expected in _EXPECTED.items():
        if key in settings and (settings[key] or None) != (expected or None):
            raise CheckpointError(f"{path}: trained with {key} = {settings[key]!r}; only {expected!r} is supported")
    activation, heads = settings.get("activation_fn", "gelu"), settings.get("decoder_attention_heads")
    if activation not in ("gelu", "relu"):
        raise CheckpointError(f"{path}: trained with activation_fn = {activation!r}; gelu and relu are supported")
    unused = [name for name in theirs if re.fullmatch(_UNUSED, name)]
    used = {name: tensor for name, tensor in theirs.items() if name not in set(unused)}
    tied = OUTPUT not in used or _same(used[TABLE], used[OUTPUT])
    if tied:
        used.pop(OUTPUT, None)
    weights = under_our_names(used, FAIRSEQ_LANGUAGE, path)
    rows, d_model = _shape(weights, path)
    try:
        n_layers = count_layers(weights, "layers.")
    except ValueError as error:
        raise CheckpointError(f"{path}: decoder.{error}") from None
    large = LANGUAGE_SIZES["large"]
    if heads is None and d_model == large["d_model"]:
        heads = large["heads"]  # of the released model
    if not isinstance(heads, int) or heads < 1 or d_model % heads:
        raise CheckpointError(f"{path}: decoder_attention_heads is {heads!r}, which no model of width {d_model} has")
    fields = {
        "d_model": d_model,
        "layers": n_layers,
        "ffn_dim": len(weights.get("layers.0.ffn.inner.weight", ())),
        "heads": heads,
        "activation": activation,
        "scale_embedding": not settings.get("no_scale_embedding", False),
        "tied": tied,
        "symbols": rows,
        **{name: float(settings[name]) for name in _FIELDS if isinstance(settings.get(name), int | float)},
    }
    reasons = {"never used by the original": unused} if unused else {}
    return ForeignLanguageModel(path, KIND, weights, FAIRSEQ_LANGUAGE, smallest_tree(fields, LMConfig), reasons)


def _same(table: Tensor, output: Tensor) -> bool:
    return table.shape == output.shape and torch.equal(table, output)


def _shape(weights: Mapping[str, Tensor], path: Path) -> tuple[int, int]:
    shape = tuple(weights["symbols.weight"].shape)
    if len(shape) != 2 or 0 in shape:
        raise CheckpointError(f"{path}: {TABLE} has shape {shape}, expected two axes")
    return shape
