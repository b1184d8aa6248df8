"""Checkpoints of the original code (fairseq): read without fairseq and without running anything, and written.

    {"cfg": {"task": Namespace, "model": Namespace, ...}, "model": name -> tensor, "last_optimizer_state": ..., ...}

A file that trained without a configuration object has "args", one Namespace, in place of "cfg".
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from speecht5_cli.errors import CheckpointError
from speecht5_cli.models.config import CONV_KERNELS, CONV_STRIDES
from speecht5_cli.models.keymaps import fairseq_rules
from speecht5_cli.models.torch_file import StoredTensor, read_torch_file
from speecht5_cli.models.unpickle import BadPickle, settings
from speecht5_cli.train.fairseq_language import is_language_model, read_language_model
from speecht5_cli.train.foreign import Foreign, same_heads, under_our_names

TEXT_TABLE = "text_encoder_prenet.encoder_prenet.0.weight"
# One matrix, which every file holds under three names.
TIED = ("text_decoder_prenet.embed_tokens.weight", "text_decoder_postnet.output_projection.weight")

UNUSED = "never used by the original"
_UNUSED: tuple[str, ...] = (
    r"(encoder|decoder)\.version",
    r"decoder\.layers\.\d+\.norm_k\.(weight|bias)",
    r"decoder\.pos_emb\.pe_k\.weight",
    r".*\._float_tensor",
    r".*\.pe",  # sinusoids, in files of old versions
)
_UNUSED_POST_NORM = r"encoder\.layers\.\d+\.norm_k\.(weight|bias)"

# Settings that the weights do not show: theirs -> ours.
_FIELDS = {
    "dropout": "dropout",
    "attention_dropout": "attention_dropout",
    "activation_dropout": "activation_dropout",
    "encoder_layerdrop": "encoder_layerdrop",
    "decoder_layerdrop": "decoder_layerdrop",
    "transformer_dec_positional_dropout_rate": "position_dropout",
    "dprenet_dropout_rate": "prenet_dropout",
    "postnet_dropout_rate": "postnet_dropout",
    "feature_grad_mult": "feature_grad_scale",
    "logit_temp": "unit_temperature",
}
# Settings under which the original is another network than ours, and the values that are supported.
_EXPECTED: dict[str, list[Any]] = yaml.safe_load("""
activation_fn: [gelu]
layer_norm_eps: [1.0e-5]
no_scale_embedding: [true]
layernorm_embedding: [false]
share_input_output_embed: [true]
share_ctc_embed: [false]
relative_position_embedding: [true]
use_conv_pos: [true]
use_sinc_pos: [true]
enc_use_scaled_pos_enc: [true]
dec_use_scaled_pos_enc: [true]
encoder_speech_prenet: [conv]
spk_embed_integration_type: [pre]
unb_enc_layer: [-1]
dprenet_layers: [2]
use_batch_norm: [true]
target_glu: [false]
untie_final_proj: [true]
conv_bias: [false]
sid_softmax_type: [softmax]
sid_pooling_layer: [decoder]
se_decoder_input: [previous_target]
se_predict: []
""")


def read_fairseq(path: Path) -> Foreign:
    """A checkpoint of the original code. Raises CheckpointError that names file and tensor."""
    content = read_checkpoint(path)
    model, task = settings_of(content)
    theirs = tensors_of(content, path)
    if is_language_model(theirs):
        return read_language_model(theirs, model, path)
    _refuse_other_settings(model, path)
    theirs = _with_one_table(theirs, path)
    layer_norms = any(re.search(r"conv_layers\.\d+\.2\.1\.weight$", name) for name in theirs)
    pre_norm = "decoder.layer_norm.weight" in theirs
    if "encoder.layer_norm.weight" not in theirs:
        raise CheckpointError(
            f"{path}: a checkpoint of fairseq, but of no SpeechT5: encoder.layer_norm.weight is missing; it has "
            f"{', '.join(sorted(theirs)[:3])}"
        )
    patterns = _UNUSED if pre_norm else (*_UNUSED, _UNUSED_POST_NORM)
    unused = [name for name in theirs if any(re.fullmatch(pattern, name) for pattern in patterns)]
    used = {name: tensor for name, tensor in theirs.items() if name not in set(unused)}
    rules = fairseq_rules("layer" if layer_norms else "group")
    weights = under_our_names(used, rules, path)
    same_heads(path, weights, model.get("encoder_attention_heads"), model.get("decoder_attention_heads"))
    if "quantizer.codebook" in weights:
        weights["quantizer.codebook"] = _in_groups(weights, path)
    fields = {ours: float(model[name]) for name, ours in _FIELDS.items() if isinstance(model.get(name), int | float)}
    return Foreign(path, str(task.get("t5_task") or ""), weights, rules, fields, {UNUSED: unused} if unused else {})


def read_checkpoint(path: Path) -> dict[Any, Any]:
    """The content of a file of torch's, its tensors still on disk. Raises CheckpointError."""
    try:
        with path.open("rb") as file:
            content = read_torch_file(file)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}") from None
    except BadPickle as error:
        raise CheckpointError(f"{path}: {error}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, expected a dictionary with 'model'")
    return content


