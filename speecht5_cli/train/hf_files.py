"""Folders of Hugging Face's `SpeechT5For...`, in and out, without `transformers`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speecht5_cli.config import Tree, to_tree
from speecht5_cli.data.assets import Assets
from speecht5_cli.data.vocabulary import FIRST, VOCAB_FILE, Vocabulary
from speecht5_cli.errors import CheckpointError
from speecht5_cli.files import atomic_dir
from speecht5_cli.folders import ASSETS, MODEL, model_folder
from speecht5_cli.models.config import CONV_KERNELS, CONV_STRIDES, ModelConfig
from speecht5_cli.models.keymaps import hf_rules, renamed
from speecht5_cli.models.sizes import n_symbols
from speecht5_cli.models.torch_file import StoredTensor
from speecht5_cli.tensors import read_tensors
from speecht5_cli.train.fairseq_files import read_checkpoint
from speecht5_cli.train.foreign import Foreign, config_to_export, same_heads, under_our_names
from speecht5_cli.train.foreign_vocabulary import ADDED, PIECES, read_tokenizer

HF_CONFIG, HF_WEIGHTS, HF_PICKLE = "config.json", "model.safetensors", "pytorch_model.bin"
MODEL_TYPE = "speecht5"

_TABLES = ("speecht5.encoder.prenet.embed_tokens.weight", "speecht5.decoder.prenet.embed_tokens.weight")
# The output projection, in files that do not rely on its being tied to the table.
_TEXT_HEAD = r"text_decoder_postnet\.\w+\.weight"
# Tables that are computed, in files of old versions.
_COMPUTED = r".*\.(encode_positions\.pe|pos_sinusoidal_embed\.weights|prenet\.embed_positions\.weights)"
_OLD_NAMES = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}

# Settings that the weights do not show: theirs -> ours.
_FIELDS = {
    "hidden_dropout": "dropout",
    "attention_dropout": "attention_dropout",
    "activation_dropout": "activation_dropout",
    "encoder_layerdrop": "encoder_layerdrop",
    "decoder_layerdrop": "decoder_layerdrop",
    "positional_dropout": "position_dropout",
    "speech_decoder_prenet_dropout": "prenet_dropout",
    "speech_decoder_postnet_dropout": "postnet_dropout",
}
# Sizes, for nets that the weights lack: theirs -> ours.
_SIZES = {
    "num_mel_bins": "n_mels",
    "reduction_factor": "reduction",
    "speaker_embedding_dim": "xvector_dim",
    "speech_decoder_prenet_units": "prenet_dim",
    "speech_decoder_postnet_layers": "postnet_layers",
    "speech_decoder_postnet_units": "postnet_channels",
    "speech_decoder_postnet_kernel": "postnet_kernel",
    "num_conv_pos_embeddings": "position_kernel",
    "num_conv_pos_embedding_groups": "position_groups",
}
# Settings under which theirs is another network than ours.
_EXPECTED: dict[str, Any] = {
    "hidden_act": "gelu",
    "feat_extract_activation": "gelu",
    "scale_embedding": False,
    "layer_norm_eps": 1e-5,
    "conv_kernel": list(CONV_KERNELS),
    "conv_stride": list(CONV_STRIDES),
    "conv_bias": False,
    "speech_decoder_prenet_layers": 2,
}


def read_hf(folder: Path) -> Foreign:
    """A folder with config.json and weights. Raises CheckpointError that names file and tensor."""
    tree = read_config(folder)
    if tree.get("model_type") != MODEL_TYPE:
        raise CheckpointError(f"{folder / HF_CONFIG}: model_type '{tree.get('model_type')}', expected '{MODEL_TYPE}'")
    for key, expected in _EXPECTED.items():
        if tree.get(key, expected) != expected:
            raise CheckpointError(f"{folder / HF_CONFIG}: {key} is {tree[key]!r}; only {expected!r} is supported")
    path, theirs = read_weights(folder)
    tied = [name for name in theirs if re.fullmatch(_TEXT_HEAD, name)]
    for name in tied:
        _check_tied(theirs, name, path)
    unused = [name for name in theirs if re.fullmatch(_COMPUTED, name)]
    used = {name: tensor for name, tensor in theirs.items() if name not in {*unused, *tied}}
    rules = hf_rules(text_in=_TABLES[0] in theirs)
    weights = under_our_names(used, rules, path)
    same_heads(path, weights, tree.get("encoder_attention_heads"), tree.get("decoder_attention_heads"))
    kind = str((tree.get("architectures") or [""])[0])
    reasons = {"computed anew": unused} if unused else {}
    return Foreign(path, kind, weights, rules, _fields(tree, folder), reasons, read_tokenizer(folder))


def _fields(tree: Tree, folder: Path) -> dict[str, Any]:
    """The fields of ModelConfig that config.json says."""
    fields: dict[str, Any] = {"compat": "hf"}
    try:
        fields |= {ours: float(tree[name]) for name, ours in _FIELDS.items() if name in tree}
        fields |= {ours: int(tree[name]) for name, ours in _SIZES.items() if name in tree}
        fields |= {"conv_channels": int(tree["conv_dim"][0])} if "conv_dim" in tree else {}
    except (TypeError, ValueError, IndexError) as error:
        raise CheckpointError(f"{folder / HF_CONFIG}: a setting is no number: {error}") from None
    return fields


def read_config(folder: Path) -> Tree:
    """config.json. Raises CheckpointError when there is none, or when it is none."""
    path = folder / HF_CONFIG
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"{path}: no such file; a folder of Hugging Face's has one") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: not readable as JSON: {error}") from None
    if not isinstance(tree, dict):
        raise CheckpointError(f"{path}: expected an object, got a {type(tree).__name__}")
    return tree


def read_weights(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """The file of weights, and its tensors under today's names. Raises CheckpointError."""
    path = folder / HF_WEIGHTS
    if path.exists():
        tensors = read_tensors(path)
    elif (folder / HF_PICKLE).exists():
        path = folder / HF_PICKLE
        content = read_checkpoint(path)
        tensors = {str(name): stored.load() for name, stored in content.items() if isinstance(stored, StoredTensor)}
        if len(tensors) < len(content):
            raise CheckpointError(f"{path}: holds more than tensors; expected a state dictionary")
    else:
        raise CheckpointError(f"{folder}: neither {HF_WEIGHTS} nor {HF_PICKLE} in it")
    return path, {_todays(name): tensor for name, tensor in tensors.items()}


