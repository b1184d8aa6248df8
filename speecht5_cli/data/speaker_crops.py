"""Recordings grouped by speaker, and random pieces of them, for training a net that tells speakers apart."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from math import ceil

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE, AudioRef, read_audio
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.speaker_vectors import names_speakers, sounds_of
from speecht5_cli.errors import DataError

_BATCHES_AHEAD = 2
_READERS = 4


@dataclass(frozen=True, slots=True)
class Recording:
    """One utterance of a known speaker."""

    utterance: str
    speaker: str
    ref: AudioRef
    duration_s: float
    allow_pipes: bool = False

    def read(self, start_s: float = 0.0, length_s: float = float("inf")) -> np.ndarray:
        """(n_samples,) float32 at 16 kHz of the whole, or of a part. Raises DataError that names the utterance."""
        first_s = self.ref.start_s + start_s
        end_s = min(first_s + length_s, self.ref.start_s + self.duration_s)
        try:
            wave = read_audio(AudioRef(self.ref.source, first_s, end_s), allow_pipes=self.allow_pipes)
        except DataError as error:
            raise DataError(f"utterance {self.utterance}: {error}") from None
        if not len(wave):
            raise DataError(f"utterance {self.utterance}: no sound between {first_s:.3f} and {end_s:.3f} s")
        return wave


def recordings_of(dirs: Iterable[DataDir], *, allow_pipes: bool = False) -> list[Recording]:
    """The utterances of all dirs, sorted by speaker.

    Raises DataError for an utterance that two dirs share, fewer than two speakers, or dirs that name no speakers.
    """
    found: dict[str, Recording] = {}
    dirs = list(dirs)
    for data in dirs:
        durations, utt2spk = data.durations(allow_pipes=allow_pipes), data.table("utt2spk")
        for utterance, ref in sounds_of(data, "source").items():
            if utterance in found:
                raise DataError(f"{data.path}: the utterance '{utterance}' is also in another of the dirs")
            found[utterance] = Recording(utterance, utt2spk[utterance], ref, durations[utterance], allow_pipes)
    where = ", ".join(str(data.path) for data in dirs)
    speakers = {recording.utterance: recording.speaker for recording in found.values()}
    if len(set(speakers.values())) < 2:
        raise DataError(f"{where}: one speaker only; a net learns voices by telling at least two speakers apart")
    if not names_speakers(speakers):
        raise DataError(
            f"{where}: each of the {len(speakers)} utterances has a speaker of its own, so utt2spk seems to name no "
            "speakers; training needs several utterances a speaker (embedding works without)"
        )
    return sorted(found.values(), key=lambda recording: (recording.speaker, recording.utterance))


def held_out(
    recordings: list[Recording], share: float, rng: np.random.Generator
) -> tuple[list[Recording], list[Recording]]:
    """(to train on, held out): of every speaker the share, rounded up, but at least one utterance stays to train on."""
    train, held = [], []
    for _, group in groupby(recordings, key=lambda recording: recording.speaker):
        own = list(group)
        order = rng.permutation(len(own))
        n_held = min(ceil(share * len(own)), len(own) - 1)
        held += [own[i] for i in sorted(order[:n_held])]
        train += [own[i] for i in sorted(order[n_held:])]
    return train, held


@dataclass(frozen=True, slots=True)
class Crop:
    """A piece of a recording: where it starts (seconds into the recording) and whose it is (class number)."""

    recording: Recording
    start_s: float
    n_samples: int
    label: int

    def read(self) -> np.ndarray:
        """(n_samples,) float32 at 16 kHz; a recording that is too short is repeated."""
        return np.resize(self.recording.read(self.start_s, self.n_samples / SAMPLE_RATE), self.n_samples)


def draw_crops(
    recordings: list[Recording], rng: np.random.Generator, *, batch_size: int, min_s: float, max_s: float
) -> Iterator[list[Crop]]:
    """Batches without end, every speaker equally likely. The crops of a batch are equally long."""
    by_speaker = [list(group) for _, group in groupby(recordings, key=lambda recording: recording.speaker)]
    while True:
        length_s = rng.uniform(min_s, max_s)
        batch = []
        for label in rng.integers(len(by_speaker), size=batch_size):
            recording = by_speaker[label][rng.integers(len(by_speaker[label]))]
            start_s = rng.uniform(0.0, max(0.0, recording.duration_s - length_s))
            batch.append(Crop(recording, start_s, round(length_s * SAMPLE_RATE), int(label)))
        yield batch


def read_crops(batches: Iterable[list[Crop]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(B, S) waves and (B,) class numbers of each batch, read a little ahead in threads."""
    ahead: deque = deque()
    with ThreadPoolExecutor(_READERS) as readers:
        for batch in batches:
            ahead.append((batch, [readers.submit(crop.read) for crop in batch]))
            if len(ahead) > _BATCHES_AHEAD:
                yield _gathered(*ahead.popleft())
        while ahead:
            yield _gathered(*ahead.popleft())


def _gathered(batch: list[Crop], reading: list) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([wave.result() for wave in reading]), np.array([crop.label for crop in batch])