def tensors_of(content: Mapping[Any, Any], path: Path) -> dict[str, Tensor]:
    """The tensors under "model", by their own names."""
    model = content.get("model")
    if not isinstance(model, dict) or not model:
        raise CheckpointError(f"{path}: no 'model' in it; its keys are {', '.join(map(str, list(content)[:8]))}")
    wrong = [str(name) for name, value in model.items() if not isinstance(value, StoredTensor)]
    if wrong:
        raise CheckpointError(f"{path}: {wrong[0]} is no tensor")
    return {str(name): stored.load() for name, stored in model.items()}


def settings_of(content: Mapping[Any, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(of the model, of the task), empty where the file has none."""
    args = settings(content.get("args")) or {}
    cfg = settings(content.get("cfg")) or {}
    return {**args, **(cfg.get("model") or {})}, {**args, **(cfg.get("task") or {})}


def _refuse_other_settings(model: Mapping[str, Any], path: Path) -> None:
    for key, allowed in _EXPECTED.items():
        if key in model and model[key] not in allowed and model[key] is not None:
            raise CheckpointError(
                f"{path}: trained with {key} = {model[key]!r}; only {' or '.join(map(repr, allowed))} is supported"
            )
    layers = model.get("conv_feature_layers")
    if isinstance(layers, str) and _convolutions(layers) != list(zip(CONV_KERNELS, CONV_STRIDES)):
        raise CheckpointError(
            f"{path}: trained with conv_feature_layers = {layers}; only the published ones are supported"
        )


def _convolutions(text: str) -> list[tuple[int, int]]:
    """Kernel and stride of each layer, from such as `[(512, 10, 5)] + [(512, 3, 2)] * 4`."""
    layers = []
    for kernel, stride, times in re.findall(r"\(\s*\d+\s*,\s*(\d+)\s*,\s*(\d+)\s*\)\s*\](?:\s*\*\s*(\d+))?", text):
        layers += [(int(kernel), int(stride))] * int(times or 1)
    return layers


def _with_one_table(theirs: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors with the text table under its first name only. Raises CheckpointError when its copies differ."""
    copies = [name for name in (TEXT_TABLE, *TIED) if name in theirs]
    for name in copies[1:]:
        first, other = theirs[copies[0]], theirs[name]
        if first.shape != other.shape or not torch.equal(first, other):
            raise CheckpointError(
                f"{path}: {copies[0]} and {name} differ; only models with one text table are supported"
            )
    rest = {name: tensor for name, tensor in theirs.items() if name not in copies}
    return {TEXT_TABLE: theirs[copies[0]], **rest} if copies else rest


def _in_groups(weights: Mapping[str, Tensor], path: Path) -> Tensor:
    """The codebook (1, groups * entries, D / groups) as (groups, entries, D / groups)."""
    codebook, norm = weights["quantizer.codebook"], weights.get("encoder.norm.weight")
    shape = tuple(codebook.shape)
    d_model = 0 if norm is None else len(norm)
    if len(shape) != 3 or shape[0] != 1 or d_model % shape[2] or shape[1] % (d_model // shape[2]):
        raise CheckpointError(f"{path}: quantizer.vars has shape {shape}, which no codebook of width {d_model} has")
    return codebook.view(d_model // shape[2], -1, shape[2])
