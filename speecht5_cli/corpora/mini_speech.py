"""The clean sound of the mini corpus: a folder for each voice.

An interrupted run goes on where it stopped, and a changed sentence, voice or espeak-ng makes a voice's folder again.
The same settings give the same bytes, whatever the number of processes.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from speecht5_cli.corpora.espeak import Espeak, SpeakingStyle, espeak_version
from speecht5_cli.corpora.mini_plan import Clip
from speecht5_cli.corpora.sound_folder import mark_of, sound_folder
from speecht5_cli.data.audio import SAMPLE_RATE, resampled, write_audio
from speecht5_cli.data.noise import FLOOR, LEVEL, levelled, named_rng, white_noise
from speecht5_cli.workers import map_shards

_FRAME_S = 0.01
_SILENCE_DB = -40.0  # below the loudest frame
_MARGIN_S = 0.08  # of silence at each end
_LEVEL_SPREAD_DB = 2.0
_RATE_SPREAD = 0.08  # of the voice's own rate
_PITCH_SPREAD = 5  # of espeak-ng's hundred steps


def clip_path(root: Path, clip: Clip) -> Path:
    """Where the sound of a clip lies."""
    return root / clip.voice.id / f"{clip.id}.wav"


def speak_all(root: Path, clips: Sequence[Clip], *, seed: int, nj: int) -> str:
    """Write `root`/<voice>/<clip>.wav where it is missing; returns a mark that changes when any of the sound does."""
    by_voice: dict[str, list[Clip]] = {}
    for clip in clips:
        by_voice.setdefault(clip.voice.id, []).append(clip)
    version = espeak_version()
    work = partial(_speak_voice, root=root, version=version, seed=seed)
    map_shards(work, list(by_voice.values()), doing="speaking", nj=nj, audio_s=float)
    return _mark(clips, version, seed)


def _speak_voice(clips: Sequence[Clip], *, root: Path, version: str, seed: int) -> float:
    """All clips of one voice; returns seconds of sound that were made."""
    total_s = 0.0
    mark = _mark(clips, version, seed)
    with sound_folder(root, clips[0].voice.id, depends_on=mark, n_files=len(clips)) as folder:
        if folder is None:
            return 0.0
        with Espeak() as espeak:
            for clip in clips:
                wave = spoken(espeak, clip, seed)
                write_audio(folder / f"{clip.id}.wav", wave)
                total_s += len(wave) / SAMPLE_RATE
    return total_s


def spoken(espeak: Espeak, clip: Clip, seed: int) -> np.ndarray:
    """The clip at 16 kHz, in its voice with a little variation of rate, pitch and level that its id decides."""
    rng = named_rng(seed, clip.id)
    style = varied(clip.voice.style, rng)
    wave = framed(resampled(espeak.speak(clip.sentence.en, style), espeak.rate))
    wave = levelled(wave) * np.float32(10 ** (rng.uniform(-_LEVEL_SPREAD_DB, _LEVEL_SPREAD_DB) / 20))
    return wave + np.float32(FLOOR) * white_noise(len(wave), rng)


def varied(style: SpeakingStyle, rng: np.random.Generator) -> SpeakingStyle:
    """The style with another rate and pitch, so that a voice does not say a word the same way each time."""
    rate = round(style.rate * (1 + rng.uniform(-_RATE_SPREAD, _RATE_SPREAD)))
    return replace(style, rate=rate, pitch=style.pitch + int(rng.integers(-_PITCH_SPREAD, _PITCH_SPREAD + 1)))


def framed(wave: np.ndarray) -> np.ndarray:
    """The wave (n,) at 16 kHz with exactly 0.08 s before and after the part that is not silent."""
    frame = round(_FRAME_S * SAMPLE_RATE)
    n_frames = len(wave) // frame
    power = np.square(wave[: n_frames * frame].reshape(n_frames, frame)).mean(1)
    loud = np.flatnonzero(power > power.max() * 10 ** (_SILENCE_DB / 10))
    margin = round(_MARGIN_S * SAMPLE_RATE)
    padded = np.pad(wave, margin)
    return padded[loud[0] * frame : (loud[-1] + 1) * frame + 2 * margin]


def _mark(clips: Sequence[Clip], version: str, seed: int) -> str:
    """A hash of all that the sound of the clips depends on."""
    settings = [LEVEL, _SILENCE_DB, _MARGIN_S, _LEVEL_SPREAD_DB, FLOOR, _RATE_SPREAD, _PITCH_SPREAD]
    said = [(clip.id, asdict(clip.voice.style), clip.sentence.en) for clip in clips]
    return mark_of(version, seed, settings, said)
