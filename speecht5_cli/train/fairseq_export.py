"""A model folder as the original code reads it: checkpoint.pt, dict.txt, the SentencePiece model.

What the original builds and never uses is made anew, so that its files look as its own do.
"""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from speecht5_cli.config import from_tree
from speecht5_cli.data.assets import Assets
from speecht5_cli.data.tables import read_lines, write_lines
from speecht5_cli.data.vocabulary import FIRST, LAST, VOCAB_FILE, Vocabulary
from speecht5_cli.errors import CheckpointError
from speecht5_cli.files import atomic_dir
from speecht5_cli.models.config import CONV_KERNELS, CONV_STRIDES, ModelConfig
from speecht5_cli.models.keymaps import fairseq_rules, renamed
from speecht5_cli.models.sizes import n_classes, n_symbols, n_units
from speecht5_cli.train.checkpoint import read_tensors
from speecht5_cli.train.fairseq_files import TEXT_TABLE, TIED
from speecht5_cli.train.folders import ASSETS, CONFIG, MODEL, model_folder, read_model_config
from speecht5_cli.train.foreign import CLASSES

CHECKPOINT, DICTIONARY, UNIT_DICTIONARY, PIECES = "checkpoint.pt", "dict.txt", "dict.km.txt", "spm_char.model"
CLASS_HEAD = "speaker_decoder_postnet.output_projection.weight"
RELEASED_SYMBOLS = 81  # of the released character vocabulary

# Options of the original that a model's weights do not show, as its own commands set them.
_OPTIONS: dict[str, Any] = yaml.safe_load("""
activation_fn: gelu
adaptive_input: false
bert_init: true
bpe_tokenizer: null
codebook_prob: 0.1
conv_bias: false
ctc_weight: 0.0
dec_use_scaled_pos_enc: true
decoder_learned_pos: false
dprenet_layers: 2
enc_use_scaled_pos_enc: true
encoder_normalize_before: false
encoder_reduction_factor: 1
encoder_speech_prenet: conv
freeze_decoder_updates: 0
freeze_encoder_updates: 0
hubert_labels: [km]
hubert_mask_length: 10
iid_noise_target: false
initial_decoder_alpha: 1.0
initial_encoder_alpha: 1.0
input_channels: 1
label_rates: 50.0
latent_dim: 0
latent_temp: [2, 0.5, 0.999995]
layer_norm_eps: 1.0e-5
layernorm_embedding: false
mask_channel_length: 64
mask_channel_min_space: 1
mask_channel_other: 0
mask_channel_prob: 0.0
mask_channel_selection: static
mask_min_space: 1
mask_other: 0
mask_prob: 0.8
mask_selection: static
max_speech_positions: 4000
max_text_positions: 600
modules_filter: null
no_freeze_encoder_layer: null
no_mask_channel_overlap: false
no_mask_overlap: false
no_scale_embedding: true
no_token_positional_embeddings: false
normalize: false
quantizer_depth: 1
quantizer_factor: 3
relative_position_embedding: true
sample_rate: 16000.0
seed: 1
share_ctc_embed: false
share_input_output_embed: true
sid_embed_dim: 128
sid_no_embed_postnet: true
sid_no_pooling_bn: true
sid_pooling_layer: decoder
sid_softmax_type: softmax
skip_masked: false
skip_nomask: false
softmax_easy_margin: false
softmax_margin: 0.0
softmax_scale: 1.0
spk_embed_integration_type: pre
target_glu: false
unb_enc_layer: -1
untie_final_proj: true
use_batch_norm: true
use_conv_pos: true
use_sent_enc_layer: true
use_sinc_pos: true
""")
# Those of its task, besides the data's.
_TASK_OPTIONS = (
    "bpe_tokenizer",
    "ctc_weight",
    "hubert_labels",
    "iid_noise_target",
    "label_rates",
    "max_speech_positions",
    "max_text_positions",
    "normalize",
    "sample_rate",
    "seed",
)
# The original's names of its architectures: by whether norms stand in front, then by whether it is pre-trained only.
_ARCHITECTURES: dict[bool, dict[bool, str]] = yaml.safe_load("""
false: {true: t5_transformer_base, false: t5_transformer_base_asr}
true: {true: t5_transformer_large, false: t5_transformer_large}
""")


