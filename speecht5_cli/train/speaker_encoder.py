"""A trained x-vector net as a folder, and what it is for: the vectors of any number of waves.

The folder holds `xvector.safetensors` and `xvector.yaml`, the sizes of the net; `speakers fit` adds how it was made.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from speecht5_cli.config import from_tree, read_yaml, to_tree, write_yaml
from speecht5_cli.data.audio import SAMPLE_RATE, AudioRef, read_audio
from speecht5_cli.data.datadir import DataDir, shards
from speecht5_cli.data.speaker_vectors import (
    BY_SPEAKER,
    BY_UTTERANCE,
    Side,
    Vectors,
    normalised,
    sounds_of,
    speaker_means,
    speakers_of,
    write_vectors,
)
from speecht5_cli.device import best_device
from speecht5_cli.errors import CheckpointError, DataError
from speecht5_cli.files import atomic_write
from speecht5_cli.models.xvector import XVector, XVectorNetConfig
from speecht5_cli.models.xvector_speechbrain import from_speechbrain
from speecht5_cli.workers import map_shards

WEIGHTS, SIZES = "xvector.safetensors", "xvector.yaml"
SPEECHBRAIN_WEIGHTS = "embedding_model.ckpt"

_WINDOW_S = 600.0  # sound that is read before it is sorted by length
_SHARDS_A_PROCESS = 8  # progress moves by shards
_BATCH_S = 60.0  # sound of one batch, padding included; more only costs memory


class SpeakerEncoder:
    """An x-vector net in evaluation mode, on the accelerator if there is one."""

    def __init__(self, net: XVector) -> None:
        self.device = best_device()
        self.net = net.to(self.device).eval()

    def vectors(self, waves: Iterable[tuple[str, np.ndarray]]) -> Iterator[tuple[str, np.ndarray]]:
        """(key, (n_samples,) wave at 16 kHz) -> (key, (D,) float32 vector, not normalised), in another order.

        Raises DataError for a wave that is too short.
        """
        for window in _windows(waves):
            for batch in _batches(sorted(window, key=lambda item: len(item[1]))):
                yield from zip([key for key, _ in batch], self._embed(batch), strict=True)

    @torch.inference_mode()
    def _embed(self, batch: list[tuple[str, np.ndarray]]) -> np.ndarray:
        """The batch, sorted by length, as vectors (B, D)."""
        key, shortest = batch[0]
        if len(shortest) < self.net.min_samples:
            raise DataError(
                f"{key}: {len(shortest)} samples at 16 kHz are too short for a speaker vector, which needs "
                f"{self.net.min_samples}; leave the utterance out"
            )
        padded = np.zeros((len(batch), len(batch[-1][1])), np.float32)  # (B, S)
        for row, (_, wave) in zip(padded, batch):
            row[: len(wave)] = wave
        lens = torch.tensor([len(wave) for _, wave in batch], device=self.device)
        return self.net(torch.from_numpy(padded).to(self.device), lens).cpu().numpy()


class Sound(NamedTuple):
    """What a worker embeds: an utterance, and where its sound lies."""

    id: str
    ref: AudioRef


class Embedded(NamedTuple):
    """What a worker gives back: vectors of length 1, and the seconds of sound behind them."""

    vectors: Vectors
    audio_s: float


def embed_dir(folder: Path, data: DataDir, *, side: Side = "source", nj: int = 1, allow_pipes: bool = False) -> int:
    """Write `xvector.scp` and `spk_xvector.scp` into a data dir, with the net of `folder`; returns how many speakers.

    A sound that several utterances share, as targets of pairs do, is embedded once. Speakers who are only sources of
    pairs are among the speakers, too: scores tell how near to them a conversion still is. Raises DataError,
    CheckpointError.
    """
    embedded = partial(_embedded, folder, data, nj=nj, allow_pipes=allow_pipes)
    refs, speakers = sounds_of(data, side), speakers_of(data, side)
    distinct = embedded(refs)
    means = speaker_means({utterance: distinct[refs[utterance]] for utterance in _firsts(refs)}, speakers)
    others = {u: name for u, name in speakers_of(data, "source").items() if name not in means}
    if side == "target" and others:
        sources = {utterance: ref for utterance, ref in sounds_of(data, "source").items() if utterance in others}
        heard = embedded(sources)
        means |= speaker_means({utterance: heard[ref] for utterance, ref in sources.items()}, others)
    write_vectors(data.path, BY_UTTERANCE, {utterance: distinct[ref] for utterance, ref in refs.items()})
    write_vectors(data.path, BY_SPEAKER, means)
    return len(means)


def _firsts(refs: Mapping[str, AudioRef]) -> dict[str, AudioRef]:
    """One utterance for each distinct sound."""
    first = {refs[utterance]: utterance for utterance in sorted(refs, reverse=True)}
    return {utterance: ref for ref, utterance in sorted(first.items(), key=lambda item: item[1])}


def _embedded(
    folder: Path, data: DataDir, refs: Mapping[str, AudioRef], *, nj: int, allow_pipes: bool
) -> dict[AudioRef, np.ndarray]:
    """Vector of each distinct sound."""
    sounds = {utterance: Sound(utterance, ref) for utterance, ref in _firsts(refs).items()}
    pieces = shards(list(sounds), _SHARDS_A_PROCESS * nj)
    results = map_shards(
        partial(_embed_shard, folder, allow_pipes),
        [[sounds[utterance] for utterance in piece] for piece in pieces],
        doing=f"{data.path}: speaker vectors",
        nj=nj,
        audio_s=lambda result: result.audio_s,
    )
    return {refs[utterance]: vector for result in results for utterance, vector in result.vectors.items()}


def _embed_shard(folder: Path, allow_pipes: bool, sounds: Sequence[Sound]) -> Embedded:
    n_samples = 0

    def waves() -> Iterator[tuple[str, np.ndarray]]:
        nonlocal n_samples
        for sound in sounds:
            wave = read_audio(sound.ref, allow_pipes=allow_pipes)
            n_samples += len(wave)
            yield sound.id, wave

    vectors = SpeakerEncoder(load_net(folder)).vectors(waves())
    return Embedded({key: normalised(vector, where=key) for key, vector in vectors}, n_samples / SAMPLE_RATE)


def _windows(waves: Iterable[tuple[str, np.ndarray]]) -> Iterator[list[tuple[str, np.ndarray]]]:
    """The stream in pieces of some minutes of sound."""
    window, n_samples = [], 0
    for item in waves:
        window.append(item)
        n_samples += len(item[1])
        if n_samples > _WINDOW_S * SAMPLE_RATE:
            yield window
            window, n_samples = [], 0
    if window:
        yield window


def _batches(window: list[tuple[str, np.ndarray]]) -> Iterator[list[tuple[str, np.ndarray]]]:
    """Neighbours of a list that is sorted by length, as many as fill a batch; a longer wave goes alone."""
    batch: list[tuple[str, np.ndarray]] = []
    for item in window:
        if batch and (len(batch) + 1) * len(item[1]) > _BATCH_S * SAMPLE_RATE:
            yield batch
            batch = []
        batch.append(item)
    yield batch


def save_net(folder: Path, net: XVector, sizes: XVectorNetConfig) -> None:
    """Write the net into `folder`."""
    write_yaml(folder / SIZES, to_tree(sizes))
    with atomic_write(folder / WEIGHTS, "wb") as out:
        out.write(save({name: tensor.contiguous() for name, tensor in net.state_dict().items()}))


def load_net(folder: Path) -> XVector:
    """The net that `folder` holds. Raises CheckpointError when there is none, or when file and sizes disagree."""
    if not (folder / WEIGHTS).exists():
        raise CheckpointError(
            f"{folder}: no {WEIGHTS} here; `speecht5 speakers fit` trains a net, `speakers import` converts one"
        )
    try:
        state = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{folder / WEIGHTS}: not readable as safetensors: {error}") from None
    return _net(from_tree(XVectorNetConfig, read_yaml(folder / SIZES), SIZES), state, folder / WEIGHTS)


def import_speechbrain(source: Path, folder: Path) -> XVectorNetConfig:
    """Convert SpeechBrain's weights (the file, or the folder that holds `embedding_model.ckpt`) into `folder`.

    Raises CheckpointError for a file that is not a state of that net.
    """
    file = source / SPEECHBRAIN_WEIGHTS if source.is_dir() else source
    state = _unpickled(file)
    try:
        sizes, ours = from_speechbrain(state)
    except ValueError as error:
        raise CheckpointError(f"{file}: {error}") from None
    save_net(folder, _net(sizes, ours, file), sizes)
    return sizes


def _unpickled(file: Path) -> dict[str, Tensor]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)  # noqa: TID251 - tensors only, nothing runs
    except FileNotFoundError:
        raise CheckpointError(f"{file}: no such file") from None
    except Exception as error:  # noqa: BLE001 - torch names no class for the many ways in which a pickle can be wrong
        raise CheckpointError(f"{file}: not readable as tensors of a torch checkpoint: {error}") from None
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise CheckpointError(f"{file}: expected named tensors, got something else")
    return state


def _net(sizes: XVectorNetConfig, state: dict[str, Tensor], source: Path) -> XVector:
    net = XVector(sizes)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{source}: does not fit the sizes {to_tree(sizes)}: {error}") from None
    return net
