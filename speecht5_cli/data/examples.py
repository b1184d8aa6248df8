"""Pieces of examples and batches that several tasks are made of (see data/batch.py for the names).

Each function makes part of an example or of a batch; a task's `example` and `collate` join them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from speecht5_cli.data.batch import lens, padded
from speecht5_cli.data.corruption import SpanMask, span_mask
from speecht5_cli.data.frames import UNIT_HOP_SAMPLES, n_unit_frames
from speecht5_cli.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

Example = dict[str, Any]
MIN_SAMPLES = 400  # what one encoder frame sees; shorter sounds are filled up with silence


def long_enough(wave: np.ndarray) -> np.ndarray:
    """The wave (n,), filled up with silence to at least one encoder frame."""
    return np.pad(wave, (0, max(0, MIN_SAMPLES - len(wave))))


def speech_in(
    examples: Sequence[Example],
    *,
    time_mask: SpanMask,
    channel_mask: SpanMask,
    channels: int,
    rng: np.random.Generator | None,
) -> "dict[str, Tensor]":
    """wav, wav_lens and, where there is a generator, mask and channel_mask."""
    import torch

    waves = [example["wav"] for example in examples]
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
