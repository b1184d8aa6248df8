"""Every term of the pre-training losses, by the task's own code, with masks, noise and mixed steps given."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from golden import Golden, Same, golden, model
from gradients import same_gradients
from speecht5_recipes.pretrain import PretrainConfig, task

from speecht5_cli.data.batch import Batch
from speecht5_cli.losses.terms import Loss
from speecht5_cli.models.quantizer import MIXED
from speecht5_cli.models.speecht5 import Encoded, SpeechT5

STEP = 1000  # of the quantiser's temperature
RELATIVE = 1e-5


def prepared(g: Golden, mode: str) -> SpeechT5:
    """The model in a mode, its draws replaced by the stored ones."""
    net = model().train(mode == "train")
    plain = net.mix_codebook

    def mix(encoded: Encoded, step: int) -> Any:
        n = int(encoded.states.size(1) * MIXED)
        noise = g.tensor("gumbel").view(*encoded.states.shape[:2], 2, 10)
        return plain(encoded, step, steps=g.tensor("codebook_perm")[:n], noise=noise)

    net.mix_codebook = mix  # type: ignore[method-assign]
    return net


def speech_batch(g: Golden) -> Batch:
    """The original's batch under our names. Its means count padded frames, so the weights do too."""
    lens = g.tensor("batch_dec_target_lengths")
    even = lens - lens % 2
    mask, pad = g.tensor("mask_indices"), g.tensor("frame_padding_mask")
    tensors = {
        "wav": g.tensor("in_source"),
        "wav_lens": g.lens("in_padding_mask"),
        "units": g.tensor("aligned_targets").long() - 4,
        "mask": mask,
        "mel": g.tensor("batch_dec_target")[:, : int(even.max())],
        "mel_lens": even,
        "xvector": g.tensor("in_spkembs"),
    }
    n_mels = float(even.sum())
    weights = {
        "units": float((mask & ~pad).sum()),
        "units_open": float((~mask & ~pad).sum()),
        "features": float(mask.numel()),
        "l1": n_mels,
        "stop": n_mels,
        "speech_diversity": 1.0,
    }
    return Batch(["a", "c"], tensors, weights)


def run(net: SpeechT5, batch: Batch) -> Loss:
    return task.loss(net, batch, SimpleNamespace(model=net.cfg, task=PretrainConfig()), STEP)


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("file", ["f_speech_pre_pad", "f_speech_pre_crop"])
def test_speech(same: Same, file: str, mode: str) -> None:
    """pre-training on speech: every loss term"""
    g, batch = golden(file), speech_batch(golden(file))
    loss = run(prepared(g, mode), batch)
    means = {name: float(term.sum) / batch.weights[name] for name, term in loss.terms.items()}
    n_masked = batch.weights["units"]

    def relative(key: str, got: float, atol: float = 1e-9) -> None:
        same.arrays(f"{file}/{key}", np.array(got), g[key], atol=atol, rtol=RELATIVE)

    assert n_masked == g[f"{mode}_sample_size"]
    relative(f"{mode}_log_loss_m_0", means["units"] * n_masked)
    relative("features_pen", means["features"])
    relative(f"{mode}_log_loss_features_pen", 10 * means["features"] * n_masked)
    relative(f"{mode}_log_loss_prob_perplexity", 0.1 * means["speech_diversity"] * n_masked)
    relative(f"{mode}_log_l1_loss", means["l1"])
    # The original's own stop logits are 4e-5 away from float64.
    relative(f"{mode}_log_bce_loss", means["stop"], atol=1e-5)
    relative(f"{mode}_log_code_perplexity", float(loss.stats["speech_code_perplexity"][0]))
    relative(f"{mode}_log_loss_u_0", float(loss.terms["units_open"].sum))
    assert int(loss.stats["units_accuracy"][0]) == g[f"{mode}_log_correct_m_0"]
    assert int(loss.stats["units_open_accuracy"][0]) == g[f"{mode}_log_correct_u_0"]
    relative(f"{mode}_loss", float(loss.total(batch.weights)) * n_masked)


@pytest.mark.parametrize("file", ["f_speech_pre_pad", "f_speech_pre_crop"])
def test_speech_gradients(same: Same, file: str) -> None:
    """pre-training on speech: gradients of all parameters"""
    g, batch = golden(file), speech_batch(golden(file))
    net = prepared(g, "train")
    same_gradients(same, net, g, lambda: run(net, batch).total(batch.weights) * batch.weights["units"])
    # The batch norms moved as the original's did.
    moved = net.speech_decoder_postnet.norms[0].running_mean
    same(file, "train_postnet0_running_mean_after", moved, atol=1e-5)