def _todays(name: str) -> str:
    stem, _, last = name.rpartition(".")
    return f"{stem}.{_OLD_NAMES[last]}" if last in _OLD_NAMES else name


def _check_tied(theirs: Mapping[str, Tensor], name: str, path: Path) -> None:
    table = theirs.get(_TABLES[1])
    if table is None or table.shape != theirs[name].shape or not torch.equal(table, theirs[name]):
        raise CheckpointError(f"{path}: {name} and {_TABLES[1]} differ; only models with one text table are supported")


# --- out ---


@dataclass
class Exported:
    """What was written."""

    folder: Path
    n_tensors: int
    dropped: list[str]  # nets for which there is no place
    tokenizer: bool

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{self.folder}: {self.n_tensors} tensors"]
        lines += [f"  left out, Hugging Face has no place for: {', '.join(self.dropped)}"] * bool(self.dropped)
        if not self.tokenizer:
            lines.append("  without a tokenizer: the vocabulary has no SentencePiece model that numbers its symbols")
        return lines


def export_hf(source: Path, out: Path, architecture: str) -> Exported:
    """Write the model of `source` as `architecture`.from_pretrained reads it.

    Raises CheckpointError for the large variant and settings that Hugging Face has not, and for a net that is missing.
    """
    from safetensors.torch import save_file

    folder = model_folder(source)
    cfg = config_to_export(folder, "Hugging Face")
    if cfg.pre_norm:
        raise CheckpointError(
            f"{folder}: norms in front of the sub-blocks (model.pre_norm); Hugging Face has no such model"
        )
    ours = read_tensors(folder / MODEL)
    rules = hf_rules(text_in="text_encoder_prenet.positions.alpha" in ours)
    theirs = {other: tensor for name, tensor in ours.items() if (other := renamed(name, rules)) is not None}
    dropped = sorted({name.partition(".")[0] for name in ours if renamed(name, rules) is None})
    assets = Assets(folder / ASSETS)
    vocabulary = Vocabulary.load(assets.path(VOCAB_FILE)) if VOCAB_FILE in assets else None
    tree = {**_config(cfg, n_symbols(ours)), "architectures": [architecture]}
    with atomic_dir(out) as place:
        (place / HF_CONFIG).write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
        save_file(theirs, place / HF_WEIGHTS, metadata={"format": "pt"})
        tokenizer = vocabulary is None or _write_tokenizer(place, vocabulary)
    return Exported(out, len(theirs), dropped, tokenizer)


def _config(cfg: ModelConfig, vocabulary: int) -> Tree:
    values = to_tree(cfg)
    return {
        **_EXPECTED,
        **{name: values[field] for name, field in (_FIELDS | _SIZES).items()},
        "model_type": MODEL_TYPE,
        "is_encoder_decoder": True,
        "tie_word_embeddings": True,
        "dtype": "float32",
        "bos_token_id": Vocabulary.bos,
        "pad_token_id": Vocabulary.pad,
        "eos_token_id": Vocabulary.eos,
        "decoder_start_token_id": Vocabulary.eos,
        "hidden_size": cfg.d_model,
        "encoder_layers": cfg.encoder_layers,
        "encoder_attention_heads": cfg.heads,
        "encoder_ffn_dim": cfg.ffn_dim,
        "encoder_max_relative_position": cfg.relative_distance,
        "decoder_layers": cfg.decoder_layers,
        "decoder_attention_heads": cfg.heads,
        "decoder_ffn_dim": cfg.ffn_dim,
        "vocab_size": vocabulary or 81,  # of the released vocabulary, where there is no text
        "conv_dim": [cfg.conv_channels] * len(CONV_KERNELS),
        "num_feat_extract_layers": len(CONV_KERNELS),
        "feat_extract_norm": cfg.conv_norm,
        "feat_proj_dropout": cfg.dropout,
        "max_speech_positions": 4000,
        "max_text_positions": 600,
    }


def _write_tokenizer(place: Path, vocabulary: Vocabulary) -> bool:
    """Whether the vocabulary could be written: its SentencePiece model must number the symbols as it does."""
    if vocabulary.spm is None:
        return False
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_proto=vocabulary.spm)
    n = pieces.get_piece_size()
    if tuple(pieces.id_to_piece(i) for i in range(n)) != vocabulary.symbols[:n]:
        return False
    added = {symbol: number for number, symbol in enumerate(vocabulary.symbols) if number >= n}
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), FIRST))
    (place / PIECES).write_bytes(vocabulary.spm)
    for name, tree in ((ADDED, added), ("tokenizer_config.json", {"tokenizer_class": "SpeechT5Tokenizer", **names})):
        (place / name).write_text(json.dumps(tree, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return True
