"""From log-mels to waves: the one door to vocoders, trained or not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speecht5_cli.data.features import LOG_MEL, LogMelSettings
from speecht5_cli.decode.griffin_lim import check_log_mel, griffin_lim
from speecht5_cli.decode.options import GRIFFIN_LIM
from speecht5_cli.device import best_device

if TYPE_CHECKING:
    from speecht5_cli.models.vocoder import HifiGan


Vocoder = Callable[[list[np.ndarray]], list[np.ndarray]]  # (L, mels) log-mels -> (L * hop,) float32 waves at 16 kHz

_PIECE_FRAMES = 2048  # 33 s are synthesised at once, whatever the length of the whole
_HEARD_FRAMES = 256  # 4 s, where somebody listens
_BATCH_FRAMES = 5000  # padding included; on a CPU a batch is no faster than its members one by one


def load_vocoder(
    spec: str | Path, *, features: LogMelSettings = LOG_MEL, device: str = "", precision: str = "auto"
) -> Vocoder:
    """The vocoder that `spec` names: "griffin-lim", or a folder that `speecht5 vocoder train` or an import made.

    `features` are the settings of the log-mels to come; `device` is the accelerator if there is one, unless it is
    given. With the precision "bf16" a trained one computes in bfloat16, with any other in float32. The wave of an
    utterance does not depend on the others, and begins with the first frame's centre. The vocoder raises DataError for
    log-mels that are none.

    Raises CheckpointError when there is no such vocoder, or when it reads other log-mels.
    """
    if str(spec) == GRIFFIN_LIM:
        return partial(_each, settings=features)
    from speecht5_cli.decode.vocoder_folder import check_features, read_vocoder
    from speecht5_cli.models.vocoder import in_bfloat16

    net, expected = read_vocoder(Path(spec))
    check_features(expected, features, str(spec))
    if precision == "bf16":
        net = in_bfloat16(net)
    return Synthesis(net.to(device or best_device()), features)


def _each(log_mels: list[np.ndarray], *, settings: LogMelSettings) -> list[np.ndarray]:
    return [griffin_lim(log_mel, settings=settings) for log_mel in log_mels]


@dataclass(frozen=True)
class _Piece:
    """Some frames of an utterance, with as many on each side as can be heard in them."""

    utterance: int
    log_mel: np.ndarray  # (L, M)
    first: int  # frame of the piece where its own part begins
    n_frames: int  # of its own part


class Synthesis:
    """A generator that works piece by piece: bounded memory, and the wave of the whole, sample by sample."""

    def __init__(self, net: "HifiGan", features: LogMelSettings, *, piece_frames: int = _PIECE_FRAMES) -> None:
        self.net, self.features, self.piece_frames = net.eval(), features, piece_frames
        self.device = net.mean.device
        self.batch_frames = 0 if self.device.type == "cpu" else _BATCH_FRAMES

    def __call__(self, log_mels: list[np.ndarray]) -> list[np.ndarray]:
        """(L, M) each -> (L * hop,) float32 each, in the same order."""
        waves: list[list[np.ndarray]] = [[] for _ in log_mels]
        pieces = [
            piece
            for number, log_mel in enumerate(log_mels)
            for piece in self._pieces(number, log_mel, self.piece_frames)
        ]
        order = sorted(range(len(pieces)), key=lambda place: -len(pieces[place].log_mel))
        heard: dict[int, np.ndarray] = {}
        for batch in self._batches(order, pieces):
            heard.update(zip(batch, self._synthesise([pieces[place] for place in batch]), strict=True))
        for place, piece in enumerate(pieces):
            waves[piece.utterance].append(heard[place])
        return [np.concatenate(parts) for parts in waves]

    def stream(self, log_mel: np.ndarray) -> Iterator[np.ndarray]:
        """The wave of one utterance in consecutive parts, each as soon as it is made."""
        for piece in self._pieces(0, log_mel, min(_HEARD_FRAMES, self.piece_frames)):
            yield self._synthesise([piece])[0]

    def _pieces(self, utterance: int, log_mel: np.ndarray, n_frames: int) -> list[_Piece]:
        check_log_mel(log_mel, self.features)
        context, pieces = self.net.config.context_frames, []
        for start in range(0, len(log_mel), n_frames):
            end = min(start + n_frames, len(log_mel))
            first = max(0, start - context)
            pieces.append(_Piece(utterance, log_mel[first : end + context], start - first, end - start))
        return pieces

    def _batches(self, order: list[int], pieces: list[_Piece]) -> Iterator[list[int]]:
        """Places of pieces, the longest first, as many as fill a batch."""
        batch: list[int] = []
        for place in order:
            if batch and (len(batch) + 1) * len(pieces[batch[0]].log_mel) > self.batch_frames:
                yield batch
                batch = []
            batch.append(place)
        if batch:
            yield batch

    def _synthesise(self, pieces: list[_Piece]) -> list[np.ndarray]:
        """The own part of each piece."""
        import torch

        lens = torch.tensor([len(piece.log_mel) for piece in pieces], device=self.device)
        padded = np.zeros((len(pieces), int(lens.max()), self.features.n_mels), np.float32)  # (B, L, M)
        for row, piece in zip(padded, pieces):
            row[: len(piece.log_mel)] = piece.log_mel
        with torch.inference_mode():
            waves = self.net(torch.from_numpy(padded).to(self.device), lens).float().cpu().numpy()  # (B, S)
        hop = self.features.hop_samples
        return [wave[piece.first * hop : (piece.first + piece.n_frames) * hop] for wave, piece in zip(waves, pieces)]
