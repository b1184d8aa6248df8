"""Short pieces of speech with their log-mels, aligned to the sample: what a vocoder is trained on.

The log-mel of a piece is cut out of the utterance's (the computed one, or one that a model predicted by teacher
forcing), so it looks at the same samples as it will when the vocoder speaks.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE, AudioRef, duration_s, read_audio
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.features import LOG_MEL, log_mel
from speecht5_cli.data.predicted_mels import LogMelFolder
from speecht5_cli.data.speaker_vectors import Side, sounds_of
from speecht5_cli.errors import DataError

HOP = LOG_MEL.hop_samples

_MARGIN = -(-LOG_MEL.fft_samples // 2 // HOP)  # frames on each side whose windows would reach over a cut
_SLACK = 4  # frames that a prediction may be shorter or longer: a reduction factor cuts the last ones off
_SILENCE = float(np.log10(LOG_MEL.floor))
_READERS = 4
_BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Spoken:
    """An utterance to learn from. `mels` holds its predicted log-mel; None: it is computed from the sound."""

    id: str
    ref: AudioRef
    duration_s: float
    mels: LogMelFolder | None = None
    allow_pipes: bool = False

    @property
    def n_frames(self) -> int:
        """Frames whose hop lies inside of the sound, as far as its stated duration tells."""
        return int(self.duration_s * SAMPLE_RATE) // HOP

    def whole(self) -> tuple[np.ndarray, np.ndarray]:
        """(log-mel (L, M), wave (L * hop,)), float32 both, the wave filled up with zeros.

        Raises DataError that names the utterance, also when a predicted log-mel is of another length.
        """
        wave = self._audio(0, None)
        frames = log_mel(wave)
        if self.mels is not None:
            predicted = self.mels.read(self.id)
            self._check(len(predicted), len(frames))
            frames = predicted
        return frames, _fitted(wave, len(frames) * HOP)

    def piece(self, start: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames start ... start + n of the utterance: (log-mel (n, M), wave (n * hop,)); silence behind its end."""
        if self.mels is not None:
            frames = self.mels.read(self.id)
            self._check(len(frames), 1 + self.n_frames)
            start = max(0, min(start, len(frames) - n))
            return _fitted(frames[start : start + n], n, floor=_SILENCE), self._sound(start, n)[1]
        return self._sound(start, n)

    def _sound(self, start: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        first = max(0, start - _MARGIN)
        wave = self._audio(first, start + n + _MARGIN)
        if len(wave) < (start + n - first) * HOP:
            wave = _fitted(wave, (start + n - first) * HOP)
        inside = start - first
        return log_mel(wave)[inside : inside + n], wave[inside * HOP : (inside + n) * HOP]

    def _audio(self, first: int, last: int | None) -> np.ndarray:
        """The sound between two frames, which may end early."""
        start_s = self.ref.start_s + first * HOP / SAMPLE_RATE
        end_s = self.ref.end_s
        if last is not None:
            end_s = self.ref.start_s + min(last * HOP / SAMPLE_RATE, self.duration_s)
        try:
            return read_audio(AudioRef(self.ref.source, start_s, end_s), allow_pipes=self.allow_pipes)
        except DataError as error:
            raise DataError(f"utterance {self.id}: {error}") from None

    def _check(self, predicted: int, recorded: int) -> None:
        if abs(predicted - recorded) > _SLACK:
            raise DataError(
                f"utterance {self.id}: the predicted log-mel has {predicted} frames, the sound {recorded}; predict by "
                "teacher forcing, so that both keep step"
            )


def spoken_in(
    dirs: Iterable[DataDir], *, mels: LogMelFolder | None = None, side: Side = "source", allow_pipes: bool = False
) -> list[Spoken]:
    """The utterances of all dirs, sorted; with `mels`, those that it has a log-mel for.

    Raises DataError when nothing is left.
    """
    found: dict[str, Spoken] = {}
    dirs = list(dirs)
    for data in dirs:
        durations = data.durations(allow_pipes=allow_pipes) if side == "source" else {}
        for utterance, ref in sounds_of(data, side).items():
            if mels is not None and utterance not in mels:
                continue
            seconds = durations[utterance] if durations else duration_s(ref, allow_pipes=allow_pipes)
            found[utterance] = Spoken(utterance, ref, seconds, mels, allow_pipes)
    if not found:
        where = ", ".join(str(data.path) for data in dirs)
        raise DataError(f"{where}: no utterance" + (f" with a log-mel in {mels.path}" if mels else ""))
    return [found[utterance] for utterance in sorted(found)]


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece to read."""

    spoken: Spoken
    start: int
    n_frames: int

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Spoken.piece`."""
        return self.spoken.piece(self.start, self.n_frames)


def drawn_pieces(
    spoken: Sequence[Spoken], *, n_frames: int, batch_size: int, seed: int, first_step: int = 0
) -> Iterator[list[Cut]]:
    """Batches without end: utterances by their length, places at random. Batch i depends on the seed and i alone."""
    n = np.array([max(one.n_frames, 1) for one in spoken], np.float64)
    shares = n / n.sum()
    step = first_step
    while True:
        rng = np.random.default_rng((seed, step))
        chosen = rng.choice(len(spoken), size=batch_size, p=shares)
        yield [Cut(spoken[i], int(rng.integers(max(1, spoken[i].n_frames - n_frames + 1))), n_frames) for i in chosen]
        step += 1


def read_pieces(batches: Iterable[list[Cut]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(B, n, M) log-mels and (B, n * hop) waves of each batch, read a little ahead in threads."""
    ahead: deque = deque()
    with ThreadPoolExecutor(_READERS) as readers:
        for batch in batches:
            ahead.append([readers.submit(cut.read) for cut in batch])
            if len(ahead) > _BATCHES_AHEAD:
                yield _stacked(ahead.popleft())
        while ahead:
            yield _stacked(ahead.popleft())


def _stacked(reading: list) -> tuple[np.ndarray, np.ndarray]:
    pairs = [piece.result() for piece in reading]
    return np.stack([mel for mel, _ in pairs]), np.stack([wave for _, wave in pairs])


def _fitted(array: np.ndarray, n: int, floor: float = 0.0) -> np.ndarray:
    """The first n items, or all of them and `floor` behind."""
    if len(array) >= n:
        return array[:n]
    return np.concatenate([array, np.full((n - len(array), *array.shape[1:]), floor, array.dtype)])
