"""WHAM!'s mixtures of one speaker and noise, made from WSJ0 and wham_noise as wham_scripts makes them (16 kHz, max).

Three things go into a mixture: the list of wham_scripts (which recording), the table of wham_noise (its gains and its
place in the noise), and the noise of the mixture's name. A noise recording is as long as the mixture; only its left
channel is used.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from speecht5_cli.corpora.sound_folder import mark_of, sound_folder
from speecht5_cli.corpora.wsj0 import Wsj0
from speecht5_cli.data.audio import SAMPLE_RATE, AudioRef, read_as_recorded, write_audio
from speecht5_cli.data.utterance import Rejected
from speecht5_cli.errors import DataError
from speecht5_cli.workers import map_shards

KINDS = ("mix_single", "s1")
_CHUNK = 1_000  # mixtures in a folder, which is made in one step


@dataclass(frozen=True, slots=True)
class Mixture:
    """How one mixture is made."""

    stem: str
    speech: str
    noise: str
    speech_gain: tuple[float, float]  # of wsj0-mix, after which the samples are rounded to 16 bits; of WHAM!
    noise_gain: float
    start: int  # sample of the noise where the speech begins


def planned(wsj0: Wsj0, noise: Path, lists: Path, split: str, rejected: list[Rejected]) -> list[Mixture]:
    """The mixtures of a split; those whose recordings are missing go to `rejected`. DataError for missing tables."""
    speech = _speech_of(lists / f"mix_2_spk_filenames_{split}.csv")
    gains = _Gains(noise / "metadata", split)
    mixtures = []
    for number, name in enumerate(gains.names):
        stem = name.removesuffix(".wav")
        path = wsj0.recording(speech.get(stem, ""))
        noise_path = noise / split / f"{stem}.wav"
        if stem not in speech:
            rejected.append(Rejected(stem, "not in the list of mixtures: it has only gains"))
        elif path is None:
            rejected.append(Rejected(stem, f"no such recording in WSJ0: {speech[stem]}"))
        elif not noise_path.is_file():
            rejected.append(Rejected(stem, f"no noise: {noise_path} is missing"))
        else:
            mixtures.append(gains.mixture(number, stem, str(path), str(noise_path)))
    return mixtures


def mixed_folders(root: Path, split: str, mixtures: Sequence[Mixture], *, nj: int) -> list[Path]:
    """Write `root`/<split>_<chunk>/{mix_single,s1}/<name>.wav where they are missing; returns the chunks' folders."""
    chunks = [mixtures[start : start + _CHUNK] for start in range(0, len(mixtures), _CHUNK)]
    named = [(f"{split}_{number:02d}", chunk) for number, chunk in enumerate(chunks)]
    map_shards(partial(_mix, root=root), [[one] for one in named], doing=f"mixing {split}", nj=nj, audio_s=float)
    return [root / name for name, _ in named]


def _mix(shard: Sequence[tuple[str, Sequence[Mixture]]], *, root: Path) -> float:
    """Returns seconds of sound that were made."""
    total_s = 0.0
    for name, mixtures in shard:
        with sound_folder(root, name, depends_on=mark_of(mixtures), n_files=len(KINDS) * len(mixtures)) as folder:
            if folder is None:
                continue
            for mixture in mixtures:
                noisy, clean = mixed_sides(mixture)
                for kind, wave in zip(KINDS, (noisy, clean)):
                    write_audio(folder / kind / f"{mixture.stem}.wav", wave)
                total_s += len(noisy) / SAMPLE_RATE
    return total_s


def mixed_sides(mixture: Mixture) -> tuple[np.ndarray, np.ndarray]:
    """(noisy, clean), both (n,) float64 at 16 kHz, as long as the noise."""
    speech, noise = _left(mixture.speech), mixture.noise_gain * _left(mixture.noise)
    levelled = np.round(speech * mixture.speech_gain[0] * 2**15) / 2**15 * mixture.speech_gain[1]
    clean = np.zeros_like(noise)
    part = levelled[: max(len(noise) - mixture.start, 0)]
    clean[mixture.start : mixture.start + len(part)] = part
    return clean + noise, clean


def _left(path: str) -> np.ndarray:
    wave, rate = read_as_recorded(AudioRef(path))
    if rate != SAMPLE_RATE:
        raise DataError(f"{path}: {rate} Hz; WHAM! is mixed from recordings of {SAMPLE_RATE} Hz")
    return (wave if wave.ndim == 1 else wave[:, 0]).astype(np.float64)


def _speech_of(file: Path) -> dict[str, str]:
    """Mixture -> the first speaker's recording, from the list of wham_scripts."""
    rows = _rows(file, ("output_filename", "s1_path"), "it is in the folder `data` of wham_scripts")
    return {row["output_filename"].removesuffix(".wav"): row["s1_path"] for row in rows}


class _Gains:
    """scaling_<split>.npz of wham_noise: a row for each mixture, in the order of mix_param_meta_<split>.csv."""

    def __init__(self, folder: Path, split: str) -> None:
        file = folder / f"scaling_{split}.npz"
        if not file.is_file():
            raise DataError(f"{file}: no such file; it comes with wham_noise")
        with np.load(file, allow_pickle=False) as arrays:
            try:
                self._speech_mix = np.asarray(arrays["scaling_wsjmix_16k_max"], float)  # (n, 2)
                self._speech = np.asarray(arrays["scaling_wham_speech_16k_max"], float).ravel()
                self._noise = np.asarray(arrays["scaling_wham_noise_16k_max"], float).ravel()
                self._start = np.asarray(arrays["speech_start_sample_16k"]).astype(int).ravel()
            except (KeyError, ValueError) as error:
                raise DataError(f"{file}: not the table of gains that comes with wham_noise: {error}") from None
        # The archive has the names as well, but as a pickle, which could run anything.
        names = folder / f"mix_param_meta_{split}.csv"
        self.names = [row["utterance_id"] for row in _rows(names, ("utterance_id",), "it comes with wham_noise")]
        if not len(self.names) == len(self._speech_mix) == len(self._speech) == len(self._noise) == len(self._start):
            raise DataError(f"{file}: {len(self._speech)} rows, but {names} names {len(self.names)} mixtures")

    def mixture(self, number: int, stem: str, speech: str, noise: str) -> Mixture:
        """The mixture of a row."""
        gains = float(self._speech_mix[number, 0]), float(self._speech[number])
        return Mixture(stem, speech, noise, gains, float(self._noise[number]), int(self._start[number]))


def _rows(file: Path, columns: tuple[str, ...], origin: str) -> list[dict[str, str]]:
    if not file.is_file():
        raise DataError(f"{file}: no such file; {origin}")
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    if missing := [column for column in columns if not rows or rows[0].get(column) is None]:
        raise DataError(f"{file}: no column '{missing[0]}' with values")
    return rows