def test_speech_outputs(same: Same) -> None:
    """pre-training on speech: unit logits, codes, spectrogram (padding: original)"""
    file = "f_speech_pre_pad"
    g = golden(file)
    net, mask = prepared(g, "eval"), g.tensor("mask_indices")
    wav, lens = g.tensor("in_source"), g.lens("in_padding_mask")
    frames = net.speech_encoder_prenet(wav, lens, mask=mask)
    same(file, "prenet_out_masked", frames.states)
    encoded = net.encode_speech(wav, lens, mask=mask)
    same(file, "encoder_out_masked", encoded.states)
    for key, chosen in (("logit_m", mask & ~encoded.pad), ("logit_u", ~mask & ~encoded.pad)):
        cosines = net.unit_logits(encoded.states[chosen])
        own = g.tensor("aligned_targets").long()[chosen]
        # The original puts the frame's own cluster in front and minus infinity in its place.
        positive = cosines.gather(1, own[:, None])
        same(file, key, torch.cat([positive, cosines.scatter(1, own[:, None], -torch.inf)], 1))
    mixed, codes = net.mix_codebook(encoded, STEP)
    same(file, "quantized", codes.states)
    same(file, "quantizer_indices", codes.indices)
    spoken = net.decode_speech(
        g.tensor("batch_dec_target"),
        g.tensor("batch_dec_target_lengths"),
        mixed,
        g.tensor("in_spkembs"),
        attention=True,
    )
    same(file, "before_postnet", spoken.before)
    same(file, "after_postnet", spoken.after)
    same(file, "stop_logits", spoken.stop_logits)
    same(file, "cross_attn_last_layer_mean", spoken.attention[-1].mean(1))


def text_batch(g: Golden) -> Batch:
    tensors = {
        "tokens": g.tensor("in_src_tokens"),
        "shifted": g.tensor("in_prev_output_tokens"),
        "target": g.tensor("batch_target"),
    }
    return Batch(["0", "1"], tensors, {"text": float(g["batch_ntokens"]), "text_diversity": 1.0})


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_text(same: Same, mode: str) -> None:
    """pre-training on text: logits, every loss term"""
    file = "f_text_pretrain"
    g, batch = golden(file), text_batch(golden(file))
    net = prepared(g, mode)
    if mode == "eval":
        mixed, _ = net.mix_codebook(net.encode_text(batch["tokens"]), STEP)
        same(file, "encoder_out_after_codebook", mixed.states)
        same(file, "logits", net.decode_text(batch["shifted"], mixed))
    loss = run(net, batch)
    n_tokens = batch.weights["text"]
    for key, got in (
        ("log_bart_loss", loss.terms["text"].sum),
        ("log_loss_prob_perplexity", 0.1 * n_tokens * loss.terms["text_diversity"].sum),
        ("log_code_perplexity", loss.stats["text_code_perplexity"][0]),
        ("loss", loss.total(batch.weights) * n_tokens),
    ):
        same(file, f"{mode}_{key}", np.array(float(got)), atol=0, rtol=RELATIVE)


def test_text_gradients(same: Same) -> None:
    """pre-training on text: gradients of all parameters"""
    g, batch = golden("f_text_pretrain"), text_batch(golden("f_text_pretrain"))
    net = prepared(g, "train")
    same_gradients(same, net, g, lambda: run(net, batch).total(batch.weights) * batch.weights["text"])


def test_quantizer(same: Same) -> None:
    """the quantiser: hard choice, choice with noise, gradient through it"""
    from speecht5_cli.losses.diversity import code_perplexity, mean_use, perplexity

    file = "f_quantizer"
    g, net = golden(file), model()
    codes = net.quantizer(g.tensor("x"), 0)
    same(file, "eval_out", codes.states)
    same(file, "eval_indices", codes.indices)
    same(file, "eval_prob_perplexity", perplexity(mean_use(codes.soft, None)))
    same(file, "eval_code_perplexity", code_perplexity(codes.indices, 10, None))
    same(file, "logits", net.quantizer.logits(g.tensor("x")))
    x = g.tensor("x").requires_grad_()
    with torch.enable_grad():
        codes = net.quantizer.train()(x, STEP, g.tensor("train_gumbel").view(2, 9, 2, 10))
        (codes.states.flatten() * torch.arange(codes.states.numel()).cos()).sum().backward()
    same(file, "train_out", codes.states)
    chosen = (g.tensor("logits").view(2, 9, 2, 10) + g.tensor("train_gumbel").view(2, 9, 2, 10)).argmax(-1)
    same(file, "train_indices", chosen)  # ours counts the entries that would be chosen without the noise
    same(file, "train_grad_x_of_sum_cos_weighted", x.grad)
