"""Distance of predicted from true log-mel, and when to stop: what every task that speaks is trained on.

B batch   L mel frames   M mels   pad masks True where padded
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from speecht5_cli.losses.guided import guided_attention
from speecht5_cli.losses.terms import Loss, Term
from speecht5_cli.models.conv_features import frame_lens
from speecht5_cli.models.masks import padding_mask
from speecht5_cli.models.postnets import Spoken
from speecht5_cli.models.speecht5 import Encoded, SpeechT5

STOP_WEIGHT = 5.0  # of the one frame that ends an utterance against the many that do not


def mel_l1(predicted: Tensor, mel: Tensor, pad: Tensor) -> Tensor:
    """(B, L, M) twice, pad (B, L) -> sum over valid frames of the mean over mels of |difference|."""
    return l1_loss(predicted.float(), mel, reduction="none").mean(-1).masked_fill(pad, 0.0).sum()


def stop_cross_entropy(logits: Tensor, lens: Tensor, pad: Tensor) -> Tensor:
    """Stop logits (B, L), lens (B,), pad (B, L) -> sum over valid frames; the last valid frame's label is 1."""
    labels = torch.zeros_like(logits, dtype=torch.float32)
    labels.scatter_(1, (lens - 1).clamp(min=0)[:, None], 1.0)
    weight = torch.tensor(STOP_WEIGHT, device=logits.device)
    losses = binary_cross_entropy_with_logits(logits.float(), labels, pos_weight=weight, reduction="none")
    return losses.masked_fill(pad, 0.0).sum()


def spectrogram_terms(spoken: Spoken, mel: Tensor, lens: Tensor) -> dict[str, Term]:
    """mel (B, L, M) of whole decoder steps, lens (B,) -> "l1" (before and after the post-net) and "stop".

    Both are sums over valid frames.
    """
    pad = padding_mask(lens, mel.size(1))
    return {
        "l1": Term(mel_l1(spoken.before, mel, pad) + mel_l1(spoken.after, mel, pad)),
        "stop": Term(stop_cross_entropy(spoken.stop_logits, lens, pad)),
    }


class Guidance(Protocol):
    """The settings of guided attention."""

    guided: float  # weight; 0: none
    guided_steps: int  # updates over which the weight falls to nothing; 0: it stays
    sigma: float


def guidance_at(step: int, guidance: Guidance) -> float:
    """The weight of guided attention in an update. A strong one that stays outweighs what is to be learned later."""
    if not guidance.guided_steps:
        return guidance.guided
    return guidance.guided * max(0.0, 1.0 - step / guidance.guided_steps)


def speaking_loss(
    model: SpeechT5, encoded: Encoded, batch: Mapping[str, Tensor], guidance: Guidance, step: int
) -> Loss:
    """Spectrogram terms and guided attention for what `encoded` should be spoken as (names as in data/batch.py).

    What is said along `noisy` speech ends with it, so there is no term for when to stop. Speech is guided along the
    frames that the convolutions make of it: with `padding: original` the encoder's mask keeps a frame more.
    """
    mel, lens = batch["mel"], batch["mel_lens"]
    weight = guidance_at(step, guidance)
    noisy, voice = batch.get("noisy"), batch["xvector"]
    spoken = model.decode_speech(mel, lens, encoded, voice, noisy=noisy, attention=weight > 0)
    terms = spectrogram_terms(spoken, mel, lens)
    if noisy is not None:
        del terms["stop"]
    if weight:
        steps = lens.div(model.cfg.reduction, rounding_mode="floor")
        along = frame_lens(batch["wav_lens"]) if "wav_lens" in batch else encoded.lens
        distance = guided_attention(spoken.attention, steps, along, sigma=guidance.sigma)
        terms["guided"] = Term(distance, weight)
    return Loss(terms)