@dataclass
class Exported:
    """What was written."""

    folder: Path
    n_tensors: int
    made: list[str]  # tensors that the original never uses, and those with rows of its own symbols added
    absent: list[str]  # nets of the original that this model has not

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{self.folder / CHECKPOINT}: {self.n_tensors} tensors"]
        lines += [f"  made anew, as the original wants to find them: {', '.join(self.made)}"] * bool(self.made)
        lines += [f"  not in the file, since this model has none: {', '.join(self.absent)}"] * bool(self.absent)
        return lines


def export_fairseq(source: Path, out: Path, kind: str) -> Exported:
    """Write the model of `source` for the original code; `kind` is its t5_task. Raises CheckpointError."""
    folder = model_folder(source)
    cfg = from_tree(ModelConfig, read_model_config(folder)["model"], f"{folder / CONFIG}: model")
    ours = read_tensors(folder / MODEL)
    assets = Assets(folder / ASSETS)
    symbols, spm = _symbols(assets)
    theirs = _renamed(ours, cfg, folder)
    made = _unused(cfg) | _text_table(ours, cfg)
    if n_classes(ours) and symbols[: len(FIRST)] != FIRST:  # ours has the speakers only
        symbols = (*FIRST, *symbols, *LAST)
        head = theirs.pop(CLASS_HEAD)
        made[CLASS_HEAD] = torch.nn.functional.pad(head, (0, 0, len(FIRST), len(LAST)))
    content = {
        "args": None,
        "cfg": _settings(cfg, ours, kind),
        "model": {**theirs, **made},
        "criterion": None,
        "optimizer_history": [
            {
                "criterion_name": "SpeechT5Criterion",
                "optimizer_name": "FairseqAdam",
                "lr_scheduler_state": {"best": None},
                "num_updates": 0,
            }
        ],
        "task_state": {},
        "extra_state": {"train_iterator": {"epoch": 1}, "val_loss": None},
        "last_optimizer_state": None,
    }
    with atomic_dir(out) as place:
        torch.save(content, place / CHECKPOINT)
        _write_symbols(place, symbols, spm, n_units(ours))
    present = {name.partition(".")[0] for name in ours}
    absent = sorted({"ctc_head", "text_encoder_prenet", "speech_encoder_prenet", "speech_decoder_prenet"} - present)
    return Exported(out, len(content["model"]), sorted({_pattern(name) for name in made}), absent)  # type: ignore[arg-type]


def _renamed(ours: dict[str, Tensor], cfg: ModelConfig, folder: Path) -> dict[str, Tensor]:
    rules = fairseq_rules(cfg.conv_norm)
    theirs = {}
    for name, tensor in ours.items():
        other = renamed(name, rules)
        if other is None:
            raise CheckpointError(f"{folder}: {name} has no counterpart in the original; only its own tasks go back")
        theirs[other] = tensor
    if "quantizer.vars" in theirs:  # (G, E, C) -> (1, G * E, C)
        theirs["quantizer.vars"] = theirs["quantizer.vars"].flatten(0, 1)[None]
    if TEXT_TABLE in theirs:
        theirs |= dict.fromkeys(TIED, theirs[TEXT_TABLE])
    return theirs


def _unused(cfg: ModelConfig) -> dict[str, Tensor]:
    """The tensors of the original that take part in nothing."""
    made = {
        "encoder.version": torch.tensor([3.0]),
        "decoder.version": torch.tensor([3.0]),
        "decoder.pos_emb.pe_k.weight": torch.zeros(2 * cfg.relative_distance, cfg.head_dim),
        "speech_encoder_prenet.embed_positions._float_tensor": torch.zeros(1),
        "text_decoder_prenet.embed_positions._float_tensor": torch.zeros(1),
    }
    stacks = {"decoder": cfg.decoder_layers} | ({} if cfg.pre_norm else {"encoder": cfg.encoder_layers})
    for stack, n_layers in stacks.items():
        for layer in range(n_layers):
            made[f"{stack}.layers.{layer}.norm_k.weight"] = torch.ones(cfg.head_dim)
            made[f"{stack}.layers.{layer}.norm_k.bias"] = torch.zeros(cfg.head_dim)
    return made


def _text_table(ours: dict[str, Tensor], cfg: ModelConfig) -> dict[str, Tensor]:
    """The output projection for text, which the original wants to find in every file."""
    if n_symbols(ours):
        return {}
    return {"text_decoder_postnet.output_projection.weight": torch.zeros(RELEASED_SYMBOLS, cfg.d_model)}


