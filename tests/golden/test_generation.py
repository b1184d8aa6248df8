"""Speech, step by step, until a stop probability or the longest allowed length ends it."""

import numpy as np
import pytest
import torch
from golden import Kept, Same, golden, model

from speecht5_cli.decode import speech
from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.decode.speech import Generated, generate
from speecht5_cli.models.speecht5 import Encoded, SpeechT5

RATIO = {"d_tts": 20.0, "d_vc": 10.0}  # of the longest length to the encoder's


def first(net: SpeechT5, file: str) -> Encoded:
    """The first item, alone."""
    g = golden(file)
    if file == "d_tts":
        return net.encode_text(g.tensor("in_src_tokens")[:1].long())
    return net.encode_speech(g.tensor("in_source")[:1], g.lens("in_padding_mask")[:1])


def generated(net: SpeechT5, file: str) -> Generated:
    options = SpeechGeneration(threshold=0.5, min_ratio=0.0, max_ratio=RATIO[file])
    voice = golden(file).tensor("in_spkembs")[:1]
    return generate(net, first(net, file), voice, options, ids=["item"], heads=net.cfg.heads)[0]


@pytest.mark.parametrize("file", ["d_tts", "d_vc"])
def test_until_it_stops(same: Same, file: str) -> None:
    """TTS and VC, generation: log-mel, stop probabilities, attention"""
    result = generated(model(), file)
    assert result.stopped == "threshold"
    same(file, "gen_mel", result.mel, atol=1e-3)
    same(file, "gen_stop_prob", result.stop)
    same(file, "gen_attn", result.attention)


@pytest.mark.parametrize("file", ["d_tts", "d_vc"])
def test_until_the_limit(same: Same, file: str) -> None:
    """TTS and VC, generation up to the longest length: first and last frames"""
    net = model()
    net.speech_decoder_postnet.stop.bias.sub_(20)
    result = generated(net, file)
    assert result.stopped == "length"
    same(file, "genmax_len", np.array(len(result.mel)))
    same(file, "genmax_mel_first20", result.mel[:20], atol=1e-3)
    same(file, "genmax_mel_last20", result.mel[-20:], atol=1e-3)


def test_original_stops_at_any_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """The original ends when one of a step's probabilities reaches the threshold, HF when their sum does."""
    g = golden("d_tts")
    steps = torch.from_numpy(g["gen_stop_prob"]).unflatten(0, (-1, 2))
    assert bool((steps[:-1].amax(1) < 0.5).all()) and float(steps[-1].amax()) >= 0.5
    monkeypatch.setattr(speech, "PrenetDropout", Kept(32))
    assert len(generated(model(compat="hf"), "d_tts").mel) == 32  # hf_vs_original.json: 34 and 32 frames
