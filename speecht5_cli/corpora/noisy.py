"""Noisy copies of clean recordings, for speech enhancement: which noise at which ratio, the sound, and the data dir."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from speecht5_cli.corpora.sound_folder import mark_of, sound_folder
from speecht5_cli.data.audio import SAMPLE_RATE, read_audio, write_audio
from speecht5_cli.data.noise import N_TALKERS, NOISE_KINDS, mixed, named_rng, noise
from speecht5_cli.data.utterance import Utterance
from speecht5_cli.workers import map_shards

SNRS_DB = {"train": (0, 5, 10, 15), "dev": (0, 5, 10), "test": (0, 5, 10)}  # split -> the ratios that occur


@dataclass(frozen=True, slots=True)
class NoisyCopy:
    """A copy of `clean` with noise; `talkers` are sources of other speech, which babble is made of."""

    id: str
    clean: Utterance
    kind: str
    snr_db: int
    talkers: tuple[Utterance, ...] = ()


def draw_noisy(clean: Sequence[Utterance], talkers: Sequence[Utterance], split: str, *, seed: int) -> list[NoisyCopy]:
    """A copy of each utterance at one of the split's ratios; of the test's utterances one at each of them.

    The kinds of noise take turns. Babble is spoken by others than the utterance's speaker.
    """
    copies: list[NoisyCopy] = []
    for utterance in clean:
        rng = named_rng(seed, f"noise {utterance.id}")
        snrs_db = SNRS_DB[split]
        for snr_db in snrs_db if split == "test" else [snrs_db[int(rng.integers(len(snrs_db)))]]:
            kind = NOISE_KINDS[len(copies) % len(NOISE_KINDS)]
            chosen = _draw_talkers(utterance, talkers, rng) if kind == "babble" else ()
            copies.append(NoisyCopy(f"{utterance.id}-{kind}{snr_db:02d}", utterance, kind, snr_db, chosen))
    return copies


def _draw_talkers(
    utterance: Utterance, talkers: Sequence[Utterance], rng: np.random.Generator
) -> tuple[Utterance, ...]:
    others = [talker for talker in talkers if talker.speaker != utterance.speaker]
    return tuple(others[int(index)] for index in rng.permutation(len(others))[:N_TALKERS])


def make_noisy(root: Path, sets: Mapping[str, Sequence[NoisyCopy]], *, clean_mark: str, seed: int, nj: int) -> None:
    """Write `root`/<set>/<id>.wav for each set that is not there yet; `clean_mark` stands for the clean sound."""
    work = partial(_mix_sets, root=root, clean_mark=clean_mark, seed=seed)
    map_shards(work, [[(name, copies)] for name, copies in sets.items()], doing="adding noise", nj=nj, audio_s=float)


def noisy_path(root: Path, name: str, copy: NoisyCopy) -> Path:
    """Where the sound of a noisy copy lies."""
    return root / name / f"{copy.id}.wav"


def noisy_utterances(root: Path, name: str, copies: Sequence[NoisyCopy]) -> Iterator[Utterance]:
    """The noisy sound, with the clean one as its target, and the truth about the noise in utt2snr and utt2noise."""
    for copy in copies:
        tables = {
            "target.scp": copy.clean.audio,
            "utt2tgtspk": copy.clean.speaker,
            "utt2snr": str(copy.snr_db),
            "utt2noise": copy.kind,
        }
        audio = str(noisy_path(root, name, copy))
        yield Utterance(copy.id, copy.clean.speaker, audio, copy.clean.text, tables=tables)


def _mix_sets(shard: Sequence[tuple[str, Sequence[NoisyCopy]]], *, root: Path, clean_mark: str, seed: int) -> float:
    """Returns seconds of sound that were made."""
    total_s = 0.0
    for name, copies in shard:
        said = [(copy.id, [talker.id for talker in copy.talkers]) for copy in copies]
        mark = mark_of(clean_mark, seed, said)
        with sound_folder(root, name, depends_on=mark, n_files=len(copies)) as folder:
            if folder is None:
                continue
            for copy in copies:
                clean = read_audio(copy.clean.audio)
                talkers = [read_audio(talker.audio) for talker in copy.talkers]
                disturbance = noise(copy.kind, len(clean), named_rng(seed, copy.id), talkers)
                write_audio(folder / f"{copy.id}.wav", mixed(clean, disturbance, copy.snr_db))
                total_s += len(clean) / SAMPLE_RATE
    return total_s
