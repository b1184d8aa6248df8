"""The shared decoder: text, speech, classes."""

import pytest
import torch
from golden import PAD, Same, golden, model

from speecht5_cli.models.conv_features import frame_lens
from speecht5_cli.models.masks import padding_mask
from speecht5_cli.models.speecht5 import Encoded, SpeechT5


def encoded_source(net: SpeechT5, file: str) -> Encoded:
    """What the encoder makes of a golden batch's input."""
    g = golden(file)
    if "in_src_tokens" in g:
        return net.encode_text(g.tensor("in_src_tokens").long())
    return net.encode_speech(g.tensor("in_source"), g.lens("in_padding_mask"))


def test_asr(same: Same) -> None:
    """ASR and ST, decoder with the target given (padding: original)"""
    net, g = model(), golden("c_asr")
    encoded, tokens = encoded_source(net, "c_asr"), g.tensor("in_prev_output_tokens")
    same("c_asr", "encoder_out", encoded.states)
    same("c_asr", "frame_padding_mask", encoded.pad)
    same("c_asr", "ctc_logits", net.ctc_logits(encoded))
    same("c_asr", "decoder_padding_mask", tokens == PAD)
    x = net.text_decoder_prenet(tokens, net.symbols.weight)
    same("c_asr", "decoder_prenet_out", x)
    same("c_asr", "dec_hidden0", x)
    one = model(decoder_layers=1, weights_of="ckpt_pretrain")
    same("c_asr", "dec_hidden1", one.decoder(x, encoded.states, encoded.pad, pad=tokens == PAD)[0])
    states, attention = net.decoder(x, encoded.states, encoded.pad, pad=tokens == PAD, weights=True)
    same("c_asr", "dec_hidden2", states)
    same("c_asr", "cross_attn_last_layer_mean", attention[-1].mean(1))
    same("c_asr", "logits", net.decode_text(tokens, encoded))


def test_asr_exact(same: Same) -> None:
    """ASR and ST, the unpadded row of the batch (padding: exact)"""
    net, g = model("exact"), golden("c_asr")
    logits = net.decode_text(g.tensor("in_prev_output_tokens"), encoded_source(net, "c_asr"))
    lens = g["batch_target_lengths"]
    row = int(lens.argmax())
    assert bool(g["in_padding_mask"][row].any()) is False
    same.arrays("logits of the unpadded row", logits[row].numpy(), g["logits"][row])


@pytest.mark.parametrize("file", ["d_tts", "d_vc"])
def test_speech(same: Same, file: str) -> None:
    """TTS and VC, decoder with the target given, attention weights (padding: original)"""
    net, g = model(), golden(file)
    encoded = encoded_source(net, file)
    same(file, "encoder_padding_mask", encoded.pad)
    mel, lens = g.tensor("batch_dec_target"), g.tensor("batch_dec_target_lengths")
    voice = g.tensor("in_spkembs")
    spoken = net.decode_speech(mel, lens, encoded, voice, attention=True)
    same(file, "before_postnet", spoken.before)
    same(file, "after_postnet", spoken.after)
    same(file, "stop_logits", spoken.stop_logits)
    same(file, "cross_attn", torch.stack(spoken.attention))
    steps = lens // 2
    shifted = torch.cat([torch.zeros(2, 1, 80), mel[:, 1::2][:, : int(steps.max()) - 1]], 1)
    x = net.speech_decoder_prenet(shifted, voice)
    pad = padding_mask(steps, shifted.size(1))
    same(file, "decoder_padding_mask", pad)
    same(file, "decoder_prenet_out", x)
    same(file, "decoder_out", net.decoder(x, encoded.states, encoded.pad, pad=pad)[0])


@pytest.mark.parametrize("file", ["d_tts", "d_vc"])
def test_speech_exact(same: Same, file: str) -> None:
    """TTS and VC, the unpadded row of the batch (padding: exact)"""
    net, g = model("exact"), golden(file)
    spoken = net.decode_speech(
        g.tensor("batch_dec_target"),
        g.tensor("batch_dec_target_lengths"),
        encoded_source(net, file),
        g.tensor("in_spkembs"),
    )
    for key, got in (("before_postnet", spoken.before), ("after_postnet", spoken.after)):
        wanted = golden(file).cut(key)
        same.arrays(f"{file}/{key} of the unpadded row", wanted.of(got.numpy())[0], wanted.array[0])


def test_lengths_of_vc(same: Same) -> None:
    """The lengths that guided attention takes, and those that the original's mask keeps."""
    g = golden("d_vc")
    lens = g.lens("in_padding_mask")
    assert frame_lens(lens).tolist() == [49, 34]
    assert encoded_source(model(), "d_vc").lens.tolist() == [49, 35]
    assert encoded_source(model("exact"), "d_vc").lens.tolist() == [49, 34]


def test_sid(same: Same) -> None:
    """SID, one decoder step of zeros and the class head (padding: original)"""
    net = model(classes=40)
    states = net.decode_class(encoded_source(net, "e_sid"))
    same("e_sid", "embed", states)
    logits = net.class_head(states)
    same("e_sid", "logits", logits)
    same("e_sid", "pred_class", logits.argmax(-1))
