"""Pieces of examples and batches that several tasks are made of (see data/batch.py for the names).

Each function makes part of an example or of a batch; a task's `example` and `collate` join them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from speecht5_cli.data.assets import Assets
from speecht5_cli.data.batch import Batch, lens, padded
from speecht5_cli.data.corruption import SpanMask, span_mask
from speecht5_cli.data.frames import UNIT_HOP_SAMPLES, n_unit_frames
from speecht5_cli.data.rows import Row
from speecht5_cli.data.speaker_vectors import normalised
from speecht5_cli.data.vocabulary import Vocabulary
from speecht5_cli.data.voices import VOICES, default_voice

if TYPE_CHECKING:
    from torch import Tensor

Example = dict[str, Any]
MIN_SAMPLES = 400  # what one encoder frame sees; shorter sounds are filled up with silence


def long_enough(wave: np.ndarray) -> np.ndarray:
    """The wave (n,), filled up with silence to at least one encoder frame."""
    return np.pad(wave, (0, max(0, MIN_SAMPLES - len(wave))))


def speech_in(
    waves: Sequence[np.ndarray],
    *,
    time_mask: SpanMask,
    channel_mask: SpanMask,
    channels: int,
    rng: np.random.Generator | None,
) -> "dict[str, Tensor]":
    """wav, wav_lens and, where there is a generator, mask and channel_mask."""
    import torch

    tensors = {"wav": padded(waves), "wav_lens": lens(waves)}
    if rng is not None:
        frames = np.array([n_unit_frames(len(wave)) for wave in waves])
        masks = {
            "mask": span_mask(frames, time_mask, rng),
            "channel_mask": span_mask(np.full(len(waves), channels), channel_mask, rng),
        }
        tensors |= {name: torch.from_numpy(mask) for name, mask in masks.items() if mask is not None}
    return tensors


def text_out(examples: Sequence[Example]) -> "dict[str, Tensor]":
    """shifted, target and target_lens of the examples' `tokens`; </s> starts what is read and ends what is said."""
    targets = [np.array([*example["tokens"], Vocabulary.eos]) for example in examples]
    shifted = [np.array([Vocabulary.eos, *example["tokens"]]) for example in examples]
    return {
        "target": padded(targets, Vocabulary.pad),
        "shifted": padded(shifted, Vocabulary.pad),
        "target_lens": lens(targets),
    }


def crops(
    examples: Sequence[Example], *, longest: int, rng: np.random.Generator | None
) -> "tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]":
    """Equal pieces of `wav`, and what belongs to them of `mel` and `units`: (waves, mels, units).

    As the original: the size is that of the shortest wave of the batch, `longest` samples at most; mels are cut in
    proportion to the whole file's samples per frame, units by their 50 Hz rate (spec 3.5). Without a generator every
    piece is the beginning.
    """
    size = min(longest, *(len(example["wav"]) for example in examples))
    waves, mels, units = [], [], []
    for example in examples:
        wave, mel = example["wav"], example["mel"]
        start = 0 if rng is None else int(rng.integers(0, len(wave) - size + 1))
        per_frame = len(wave) / len(mel)
        first_mel, first_unit = int(start / per_frame), round(start / UNIT_HOP_SAMPLES)
        waves.append(wave[start : start + size])
        mels.append(mel[first_mel : first_mel + int(size / per_frame)])
        units.append(example["units"][first_unit : first_unit + round(size / UNIT_HOP_SAMPLES)])
    n_frames = min(n_unit_frames(size), *map(len, units))
    return waves, mels, [row[:n_frames] for row in units]


def speech_out(mels: Sequence[np.ndarray], xvectors: Sequence[np.ndarray], *, reduction: int) -> "dict[str, Tensor]":
    """mel, mel_lens and xvector; each mel (L, M) is cut to whole decoder steps."""
    whole = [mel[: len(mel) - len(mel) % reduction] for mel in mels]
    return {"mel": padded(whole), "mel_lens": lens(whole), "xvector": padded(xvectors)}


def speaking_weights(tensors: "dict[str, Tensor]", source_lens: "Tensor", *, reduction: int) -> dict[str, float]:
    """What the terms of a task that speaks are divided by: valid frames, and cells of the attention map."""
    frames, steps = tensors["mel_lens"], tensors["mel_lens"] // reduction
    return {"l1": float(frames.sum()), "stop": float(frames.sum()), "guided": float((steps * source_lens).sum())}


def voice_of(row: Row, assets: Assets, *, dim: int) -> np.ndarray:
    """The voice (dim,) that an utterance asks for, or the model's default one.

    Raises DataError when there is neither, or when its size is another than the model's.
    """
    if "xvector.scp" in row:
        return normalised(row.vector("xvector.scp"), where=f"utterance {row.id}: xvector.scp", dim=dim)
    voice = assets.read(VOICES, default_voice) if VOICES in assets else default_voice(assets.folder / VOICES)
    return normalised(voice, where=f"{assets.folder / VOICES}: the default voice", dim=dim)


def in_pieces(pieces: Sequence[Sequence[np.ndarray]]) -> "tuple[list[np.ndarray], Tensor]":
    """The pieces of all examples in a row, and the number of the example that owns each (P,)."""
    import torch

    owners = [number for number, some in enumerate(pieces) for _ in some]
    return [piece for some in pieces for piece in some], torch.tensor(owners, dtype=torch.long)


def speech_to_speech(
    examples: Sequence[Example],
    model: Any,
    *,
    time_mask: SpanMask,
    channel_mask: SpanMask,
    rng: np.random.Generator | None,
) -> Batch:
    """Speech that goes in as `pieces` with `owners`, a voice, and, in training, the speech that should come out.

    `model` is the model's configuration: its widths are needed.
    """
    pieces, owners = in_pieces([example["pieces"] for example in examples])
    voices = [example["xvector"] for example in examples]
    tensors = speech_in(pieces, time_mask=time_mask, channel_mask=channel_mask, channels=model.d_model, rng=rng)
    tensors |= {"owners": owners, "xvector": padded(voices)}
    weights: dict[str, float] = {}
    if "mel" in examples[0]:
        import torch

        tensors |= speech_out([example["mel"] for example in examples], voices, reduction=model.reduction)
        frames = torch.tensor([n_unit_frames(len(piece)) for piece in pieces])
        weights = speaking_weights(tensors, frames, reduction=model.reduction)
    return Batch([example["id"] for example in examples], tensors, weights)
