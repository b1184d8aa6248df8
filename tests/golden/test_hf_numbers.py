"""Models of Hugging Face's own: their frame mask, shared dropout, stop rule and loss, behind `padding` and `compat`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden import NO_DROPOUT, Golden, Kept, Same, golden, unpacked
from safetensors.torch import load_file
from torch import Tensor

from speecht5_cli.data.batch import Batch
from speecht5_cli.decode import speech
from speecht5_cli.decode.beam import Search, Weighted
from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.decode.scorers import AttentionScorer
from speecht5_cli.losses.speech import speaking_loss
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.models.keymaps import from_foreign, hf_rules
from speecht5_cli.models.speecht5 import Encoded, SpeechT5

SIZES: dict[str, Any] = {
    "encoder_layers": 2,
    "decoder_layers": 2,
    "d_model": 32,
    "ffn_dim": 48,
    "heads": 4,
    "conv_channels": 16,
    "relative_distance": 20,
    "xvector_dim": 16,
    "postnet_channels": 24,
    "prenet_dim": 24,
}
PARTS = {
    "asr": Parts(speech_in=True, text_out=True, vocabulary=40),
    "tts": Parts(text_in=True, speech_out=True, vocabulary=40),
}


def model(name: str, folder: Path, padding: str = "hf", **changes: Any) -> SpeechT5:
    cfg = ModelConfig(**{**SIZES, **NO_DROPOUT, "compat": "hf", "padding": padding, **changes})
    net = SpeechT5(cfg, PARTS[name])
    theirs = load_file(unpacked(f"hf/{name}/model.safetensors", folder))
    net.load_state_dict(from_foreign(net.state_dict(), theirs, hf_rules(text_in=name == "tts")))
    return net.eval()


# --- speech to text ---


def heard(net: SpeechT5, g: Golden, rows: slice = slice(None)) -> Encoded:
    lens = g.tensor("attention_mask").sum(1)[rows]
    return net.encode_speech(g.tensor("input_values")[rows, : int(lens.max())], lens)


@pytest.mark.parametrize("padding", ["hf"])
def test_asr(same: Same, tmp_path: Path, padding: str) -> None:
    """HF ASR: encoder, logits, loss of a padded batch (padding: hf)"""
    file = "hf/asr_io"
    net, g = model("asr", tmp_path, padding), golden(file)
    encoded = heard(net, g)
    same(file, "frame_attention_mask", ~encoded.pad)
    same(file, "encoder_last_hidden_state", encoded.states)
    lens = g.tensor("attention_mask").sum(1)
    frames = net.speech_encoder_prenet(g.tensor("input_values"), lens)
    same(file, "encoder_hidden0", net.encoder.norm(frames.states))
    same(file, "encoder_hidden1", net.encode_speech(g.tensor("input_values"), lens, upto=1).states)
    logits = net.decode_text(g.tensor("decoder_input_ids"), encoded)
    same(file, "logits", logits)
    labels = g.tensor("labels")
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())  # theirs: the mean over tokens
    same(file, "loss", loss, atol=0, rtol=1e-5)


def test_asr_search(tmp_path: Path) -> None:
    """Greedy search says the same symbols as `generate`, for which nothing is forbidden."""
    net, g = model("asr", tmp_path), golden("hf/asr_io")
    scorer = Weighted(AttentionScorer(net, heard(net, g)), 1.0)
    search = Search([scorer], torch.tensor([20, 20]), beam=1, eos=2, forbidden=())
    for found, ids in zip(search.run(), g["greedy_ids"]):
        row = ids[1:].tolist()
        said = row[: row.index(2)] if 2 in row else row  # at its limit theirs ends without an end mark
        assert found[0].tokens[: len(said)] == said


# --- text to speech ---


def read(net: SpeechT5, g: Golden) -> Encoded:
    return net.encode_text(g.tensor("input_ids"))


def labels_of(g: Golden) -> tuple[Tensor, Tensor]:
    """Target log-mel and valid frames; theirs is padded with -100."""
    mel = g.tensor("labels")
    return mel.masked_fill(mel == -100, 0.0), (mel[..., 0] != -100).sum(1)


def everything(n: int) -> tuple[Tensor, Tensor]:
    return torch.ones(1, n, 24), torch.ones(1, n, 24)


def test_tts(same: Same, tmp_path: Path) -> None:
    """HF TTS: spectrograms, stop logits, attention of a padded batch, dropout off (padding: hf)"""
    file = "hf/tts_io"
    net, g = model("tts", tmp_path), golden(file)
    encoded, (mel, lens) = read(net, g), labels_of(g)
    same(file, "encoder_last_hidden_state", encoded.states)
    voice = g.tensor("speaker_embeddings")
    spoken = net.decode_speech(mel, lens, encoded, voice, attention=True, kept=everything(31))
    same(file, "nodrop_before_postnet", spoken.before)
    same(file, "nodrop_spectrogram", spoken.after)
    same(file, "nodrop_stop_logits", spoken.stop_logits)
    same(file, "nodrop_cross_attentions", torch.stack(spoken.attention))


def test_tts_dropout(same: Same, tmp_path: Path) -> None:
    """HF TTS: with its dropout masks, one for the whole batch"""
    file = "hf/tts_io"
    net, g = model("tts", tmp_path, prenet_dropout=0.5), golden(file)
    (mel, lens), voice = labels_of(g), g.tensor("speaker_embeddings")
    kept = tuple(g.tensor(f"seed0_masks_layer{number}")[None] for number in (0, 1))
    same(file, "seed0_spectrogram", net.decode_speech(mel, lens, read(net, g), voice, kept=kept).after)  # type: ignore[arg-type]
    x = net.speech_decoder_prenet(torch.randn(1, 5, 80).expand(3, -1, -1), None)
    assert torch.equal(x[0], x[1]) and torch.equal(x[0], x[2])


def test_tts_without_dropout_is_zero_there(same: Same, tmp_path: Path) -> None:
    """HF TTS: rate 0 hides everything there, since units stay with the probability of the rate"""
    file = "hf/tts_io"
    net, g = model("tts", tmp_path, prenet_dropout=0.0), golden(file)
    (mel, lens), voice = labels_of(g), g.tensor("speaker_embeddings")
    same(file, "hf_p0_spectrogram", net.decode_speech(mel, lens, read(net, g), voice).after[:, :4])


def test_tts_loss(same: Same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF TTS: losses with and without guided attention, whose weight is 10 there"""
    file = "hf/tts_io"
    net, g = model("tts", tmp_path), golden(file)
    mel, lens = labels_of(g)
    plain = net.decode_speech
    monkeypatch.setattr(net, "decode_speech", lambda *a, **k: plain(*a, **k, kept=everything(31)))
    encoded = read(net, g)
    tensors = {"mel": mel, "mel_lens": lens, "xvector": g.tensor("speaker_embeddings")}
    cells = float((lens // 2 * encoded.lens).sum())
    batch = Batch(["a", "b"], tensors, {"l1": float(lens.sum()), "stop": float(lens.sum()), "guided": cells})
    for key, guided in (("nodrop_loss_no_guided", 0.0), ("nodrop_loss_with_guided", 10.0)):
        loss = speaking_loss(net, encoded, batch.tensors, Guidance(guided), step=0)
        same(file, key, loss.total(batch.weights), atol=1e-6, rtol=1e-5)


class Guidance:
    sigma, guided_steps = 0.4, 0

    def __init__(self, guided: float) -> None:
        self.guided = guided


@pytest.mark.parametrize("drawn", ["nodrop_generate", "seed555_generate"])
def test_generation(same: Same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drawn: str) -> None:
    """HF TTS: generate_speech, with dropout off and with its masks (compat: hf)"""
    file = "hf/tts_io"
    g = golden(file)
    masks = None
    if drawn == "seed555_generate":
        packed = g["seed555_generate_masks_step_layer_pos_unit"]
        units = np.unpackbits(packed, axis=-1)  # (steps, layers, positions, units)
        masks = torch.from_numpy(np.stack([step[:, place] for place, step in enumerate(units)]))
    monkeypatch.setattr(speech, "PrenetDropout", Kept(24, masks))
    net = model("tts", tmp_path, prenet_dropout=0.0 if masks is None else 0.5)
    n = int(g.tensor("attention_mask")[0].sum())
    encoded = net.encode_text(g.tensor("input_ids")[:1, :n])
    options = SpeechGeneration(threshold=0.5, min_ratio=0.0, max_ratio=20.0)
    voice = g.tensor("speaker_embeddings")[:1]
    result = speech.generate(net, encoded, voice, options, ids=["item"], heads=net.cfg.heads)[0]
    same(file, drawn, result.mel, atol=1e-3)
    if masks is None:
        assert result.attention is not None
        same(file, "nodrop_generate_cross_attentions", result.attention)