def _settings(cfg: ModelConfig, ours: dict[str, Tensor], kind: str) -> dict[str, Any]:
    """The sections of the original's configuration that loading reads."""
    layers = [f"[({cfg.conv_channels}, {k}, {s})]" for k, s in zip(CONV_KERNELS, CONV_STRIDES)]
    common = {"t5_task": kind, "reduction_factor": cfg.reduction, "data": "data", "hubert_label_dir": "data"}
    model = {
        **_OPTIONS,
        **common,
        "arch": _ARCHITECTURES[cfg.pre_norm]["unit_head.embeddings" in ours],
        "activation_dropout": cfg.activation_dropout,
        "attention_dropout": cfg.attention_dropout,
        "conv_feature_layers": " + ".join(layers),
        "conv_pos": cfg.position_kernel,
        "conv_pos_groups": cfg.position_groups,
        "decoder_attention_heads": cfg.heads,
        "decoder_embed_dim": cfg.d_model,
        "decoder_ffn_embed_dim": cfg.ffn_dim,
        "decoder_input_dim": cfg.d_model,
        "decoder_layerdrop": cfg.decoder_layerdrop,
        "decoder_layers": cfg.decoder_layers,
        "decoder_max_relative_position": cfg.relative_distance,
        "decoder_normalize_before": cfg.pre_norm,
        "decoder_output_dim": cfg.d_model,
        "dprenet_dropout_rate": cfg.prenet_dropout,
        "dprenet_units": cfg.prenet_dim,
        "dropout": cfg.dropout,
        "encoder_attention_heads": cfg.heads,
        "encoder_embed_dim": cfg.d_model,
        "encoder_ffn_embed_dim": cfg.ffn_dim,
        "encoder_layerdrop": cfg.encoder_layerdrop,
        "encoder_layers": cfg.encoder_layers,
        "encoder_max_relative_position": cfg.relative_distance,
        "extractor_mode": "layer_norm" if cfg.conv_norm == "layer" else "default",
        "feature_grad_mult": cfg.feature_grad_scale,
        "final_dim": cfg.unit_dim,
        "input_feat_per_channel": cfg.n_mels,
        "latent_groups": cfg.codebook_groups,
        "latent_vars": cfg.codebook_entries,
        "layer_norm_first": cfg.pre_norm,
        "logit_temp": cfg.unit_temperature,
        "postnet_chans": cfg.postnet_channels,
        "postnet_dropout_rate": cfg.postnet_dropout,
        "postnet_filts": cfg.postnet_kernel,
        "postnet_layers": cfg.postnet_layers,
        "speech_odim": cfg.n_mels,
        "spk_embed_dim": cfg.xvector_dim,
        "transformer_dec_positional_dropout_rate": cfg.position_dropout,
        "transformer_enc_positional_dropout_rate": cfg.position_dropout,
        "use_codebook": "quantizer.codebook" in ours,
    }
    task = {key: model[key] for key in (*_TASK_OPTIONS, *common)}
    return {
        "_name": None,
        "task": Namespace(_name="speecht5", **task),
        "model": Namespace(_name=model["arch"], **model),
    }


def _symbols(assets: Assets) -> tuple[tuple[str, ...], bytes | None]:
    """What the rows of the text table or of the class head stand for, and a SentencePiece model."""
    if VOCAB_FILE in assets:
        vocabulary = Vocabulary.load(assets.path(VOCAB_FILE))
        return vocabulary.symbols, vocabulary.spm
    return tuple(read_lines(assets.path(CLASSES))) if CLASSES in assets else (), None


def _write_symbols(place: Path, symbols: tuple[str, ...], spm: bytes | None, units: int) -> None:
    """dict.txt without what the original adds itself: the four specials, and the last two where they stand last."""
    if symbols:
        own = symbols[len(FIRST) :]
        own = own[: -len(LAST)] if own[-len(LAST) :] == LAST else own
        write_lines(place / DICTIONARY, (f"{symbol} 1" for symbol in own))
    if spm is not None:
        (place / PIECES).write_bytes(spm)
    if units:
        write_lines(place / UNIT_DICTIONARY, (f"{cluster} 1" for cluster in range(units)))


def _pattern(name: str) -> str:
    return ".".join("*" if part.isdigit() else part for part in name.split("."))
