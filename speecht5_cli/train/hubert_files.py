"""HuBERT BASE from a folder of Hugging Face's into a model folder."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from speecht5_cli.config import Tree, from_tree
from speecht5_cli.errors import CheckpointError
from speecht5_cli.models.config import CONV_KERNELS, CONV_STRIDES, ModelConfig
from speecht5_cli.models.hubert import Hubert
from speecht5_cli.models.keymaps import HUBERT
from speecht5_cli.models.sizes import smallest_tree
from speecht5_cli.train.checkpoint import write_model_folder
from speecht5_cli.train.foreign import Foreign, Imported, check, under_our_names, write_assets
from speecht5_cli.train.hf_files import HF_CONFIG, read_config, read_weights
from speecht5_cli.train.hubert_folder import KIND

_PREFIX = "hubert."  # of the encoder's tensors in a model with a head, which is left out
_EXPECTED: dict[str, Any] = {
    "do_stable_layer_norm": False,
    "feat_extract_norm": "group",
    "feat_proj_layer_norm": True,
    "conv_pos_batch_norm": False,
    "conv_bias": False,
    "conv_kernel": list(CONV_KERNELS),
    "conv_stride": list(CONV_STRIDES),
    "hidden_act": "gelu",
    "feat_extract_activation": "gelu",
    "layer_norm_eps": 1e-5,
}


@dataclass
class ForeignHubert(Foreign):
    """`fields` are all that differs from the defaults."""

    def tree(self) -> Tree:
        """The `model:` block."""
        return smallest_tree(self.fields)

    def net(self) -> nn.Module:
        """The encoder."""
        return Hubert(from_tree(ModelConfig, self.tree(), str(self.path)))


def read_hubert(folder: Path) -> ForeignHubert:
    """A folder of HubertModel, or of a HuBERT with a head. Raises CheckpointError that names setting or tensor."""
    tree = read_config(folder)
    for key, expected in _EXPECTED.items():
        if tree.get(key, expected) != expected:
            raise CheckpointError(
                f"{folder / HF_CONFIG}: {key} is {tree[key]!r}; only HuBERT BASE, with {expected!r}, is supported"
            )
    path, theirs = read_weights(folder)
    unused = []
    if any(name.startswith(_PREFIX) for name in theirs):
        unused = [name for name in theirs if not name.startswith(_PREFIX)]
        theirs = {name.removeprefix(_PREFIX): tensor for name, tensor in theirs.items() if name not in set(unused)}
    weights = under_our_names(theirs, HUBERT, path)
    try:
        fields = {
            "d_model": int(tree["hidden_size"]),
            "encoder_layers": int(tree["num_hidden_layers"]),
            "ffn_dim": int(tree["intermediate_size"]),
            "heads": int(tree["num_attention_heads"]),
            "conv_channels": int(tree["conv_dim"][0]),
            "position_kernel": int(tree["num_conv_pos_embeddings"]),
            "position_groups": int(tree["num_conv_pos_embedding_groups"]),
        }
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(f"{folder / HF_CONFIG}: a size is missing or no number: {error}") from None
    reasons = {"of a head": unused} if unused else {}
    return ForeignHubert(path, str((tree.get("architectures") or [""])[0]), weights, HUBERT, fields, reasons)


def import_hubert(folder: Path, out: Path) -> Imported:
    """Write the model folder `out`. Raises CheckpointError when a tensor does not fit; then nothing is written."""
    foreign = read_hubert(folder)
    check(foreign)
    with tempfile.TemporaryDirectory() as empty:
        tree = {"kind": KIND, "model": foreign.tree()}
        write_model_folder(out, foreign.weights, tree, write_assets(foreign, Path(empty)))
    n_parameters = sum(tensor.numel() for tensor in foreign.weights.values())
    return Imported(out, "HuBERT encoder", len(foreign.weights), n_parameters, [], foreign.unused)
