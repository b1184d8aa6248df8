"""Parameter names: ours, the original's (fairseq) and Hugging Face's.

Each rule is a pair of prefixes; `*` stands for a layer number. The longest rule that matches a name wins, and the rest
of the name (`.weight`, `.running_mean`, ...) stays as it is.
"""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

Rules = Mapping[str, str]

_PROJECTIONS = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "out_proj"}


def _attention(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.{mine}": f"{theirs}.{other}" for mine, other in _PROJECTIONS.items()}


# ours -> fairseq
FAIRSEQ: Rules = {
    "encoder.norm": "encoder.layer_norm",
    "encoder.relative.table": "encoder.pos_emb.pe_k.weight",
    **_attention("encoder.layers.*.attention", "encoder.layers.*.self_attn"),
    "encoder.layers.*.attention_joint": "encoder.layers.*.self_attn_layer_norm",
    "encoder.layers.*.ffn.inner": "encoder.layers.*.fc1",
    "encoder.layers.*.ffn.outer": "encoder.layers.*.fc2",
    "encoder.layers.*.ffn_joint": "encoder.layers.*.final_layer_norm",
    "encoder.layers.*.distance_norm": "encoder.layers.*.norm_k",
    "decoder.norm": "decoder.layer_norm",
    **_attention("decoder.layers.*.attention", "decoder.layers.*.self_attn"),
    "decoder.layers.*.attention_joint": "decoder.layers.*.self_attn_layer_norm",
    **_attention("decoder.layers.*.cross_attention", "decoder.layers.*.encoder_attn"),
    "decoder.layers.*.cross_joint": "decoder.layers.*.encoder_attn_layer_norm",
    "decoder.layers.*.ffn.inner": "decoder.layers.*.fc1",
    "decoder.layers.*.ffn.outer": "decoder.layers.*.fc2",
    "decoder.layers.*.ffn_joint": "decoder.layers.*.final_layer_norm",
    "symbols.weight": "text_encoder_prenet.encoder_prenet.0.weight",
    "text_encoder_prenet.positions.alpha": "text_encoder_prenet.encoder_prenet.1.alpha",
    "speech_encoder_prenet.features.convs.*": "speech_encoder_prenet.feature_extractor.conv_layers.*.0",
    "speech_encoder_prenet.norm": "speech_encoder_prenet.layer_norm",
    "speech_encoder_prenet.projection": "speech_encoder_prenet.post_extract_proj",
    "speech_encoder_prenet.mask_embedding": "speech_encoder_prenet.mask_emb",
    "speech_encoder_prenet.conv_positions.direction": "speech_encoder_prenet.pos_conv.0.weight_v",
    "speech_encoder_prenet.conv_positions.magnitude": "speech_encoder_prenet.pos_conv.0.weight_g",
    "speech_encoder_prenet.conv_positions.bias": "speech_encoder_prenet.pos_conv.0.bias",
    "speech_decoder_prenet.layers.*": "speech_decoder_prenet.decoder_prenet.0.0.prenet.*.0",
    "speech_decoder_prenet.projection": "speech_decoder_prenet.decoder_prenet.0.1",
    "speech_decoder_prenet.positions.alpha": "speech_decoder_prenet.decoder_prenet.1.alpha",
    "speech_decoder_prenet.speaker": "speech_decoder_prenet.spkembs_layer.0",
    "speech_decoder_postnet.mel": "speech_decoder_postnet.feat_out",
    "speech_decoder_postnet.stop": "speech_decoder_postnet.prob_out",
    "speech_decoder_postnet.convs.*": "speech_decoder_postnet.postnet.postnet.*.0",
    "speech_decoder_postnet.norms.*": "speech_decoder_postnet.postnet.postnet.*.1",
    "ctc_head.1": "encoder.proj",
    "unit_head.projection": "hubert_layer.final_proj",
    "unit_head.embeddings": "hubert_layer.label_embs_concat",
    "quantizer.logits": "quantizer.weight_proj",
    "quantizer.codebook": "quantizer.vars",
    "class_head": "speaker_decoder_postnet.output_projection",
}
# The feature norms sit elsewhere in the layer that has a norm behind every convolution.
FAIRSEQ_GROUP: Rules = {
    "speech_encoder_prenet.features.norms.*": "speech_encoder_prenet.feature_extractor.conv_layers.*.2"
}
FAIRSEQ_LAYER: Rules = {
    "speech_encoder_prenet.features.norms.*": "speech_encoder_prenet.feature_extractor.conv_layers.*.2.1"
}

_E, _D = "speecht5.encoder.wrapped_encoder", "speecht5.decoder.wrapped_decoder"
_S, _P = "speecht5.encoder.prenet", "speecht5.decoder.prenet"
# ours -> Hugging Face
HF: Rules = {
    "encoder.norm": f"{_E}.layer_norm",
    "encoder.relative.table": f"{_E}.embed_positions.pe_k.weight",
    **_attention("encoder.layers.*.attention", f"{_E}.layers.*.attention"),
    "encoder.layers.*.attention_joint": f"{_E}.layers.*.layer_norm",
    "encoder.layers.*.ffn.inner": f"{_E}.layers.*.feed_forward.intermediate_dense",
    "encoder.layers.*.ffn.outer": f"{_E}.layers.*.feed_forward.output_dense",
    "encoder.layers.*.ffn_joint": f"{_E}.layers.*.final_layer_norm",
    **_attention("decoder.layers.*.attention", f"{_D}.layers.*.self_attn"),
    "decoder.layers.*.attention_joint": f"{_D}.layers.*.self_attn_layer_norm",
    **_attention("decoder.layers.*.cross_attention", f"{_D}.layers.*.encoder_attn"),
    "decoder.layers.*.cross_joint": f"{_D}.layers.*.encoder_attn_layer_norm",
    "decoder.layers.*.ffn.inner": f"{_D}.layers.*.feed_forward.intermediate_dense",
    "decoder.layers.*.ffn.outer": f"{_D}.layers.*.feed_forward.output_dense",
    "decoder.layers.*.ffn_joint": f"{_D}.layers.*.final_layer_norm",
    "text_encoder_prenet.positions.alpha": f"{_S}.encode_positions.alpha",
    "speech_encoder_prenet.features.convs.*": f"{_S}.feature_encoder.conv_layers.*.conv",
    "speech_encoder_prenet.features.norms.*": f"{_S}.feature_encoder.conv_layers.*.layer_norm",
    "speech_encoder_prenet.norm": f"{_S}.feature_projection.layer_norm",
    "speech_encoder_prenet.projection": f"{_S}.feature_projection.projection",
    "speech_encoder_prenet.mask_embedding": f"{_S}.masked_spec_embed",
    "speech_encoder_prenet.conv_positions.direction": f"{_S}.pos_conv_embed.conv.parametrizations.weight.original1",
    "speech_encoder_prenet.conv_positions.magnitude": f"{_S}.pos_conv_embed.conv.parametrizations.weight.original0",
    "speech_encoder_prenet.conv_positions.bias": f"{_S}.pos_conv_embed.conv.bias",
    "speech_decoder_prenet.layers.*": f"{_P}.layers.*",
    "speech_decoder_prenet.projection": f"{_P}.final_layer",
    "speech_decoder_prenet.positions.alpha": f"{_P}.encode_positions.alpha",
    "speech_decoder_prenet.speaker": f"{_P}.speaker_embeds_layer",
    "speech_decoder_postnet.mel": "speech_decoder_postnet.feat_out",
    "speech_decoder_postnet.stop": "speech_decoder_postnet.prob_out",
    "speech_decoder_postnet.convs.*": "speech_decoder_postnet.layers.*.conv",
    "speech_decoder_postnet.norms.*": "speech_decoder_postnet.layers.*.batch_norm",
}
# ours -> Hugging Face's HubertModel
HUBERT: Rules = {
    "encoder.norm": "encoder.layer_norm",
    **_attention("encoder.layers.*.attention", "encoder.layers.*.attention"),
    "encoder.layers.*.attention_joint": "encoder.layers.*.layer_norm",
    "encoder.layers.*.ffn.inner": "encoder.layers.*.feed_forward.intermediate_dense",
    "encoder.layers.*.ffn.outer": "encoder.layers.*.feed_forward.output_dense",
    "encoder.layers.*.ffn_joint": "encoder.layers.*.final_layer_norm",
    "speech_encoder_prenet.features.convs.*": "feature_extractor.conv_layers.*.conv",
    "speech_encoder_prenet.features.norms.*": "feature_extractor.conv_layers.*.layer_norm",
    "speech_encoder_prenet.norm": "feature_projection.layer_norm",
    "speech_encoder_prenet.projection": "feature_projection.projection",
    "speech_encoder_prenet.mask_embedding": "masked_spec_embed",
    "speech_encoder_prenet.conv_positions.direction": "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
    "speech_encoder_prenet.conv_positions.magnitude": "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    "speech_encoder_prenet.conv_positions.bias": "encoder.pos_conv_embed.conv.bias",
}
# ours -> fairseq's transformer_lm
FAIRSEQ_LANGUAGE: Rules = {
    "symbols": "decoder.embed_tokens",
    **_attention("layers.*.attention", "decoder.layers.*.self_attn"),
    "layers.*.attention_norm": "decoder.layers.*.self_attn_layer_norm",
    "layers.*.ffn.inner": "decoder.layers.*.fc1",
    "layers.*.ffn.outer": "decoder.layers.*.fc2",
    "layers.*.ffn_norm": "decoder.layers.*.final_layer_norm",
    "norm": "decoder.layer_norm",
    "output": "decoder.output_projection",
}


def renamed(name: str, rules: Rules) -> str | None:
    """A name through the rules, or None if none fits."""
    for mine in sorted(rules, key=len, reverse=True):
        match = re.fullmatch(re.escape(mine).replace(r"\*", r"(\d+)") + r"(\..*)?", name)
        if match:
            *numbers, rest = match.groups()
            theirs = rules[mine]
            for number in numbers:
                theirs = theirs.replace("*", number, 1)
            return theirs + (rest or "")
    return None


def inverted(rules: Rules) -> Rules:
    """theirs -> ours"""
    return {theirs: ours for ours, theirs in rules.items()}


def fairseq_rules(conv_norm: str) -> Rules:
    """ours -> fairseq, for a model whose feature norms are "group" or "layer"."""
    return {**FAIRSEQ, **(FAIRSEQ_GROUP if conv_norm == "group" else FAIRSEQ_LAYER)}


def hf_rules(*, text_in: bool) -> Rules:
    """ours -> Hugging Face. The one text table lies in the encoder's pre-net where text goes in, else the decoder's."""
    return {**HF, "symbols.weight": f"{_S if text_in else _P}.embed_tokens.weight"}


def from_foreign(names: Iterable[str], theirs: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """The tensors of another implementation under our names; only those of `names` that it has."""
    found = {}
    for name in names:
        other = renamed(name, rules)
        if other is not None and other in theirs:
            found[name] = theirs[other]
    return found
