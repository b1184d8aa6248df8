"""The original's argument namespaces, as its own code wants to find them in a checkpoint."""

from argparse import Namespace
from collections.abc import Collection
from typing import Any

import yaml

from speecht5_cli.models.config import CONV_KERNELS, CONV_STRIDES, ModelConfig
from speecht5_cli.models.lm_config import LMConfig

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
# Those of its language model.
_LANGUAGE_OPTIONS: dict[str, Any] = yaml.safe_load("""
adaptive_input: false
adaptive_softmax_cutoff: null
arch: transformer_lm_t5
character_embeddings: false
decoder_layerdrop: 0.0
decoder_learned_pos: false
decoder_normalize_before: true
layernorm_embedding: false
max_target_positions: 2048
no_decoder_final_norm: false
no_token_positional_embeddings: false
tokens_per_sample: 2048
""")
# The original's names of its architectures: by whether norms stand in front, then by whether it is pre-trained only.
_ARCHITECTURES: dict[bool, dict[bool, str]] = yaml.safe_load("""
false: {true: t5_transformer_base, false: t5_transformer_base_asr}
true: {true: t5_transformer_large, false: t5_transformer_large}
""")


def speech_settings(cfg: ModelConfig, names: Collection[str], kind: str) -> dict[str, Any]:
    """The sections of the configuration that loading reads, for a model with the tensors `names` of ours."""
    layers = [f"[({cfg.conv_channels}, {k}, {s})]" for k, s in zip(CONV_KERNELS, CONV_STRIDES)]
    common = {"t5_task": kind, "reduction_factor": cfg.reduction, "data": "data", "hubert_label_dir": "data"}
    model = {
        **_OPTIONS,
        **common,
        "arch": _ARCHITECTURES[cfg.pre_norm]["unit_head.embeddings" in names],
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
        "use_codebook": "quantizer.codebook" in names,
    }
    task = {key: model[key] for key in (*_TASK_OPTIONS, *common)}
    return {
        "_name": None,
        "task": Namespace(_name="speecht5", **task),
        "model": Namespace(_name=model["arch"], **model),
    }


def language_settings(cfg: LMConfig, kind: str) -> dict[str, Any]:
    """The same for a language model; `kind` is fairseq's name of the task."""
    model = {
        **_LANGUAGE_OPTIONS,
        "activation_dropout": cfg.activation_dropout,
        "activation_fn": cfg.activation,
        "attention_dropout": cfg.attention_dropout,
        "decoder_attention_heads": cfg.heads,
        "decoder_embed_dim": cfg.d_model,
        "decoder_ffn_embed_dim": cfg.ffn_dim,
        "decoder_input_dim": cfg.d_model,
        "decoder_layers": cfg.layers,
        "decoder_output_dim": cfg.d_model,
        "dropout": cfg.dropout,
        "no_scale_embedding": not cfg.scale_embedding,
        "share_decoder_input_output_embed": cfg.tied,
    }
    task = {"_name": kind, "task": kind, "data": "data", "sample_break_mode": "eos", "add_bos_token": False}
    return {"_name": None, "task": Namespace(**task), "model": Namespace(_name=model["arch"], **model)}
