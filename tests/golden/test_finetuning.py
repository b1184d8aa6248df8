"""Every term of the fine-tuning losses, with masks given."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from golden import PAD, Golden, Same, golden, model
from gradients import same_gradients
from speecht5_recipes.asr import AsrConfig
from speecht5_recipes.asr import task as asr
from torch import Tensor
from torch.nn.functional import cross_entropy

from speecht5_cli.data.batch import Batch
from speecht5_cli.data.examples import speaking_weights, speech_out
from speecht5_cli.losses.speech import speaking_loss
from speecht5_cli.losses.terms import Loss
from speecht5_cli.losses.text import token_cross_entropy
from speecht5_cli.models.conv_features import frame_lens
from speecht5_cli.models.speecht5 import SpeechT5

RELATIVE = 1e-5


@pytest.fixture
def relative(same: Same) -> Callable[..., None]:
    def compare(file: str, key: str, got: Tensor | float, atol: float = 1e-9) -> None:
        same(file, key, np.array(float(got)), atol=atol, rtol=RELATIVE)

    return compare


def asr_batch(masks: Golden | None) -> Batch:
    g = golden("c_asr")
    tensors = {
        "wav": g.tensor("in_source"),
        "wav_lens": g.lens("in_padding_mask"),
        "shifted": g.tensor("in_prev_output_tokens"),
        "target": g.tensor("batch_target"),
        "target_lens": g.tensor("batch_target_lengths"),
    }
    if masks is not None:
        tensors |= {"mask": masks.tensor("mask_time"), "channel_mask": masks.tensor("mask_channel")}
    return Batch(["a", "b"], tensors, {"ce": 1.0, "ctc": 1.0})


def asr_loss(net: SpeechT5, batch: Batch, **changes: float) -> Loss:
    task = AsrConfig(freeze_encoder_steps=0, zero_infinity=False, **changes)  # type: ignore[arg-type]
    return asr.loss(net, batch, SimpleNamespace(model=net.cfg, task=task), 0)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_asr(relative: Callable[..., None], same: Same, mode: str) -> None:
    """ASR and ST losses: cross-entropy and CTC"""
    file = "g_asr_loss"
    net, batch = model().train(mode == "train"), asr_batch(golden(file) if mode == "train" else None)
    loss = asr_loss(net, batch)
    relative(file, f"{mode}_log_ce_loss", loss.terms["ce"].sum)
    relative(file, f"{mode}_log_ctc_loss", loss.terms["ctc"].sum)
    relative(file, f"{mode}_loss", loss.total(batch.weights))
    correct, n = loss.stats["accuracy"]
    assert int(correct) == golden(file)[f"{mode}_log_n_correct"] and n == golden(file)[f"{mode}_log_total"]


def test_asr_label_smoothing(relative: Callable[..., None]) -> None:
    """ASR and ST, label smoothing as fairseq computes it"""
    file, net, batch = "g_asr_loss", model(), asr_batch(None)
    relative(file, "eval_ce_label_smoothing0.1", asr_loss(net, batch, label_smoothing=0.1).terms["ce"].sum)
    logits = net.decode_text(batch["shifted"], net.encode_speech(batch["wav"], batch["wav_lens"]))
    said = token_cross_entropy(logits, batch["target"], pad=PAD, smoothing=0.1)
    relative(file, "eval_nll_label_smoothing0.1", said.nll)


def test_asr_masked_outputs_and_gradients(same: Same) -> None:
    """ASR and ST, time and channel masks; gradients of all parameters"""
    g = golden("g_asr_loss")
    net, batch = model(feature_grad_scale=1.0).train(), asr_batch(g)
    masks = {"mask": batch["mask"], "channel_mask": batch["channel_mask"]}
    encoded = net.encode_speech(batch["wav"], batch["wav_lens"], **masks)
    same("g_asr_loss", "train_encoder_out", encoded.states)
    same("g_asr_loss", "train_logits", net.decode_text(batch["shifted"], encoded))
    same_gradients(same, net, g, lambda: asr_loss(net, batch).total(batch.weights))


def spoken_batch(name: str) -> Batch:
    g = golden(f"d_{name}")
    mels = [mel[:n].numpy() for mel, n in zip(g.tensor("batch_dec_target"), g["batch_dec_target_lengths"])]
    tensors = speech_out(mels, list(g["in_spkembs"]), reduction=2)
    if name == "tts":
        tensors["tokens"] = g.tensor("in_src_tokens").long()
        source_lens = g.tensor("in_src_lengths")
    else:
        tensors |= {"wav": g.tensor("in_source"), "wav_lens": g.lens("in_padding_mask")}
        source_lens = frame_lens(tensors["wav_lens"])
    return Batch(["a", "b"], tensors, speaking_weights(tensors, source_lens, reduction=2))


def spoken_loss(net: SpeechT5, batch: Batch) -> Loss:
    """The loss of the tasks that speak."""
    guidance = SimpleNamespace(guided=1.0, guided_steps=0, sigma=0.4)
    if "wav" in batch:
        return speaking_loss(net, net.encode_speech(**batch.speech), batch.tensors, guidance, step=0)
    return speaking_loss(net, net.encode_text(batch["tokens"]), batch.tensors, guidance, step=0)


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("name", ["tts", "vc"])
def test_speech(relative: Callable[..., None], name: str, mode: str) -> None:
    """TTS and VC losses: L1, stop, guided attention"""
    file = f"g_{name}_loss"
    net = model().train(mode == "train")
    batch = spoken_batch(name)
    loss, weights = spoken_loss(net, batch), batch.weights
    relative(file, f"{mode}_log_l1_loss", loss.terms["l1"].sum / weights["l1"])
    # The original's own stop logits are 4e-5 away from float64.
    relative(file, f"{mode}_log_bce_loss", loss.terms["stop"].sum / weights["stop"], 2e-5)
    relative(file, f"{mode}_log_enc_dec_attn_loss", loss.terms["guided"].sum / weights["guided"])
    relative(file, f"{mode}_loss", loss.total(weights), 2e-5)


@pytest.mark.parametrize("name", ["tts", "vc"])
def test_speech_gradients(same: Same, name: str) -> None:
    """TTS and VC: gradients of all parameters"""
    file = f"g_{name}_loss"
    net = model(feature_grad_scale=1.0).train()

    batch = spoken_batch(name)
    same_gradients(same, net, golden(file), lambda: spoken_loss(net, batch).total(batch.weights))
    same(file, "train_postnet0_running_mean_after", net.speech_decoder_postnet.norms[0].running_mean, atol=1e-5)


def test_sid(same: Same, relative: Callable[..., None]) -> None:
    """SID loss and gradients of all parameters"""
    g, batch = golden("g_sid_loss"), golden("e_sid")
    net = model(feature_grad_scale=1.0, classes=40).train()

    def loss() -> Tensor:
        encoded = net.encode_speech(batch.tensor("in_source"), batch.lens("in_padding_mask"))
        logits = net.class_head(net.decode_class(encoded))
        return cross_entropy(logits, batch.tensor("batch_target")[:, 0], reduction="sum")

    relative("g_sid_loss", "train_loss", same_gradients(same, net, g, loss))
    with torch.no_grad():
        relative("g_sid_loss", "eval_loss", loss())
