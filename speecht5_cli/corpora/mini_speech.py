"""The sound of the mini corpus: clean speech, a folder for each voice, and noisy copies of it.

Every folder is made in one step and has a record of what it was made from, so an interrupted run goes on where it
stopped, and a changed sentence, voice or espeak-ng makes the folder again. The same settings give the same bytes,
whatever the number of processes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from speecht5_cli.corpora.espeak import Espeak, SpeakingStyle, espeak_version
from speecht5_cli.corpora.mini_plan import Clip
from speecht5_cli.data.audio import SAMPLE_RATE, read_audio, resampled, write_audio
from speecht5_cli.data.noise import N_TALKERS, mixed, named_rng, noise, white_noise
from speecht5_cli.files import atomic_dir
from speecht5_cli.provenance import made
from speecht5_cli.workers import map_shards

CLEAN = "wav"  # folders of the corpus
NOISY = "noisy"
_FRAME_S = 0.01
_SILENCE_DB = -40.0  # below the loudest frame
_MARGIN_S = 0.08  # of silence at each end
_LEVEL = 0.05  # root mean square: leaves room for noise of the same power
_LEVEL_SPREAD_DB = 2.0
_FLOOR = 3e-4  # of white noise: a room is never digitally silent
_RATE_SPREAD = 0.08  # of the voice's own rate
_PITCH_SPREAD = 5  # of espeak-ng's hundred steps


@dataclass(frozen=True, slots=True)
class NoisyClip:
    """A copy of `clean` with noise; `talkers` are the other clips that babble is made of."""

    id: str
    clean: Clip
    kind: str
    snr_db: int
    talkers: tuple[Clip, ...] = ()


def clean_path(corpus: Path, clip: Clip) -> Path:
    return corpus / CLEAN / clip.voice.id / f"{clip.id}.wav"


def noisy_path(corpus: Path, name: str, clip: NoisyClip) -> Path:
    return corpus / NOISY / name / f"{clip.id}.wav"


# ---- clean ---------------------------------------------------------------------------------------------------------


def make_clean(corpus: Path, clips: Sequence[Clip], *, seed: int, nj: int) -> str:
    """Speak all clips that are not there yet; returns a mark that changes whenever any of the sound does."""
    by_voice: dict[str, list[Clip]] = {}
    for clip in clips:
        by_voice.setdefault(clip.voice.id, []).append(clip)
    options = {"espeak": espeak_version(), "seed": seed}
    work = partial(_speak_voice, corpus=corpus, options=options)
    map_shards(work, list(by_voice.values()), doing="speaking", nj=nj, audio_s=float)
    return _mark(clips, options)


def _speak_voice(clips: Sequence[Clip], *, corpus: Path, options: dict) -> float:
    """All clips of one voice; returns seconds of sound, 0 if they were there already."""
    voice, seed = clips[0].voice, options["seed"]
    folder = corpus / CLEAN / voice.id
    options = {**options, "clips": _mark(clips, options)}
    total_s = 0.0
    incomplete = _n_files(folder) != len(clips)
    with made(corpus, f"{CLEAN}-{voice.id}", options=options, inputs=[], outputs=[folder], force=incomplete) as making:
        if making.done:
            return 0.0
        with Espeak() as espeak, atomic_dir(folder) as temporary:
            for clip in clips:
                wave = spoken(espeak, clip, seed)
                total_s += len(wave) / SAMPLE_RATE
                write_audio(temporary / f"{clip.id}.wav", wave)
    return total_s


def spoken(espeak: Espeak, clip: Clip, seed: int) -> np.ndarray:
    """The clip at 16 kHz, in its voice with a little variation of rate, pitch and level that its id decides."""
    rng = named_rng(seed, clip.id)
    style = varied(clip.voice.style, rng)
    wave = framed(resampled(espeak.speak(clip.sentence.en, style), espeak.rate))
    level = _LEVEL * 10 ** (rng.uniform(-_LEVEL_SPREAD_DB, _LEVEL_SPREAD_DB) / 20)
    floor = _FLOOR * white_noise(len(wave), rng)
    return (wave * (level / np.sqrt(np.mean(wave**2))) + floor).astype(np.float32)


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


# ---- noisy ---------------------------------------------------------------------------------------------------------


def draw_noisy(
    clips: Sequence[Clip],
    *,
    talkers: Sequence[Clip],
    kinds: Sequence[str],
    snrs_db: Sequence[int],
    every_snr: bool,
    seed: int,
) -> list[NoisyClip]:
    """A noisy copy of each clip at a random SNR, or one at every SNR; the kinds of noise take turns."""
    drawn: list[NoisyClip] = []
    for clip in clips:
        rng = named_rng(seed, f"noise {clip.id}")
        for snr_db in snrs_db if every_snr else [snrs_db[int(rng.integers(len(snrs_db)))]]:
            kind = kinds[len(drawn) % len(kinds)]
            others = _draw_talkers(clip, talkers, rng) if kind == "babble" else ()
            drawn.append(NoisyClip(f"{clip.id}-{kind}{snr_db:02d}", clip, kind, snr_db, others))
    return drawn


def _draw_talkers(clip: Clip, talkers: Sequence[Clip], rng: np.random.Generator) -> tuple[Clip, ...]:
    """Some clips by other voices."""
    others = [talker for talker in talkers if talker.voice != clip.voice]
    return tuple(others[int(index)] for index in rng.permutation(len(others))[:N_TALKERS])


def make_noisy(corpus: Path, sets: dict[str, list[NoisyClip]], *, clean_mark: str, seed: int, nj: int) -> None:
    """Write the noisy copies of each set that are not there yet."""
    work = partial(_mix_set, corpus=corpus, options={"clean": clean_mark, "seed": seed})
    map_shards(work, [[(name, clips)] for name, clips in sets.items()], doing="adding noise", nj=nj)


def _mix_set(shard: Sequence[tuple[str, list[NoisyClip]]], *, corpus: Path, options: dict) -> None:
    for name, clips in shard:
        folder = corpus / NOISY / name
        marked = {**options, "clips": sha256(repr(clips).encode()).hexdigest()}
        incomplete = _n_files(folder) != len(clips)
        with made(corpus, f"{NOISY}-{name}", options=marked, inputs=[], outputs=[folder], force=incomplete) as making:
            if making.done:
                continue
            with atomic_dir(folder) as temporary:
                for clip in clips:
                    write_audio(temporary / f"{clip.id}.wav", _mix(corpus, clip, options["seed"]))


def _mix(corpus: Path, clip: NoisyClip, seed: int) -> np.ndarray:
    clean = read_audio(clean_path(corpus, clip.clean))
    talkers = [read_audio(clean_path(corpus, talker)) for talker in clip.talkers]
    return mixed(clean, noise(clip.kind, len(clean), named_rng(seed, clip.id), talkers), clip.snr_db)


# ---- records -------------------------------------------------------------------------------------------------------


def _mark(clips: Sequence[Clip], options: dict) -> str:
    """A hash of all that the sound of the clips depends on."""
    settings = [_LEVEL, _LEVEL_SPREAD_DB, _FLOOR, _RATE_SPREAD, _PITCH_SPREAD, _MARGIN_S, _SILENCE_DB]
    said = [(clip.id, asdict(clip.voice.style), clip.sentence.en) for clip in clips]
    return sha256(repr((settings, sorted(options.items()), said)).encode()).hexdigest()[:16]


def _n_files(folder: Path) -> int:
    return sum(1 for _ in folder.glob("*.wav"))
