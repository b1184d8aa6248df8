"""Longer sound from single digits: strings for recognition and synthesis, pieces of seconds for pre-training.

Only recordings of one speaker are joined, each brought to the same level first (the speakers' own differ by 25 dB).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from speecht5_cli.corpora.fsdd_recordings import Recording, Recordings
from speecht5_cli.corpora.sound_folder import mark_of, sound_folder
from speecht5_cli.data.audio import SAMPLE_RATE, audio_info, read_audio, write_audio
from speecht5_cli.data.noise import FLOOR, joined, levelled, named_rng, white_noise
from speecht5_cli.workers import map_shards

_GAP_S = (0.05, 0.25)  # between two digits
_EDGE_S = 0.1  # before the first and after the last
_PIECE_S = (2.0, 8.0)  # of pre-training: a mask is longer than many a digit


@dataclass(frozen=True, slots=True)
class Joined:
    """Recordings of one speaker, one after the other."""

    id: str
    recordings: tuple[Recording, ...]
    gaps_s: tuple[float, ...]

    @property
    def speaker(self) -> str:
        """Who says all of it."""
        return self.recordings[0].speaker

    @property
    def digits(self) -> tuple[int, ...]:
        """What is said."""
        return tuple(recording.digit for recording in self.recordings)


def draw_strings(
    recordings: Recordings, split: str, digits: Sequence[tuple[int, ...]], *, first: int, seed: int
) -> list[Joined]:
    """A string of each of `digits`, from recordings of the split; the speakers take turns. Numbers start at `first`."""
    choices: dict[tuple[str, int], list[Recording]] = {}
    for one in recordings.of(split):
        choices.setdefault((one.speaker, one.digit), []).append(one)
    speakers = recordings.speakers
    strings = []
    for number, string in enumerate(digits, first):
        speaker = speakers[number % len(speakers)]
        rng = named_rng(seed, f"string {number}")
        chosen = tuple(_pick(choices[speaker, digit], rng) for digit in string)
        strings.append(Joined(f"{speaker}-s{number:05d}", chosen, _draw_gaps(len(chosen) - 1, rng)))
    return strings


def draw_pieces(recordings: Recordings, split: str, *, shuffles: int, seed: int) -> list[Joined]:
    """Pieces of 2 to 8 s in which every recording of the split occurs once for each shuffle (a few more often)."""
    pieces: list[Joined] = []
    for speaker in recordings.speakers:
        own = recordings.of(split, speaker)
        durations = {one: audio_info(one.path).duration_s for one in own}
        rng = named_rng(seed, f"pieces {split} {speaker}")
        groups = [group for _ in range(shuffles) for group in _cut(durations, rng)]
        for number, (group, gaps_s) in enumerate(groups):
            pieces.append(Joined(f"{speaker}-{split}{number:04d}", group, gaps_s))
    return pieces


def _cut(
    durations: Mapping[Recording, float], rng: np.random.Generator
) -> Iterator[tuple[tuple[Recording, ...], tuple[float, ...]]]:
    """Shuffle the recordings and cut them into groups, with the gaps between, of random length.

    The last group is filled up with any recordings if it would be too short.
    """
    recordings = list(durations)
    waiting = [recordings[int(index)] for index in rng.permutation(len(recordings))]
    while waiting:
        wanted_s = rng.uniform(*_PIECE_S)
        group = [waiting.pop(0)]
        gaps_s: list[float] = []
        total_s = durations[group[0]] + 2 * _EDGE_S
        while total_s < _PIECE_S[0] or waiting:
            one = waiting[0] if waiting else _pick(recordings, rng)
            gap_s = float(rng.uniform(*_GAP_S))
            longer_s = total_s + gap_s + durations[one]
            if total_s >= _PIECE_S[0] and longer_s > wanted_s:
                break
            waiting = waiting[1:]
            group.append(one)
            gaps_s.append(gap_s)
            total_s = longer_s
        yield tuple(group), tuple(gaps_s)


def _pick(choices: Sequence[Recording], rng: np.random.Generator) -> Recording:
    return choices[int(rng.integers(len(choices)))]


def _draw_gaps(n: int, rng: np.random.Generator) -> tuple[float, ...]:
    return tuple(float(gap_s) for gap_s in rng.uniform(*_GAP_S, n))


def joined_path(root: Path, name: str, one: Joined) -> Path:
    """Where the sound of a joined recording lies."""
    return root / name / f"{one.id}.wav"


def write_joined(root: Path, sets: Mapping[str, Sequence[Joined]], *, nj: int) -> str:
    """Write `root`/<set>/<id>.wav for the sets that are not there yet; returns a mark of all the sound."""
    marks = {name: _mark(pieces) for name, pieces in sets.items()}
    work = partial(_join_sets, root=root, marks=marks)
    map_shards(work, [[item] for item in sets.items()], doing="joining digits", nj=nj, audio_s=float)
    return mark_of(marks)


def _join_sets(shard: Sequence[tuple[str, Sequence[Joined]]], *, root: Path, marks: Mapping[str, str]) -> float:
    """Returns seconds of sound that were made."""
    total_s = 0.0
    for name, pieces in shard:
        with sound_folder(root, name, depends_on=marks[name], n_files=len(pieces)) as folder:
            if folder is None:
                continue
            for one in pieces:
                waves = [levelled(read_audio(recording.path)) for recording in one.recordings]
                wave = np.pad(joined(waves, one.gaps_s), round(_EDGE_S * SAMPLE_RATE))
                wave += np.float32(FLOOR) * white_noise(len(wave), named_rng(0, one.id))
                write_audio(folder / f"{one.id}.wav", wave)
                total_s += len(wave) / SAMPLE_RATE
    return total_s


def _mark(pieces: Sequence[Joined]) -> str:
    """A hash of what is joined how, and of the recordings themselves."""
    files = sorted({recording.path for one in pieces for recording in one.recordings})
    stats = [(Path(file).name, Path(file).stat().st_size, Path(file).stat().st_mtime_ns) for file in files]
    return mark_of(stats, _EDGE_S, [(one.id, [part.id for part in one.recordings], one.gaps_s) for one in pieces])
