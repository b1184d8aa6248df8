"""What a model is fed with: padded tensors of one stream, and the weights of its loss terms.

Names that tasks share (B batch, S samples, T frames, U tokens, L mel frames, D channels, X size of a voice):

| name             | shape         | what                                                                    |
|------------------|---------------|-------------------------------------------------------------------------|
| wav, wav_lens    | (B, S), (B,)  | the speech that goes in, float32 in [-1, 1]                             |
| mask             | (B, T)        | True: the frame is hidden from the encoder                              |
| channel_mask     | (B, D)        | True: the channel is zeroed                                             |
| units            | (B, T)        | k-means clusters                                                        |
| tokens, …_lens   | (B, U), (B,)  | text that goes in                                                       |
| shifted, target  | (B, U)        | text that comes out: what the decoder reads, and what it should say     |
| target_lens      | (B,)          | its length, the end mark counted                                        |
| mel, mel_lens    | (B, L, M)     | log-mel that should come out                                            |
| noisy, noisy_lens | (B, L, M), (B,) | log-mel of the speech that goes in, for decoders that clean it in place |
| xvector          | (B, X)        | the voice to speak with                                                 |
| label            | (B,)          | class                                                                   |
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass
class Batch:
    """Examples of one stream. `weights` gives each loss term the number that its sum is divided by."""

    ids: list[str]
    tensors: "dict[str, Tensor]"
    weights: dict[str, float] = field(default_factory=dict)
    cost: float = 0.0  # seconds of audio or number of tokens, without padding
    details: list[dict[str, Any]] = field(default_factory=list)  # of each utterance, for its hypothesis

    def __getitem__(self, name: str) -> "Tensor":
        return self.tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def get(self, name: str) -> "Tensor | None":
        """The tensor of that name, or None."""
        return self.tensors.get(name)

    @property
    def speech(self) -> dict[str, Any]:
        """What `SpeechT5.encode_speech` wants of a batch that `data.examples.speech_in` made."""
        return {
            "wav": self["wav"],
            "lens": self["wav_lens"],
            "mask": self.get("mask"),
            "channel_mask": self.get("channel_mask"),
        }

    def speech_parts(self, seconds: float) -> Iterator[dict[str, Any]]:
        """`speech`, as many rows at a time as make that many seconds, padding counted.

        A recording of an hour is more than a hundred pieces, and to encode these at once takes tens of GB.
        """
        whole, wav = self.speech, self["wav"]
        for rows in parts(len(wav), wav.size(1) / SAMPLE_RATE, seconds):
            few = rows.stop - rows.start < len(wav)
            yield {name: tensor[rows] if few and tensor is not None else tensor for name, tensor in whole.items()}

    def pin_memory(self) -> "Batch":
        """The batch in memory that a GPU reads while the process goes on; torch's loader asks for it."""
        return replace(self, tensors={k: v.pin_memory() for k, v in self.tensors.items()})

    def to(self, device: "torch.device | str") -> "Batch":
        """The batch with its tensors on the device."""
        return replace(self, tensors={k: v.to(device, non_blocking=True) for k, v in self.tensors.items()})


def parts(n_rows: int, cost: float, budget: float) -> Iterator[slice]:
    """Rows of that cost each, a few at a time: as few as reach the budget."""
    at_once = max(1, math.ceil(budget / cost))
    for first in range(0, n_rows, at_once):
        yield slice(first, first + at_once)


def padded(arrays: Sequence[np.ndarray], value: float = 0) -> "Tensor":
    """Arrays (n_i, ...) -> tensor (B, max n_i, ...) filled up with `value`."""
    import torch

    first = np.asarray(arrays[0])
    result = np.full((len(arrays), max(map(len, arrays)), *first.shape[1:]), value, dtype=first.dtype)
    for row, array in zip(result, arrays):
        row[: len(array)] = array
    return torch.from_numpy(result)


def lens(arrays: Sequence[np.ndarray]) -> "Tensor":
    """Lengths (B,)"""
    import torch

    return torch.tensor([len(array) for array in arrays])
