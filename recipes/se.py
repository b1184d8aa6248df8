"""Speech enhancement (spec 4.8): clean speech from noisy speech, in the speaker's own voice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from speecht5_cli.data.assets import Assets, Source
from speecht5_cli.data.audio import AudioRef, read_audio
from speecht5_cli.data.batch import Batch, lens, padded
from speecht5_cli.data.corruption import SpanMask
from speecht5_cli.data.datadir import opened
from speecht5_cli.data.examples import long_enough, speech_to_speech, voice_of
from speecht5_cli.data.features import log_mel
from speecht5_cli.data.frames import LOG_MEL_HOP_SAMPLES
from speecht5_cli.data.noise import N_TALKERS, mixed, noise, repeated
from speecht5_cli.data.rows import Row
from speecht5_cli.data.silence import split_at_silence
from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.errors import DataError
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.plugins import Hypothesis, Metric, Scores, Stream
from speecht5_cli.score.speech import score_speech

if TYPE_CHECKING:
    from torch import Tensor

    from speecht5_cli.losses.terms import Loss
    from speecht5_cli.models.speecht5 import SpeechT5


RETRIES = 20  # of drawing noise that is not silent


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """Noisy speech made while training, from the clean side of a pair."""

    share: float = 0.0  # of the examples; the others are as the data dir has them
    kinds: tuple[Literal["white", "pink", "hum", "babble"], ...] = ("white", "pink", "hum")  # of generated noise
    talkers: tuple[Path, ...] = ()  # data dirs of the speech that babble is made of
    noises: tuple[Path, ...] = ()  # data dirs of recorded noise, in place of the generated kinds
    snr_db: tuple[float, float] = (0.0, 15.0)  # drawn evenly between


@dataclass(frozen=True, kw_only=True)
class SeConfig:
    """Never published: the authors say to train as for voice conversion; 100,000 updates of the paper."""

    longest_s: float = 20.0  # enhanced in one go; longer speech is split at silences
    length: Literal["stop", "input"] = "stop"  # input: as long as what came in, whatever the stop probability
    # What a decoder step reads: the last frame that was said (target), or the noisy frame at its own place (source), on
    # top of which it speaks. Then no step waits for another, and the length is the input's: `length` and what decoding
    # says of ends do not count.
    decoder_input: Literal["target", "source"] = "target"
    mixing: Mixing = field(default_factory=Mixing)
    freeze_encoder_steps: int = 0
    time_mask: SpanMask = field(default_factory=lambda: SpanMask(prob=0.0, length=10, min_spans=2))
    channel_mask: SpanMask = field(default_factory=lambda: SpanMask(prob=0.0, length=64))
    guided: float = 1.0  # weight of guided attention
    guided_steps: int = 0  # updates over which the weight falls to nothing; 0: it stays
    sigma: float = 0.4  # its width
    decode: SpeechGeneration = field(default_factory=lambda: SpeechGeneration(max_ratio=10.0))


class Se:
    """Noisy speech -> clean speech."""

    name = "se"
    summary = "speech enhancement"
    Config = SeConfig
    Model = ModelConfig
    metrics = (Metric("loss", "lower"),)
    output: Literal["speech"] = "speech"

    def streams(self, cfg: Any) -> tuple[Stream, ...]:
        mixing = cfg.task.mixing
        beside = (*mixing.talkers, *mixing.noises)
        inputs = ("wav.scp", "xvector.scp")
        return (Stream("speech", inputs, targets=("target.scp",), optional=("utt2spk",), beside=beside),)

    def assets(self, cfg: Any) -> dict[str, Source]:
        return {}

    def build(self, cfg: Any, assets: Assets) -> SpeechT5:
        from speecht5_cli.models.speecht5 import SpeechT5

        return SpeechT5(cfg.model, Parts(speech_in=True, speech_out=True))

    def example(self, row: Row, cfg: Any, assets: Assets, rng: np.random.Generator | None) -> dict[str, Any]:
        voice = voice_of(row, assets, dim=cfg.model.xvector_dim)
        if "target.scp" not in row:
            wave = long_enough(row.audio())
            pieces = split_at_silence(wave, cfg.task.longest_s)
            example = {"pieces": [long_enough(piece) for piece in pieces], "xvector": voice}
            return example | ({"noisy": _frames_of(pieces, log_mel(wave))} if _in_place(cfg) else {})
        clean = row.audio("target.scp")
        mix = rng is not None and rng.random() < cfg.task.mixing.share
        noisy = made_noisy(row, clean, cfg.task.mixing, rng) if mix and rng else row.audio()
        example = {"pieces": [long_enough(noisy)], "xvector": voice, "mel": log_mel(clean)}
        return _along(row.id, example) if _in_place(cfg) else example

    def collate(self, examples: list[dict[str, Any]], cfg: Any, rng: np.random.Generator | None) -> Batch:
        batch = speech_to_speech(
            examples, cfg.model, time_mask=cfg.task.time_mask, channel_mask=cfg.task.channel_mask, rng=rng
        )
        return _with_noisy(batch, examples, cfg.model.reduction) if _in_place(cfg) else batch

    def loss(self, model: SpeechT5, batch: Batch, cfg: Any, step: int) -> Loss:
        from speecht5_cli.losses.speech import speaking_loss

        encoded = model.encode_speech(**batch.speech, frozen=step < cfg.task.freeze_encoder_steps)
        return speaking_loss(model, encoded, batch.tensors, cfg.task, step)

    def predict(self, model: SpeechT5, batch: Batch, cfg: Any, assets: Assets) -> list[Hypothesis]:
        from speecht5_cli.decode.speech import speak, speak_in_place

        encoded = (model.encode_speech(**speech) for speech in batch.speech_parts(cfg.data.batch_seconds))
        voices, options, ids, owners = batch["xvector"], cfg.task.decode, batch.ids, batch["owners"]
        if _in_place(cfg):
            noisy, n_frames = batch["noisy"], batch["noisy_lens"]
            return speak_in_place(model, encoded, voices, noisy, n_frames, options, ids=ids, owners=owners)
        n_steps = _steps_of(batch["wav_lens"], cfg.model.reduction) if cfg.task.length == "input" else None
        return speak(model, encoded, voices, options, ids=ids, owners=owners, n_steps=n_steps)

    def score(self, hyp_dir: Path, ref_dir: Path, cfg: Any) -> Scores:
        return score_speech(hyp_dir, ref_dir, references="target.scp", aligned=True)


def made_noisy(row: Row, clean: np.ndarray, mixing: Mixing, rng: np.random.Generator) -> np.ndarray:
    """The clean wave (n,) with noise at a random ratio. Raises DataError that names the utterance if it is silent."""
    speaker = row.values.get("utt2spk", "")
    try:
        for _ in range(1 + RETRIES):
            sound = drawn_noise(mixing, len(clean), rng, without=speaker)
            if sound.any():  # recordings may pause for longer than an utterance lasts
                break
        return mixed(clean, sound, rng.uniform(*mixing.snr_db))
    except DataError as error:
        raise DataError(f"utterance {row.id}: {error}") from None


def drawn_noise(mixing: Mixing, n_samples: int, rng: np.random.Generator, *, without: str) -> np.ndarray:
    """(n_samples,) of recorded or generated noise; in babble, a speaker does not talk over himself."""
    if mixing.noises:
        recordings = recordings_of(mixing.noises)
        return repeated(read_audio(recordings[rng.integers(len(recordings))]), n_samples, rng)
    kind, talkers = str(rng.choice(mixing.kinds)), []
    if kind == "babble":
        others = recordings_of(mixing.talkers, without)
        if not others:
            raise DataError("babble is made of the speech of others; se.mixing.talkers names no data dir that has any")
        chosen = rng.choice(len(others), min(N_TALKERS, len(others)), replace=False)
        talkers = [read_audio(others[number]) for number in chosen]
    return noise(kind, n_samples, rng, talkers)


@cache
def recordings_of(dirs: tuple[Path, ...], without: str = "") -> list[AudioRef]:
    """All sounds of the data dirs but those of a speaker, in the order of their names."""
    found: list[AudioRef] = []
    for folder in map(opened, dirs):
        speakers = folder.table("utt2spk")
        found += [ref for name, ref in sorted(folder.audio().items()) if speakers[name] != without]
    return found


def _in_place(cfg: Any) -> bool:
    """Whether the decoder cleans the noisy log-mel frame by frame."""
    return bool(cfg.task.decoder_input == "source")


def _frames_of(pieces: list[np.ndarray], mel: np.ndarray) -> list[np.ndarray]:
    """The log-mel (L, M) of a wave, cut where its pieces end: as many frames in all, whatever the number of pieces."""
    ends = np.cumsum([len(piece) for piece in pieces])[:-1]
    return np.split(mel, np.round(ends / LOG_MEL_HOP_SAMPLES).astype(int))


def _along(utterance: str, example: dict[str, Any]) -> dict[str, Any]:
    """With the noisy log-mel, as long as the clean one.

    Raises DataError that names the utterance if they differ by more than the frame that a few samples make.
    """
    noisy, clean = log_mel(example["pieces"][0]), example["mel"]
    if abs(len(noisy) - len(clean)) > 1:
        raise DataError(
            f"utterance {utterance}: {len(noisy)} frames of noisy speech, {len(clean)} of clean speech; "
            "se.decoder_input=source cleans frame by frame, so both have to be of one length"
        )
    n_frames = min(len(noisy), len(clean))
    return example | {"noisy": [noisy[:n_frames]], "mel": clean[:n_frames]}


def _with_noisy(batch: Batch, examples: list[dict[str, Any]], reduction: int) -> Batch:
    """With the log-mel of each piece, its last frame repeated up to a whole decoder step; in training cut to one."""
    mels = [mel for example in examples for mel in example["noisy"]]
    if "mel" in batch:
        rows = [mel[: len(mel) - len(mel) % reduction] for mel in mels]
    else:
        rows = [np.pad(mel, ((0, -len(mel) % reduction), (0, 0)), mode="edge") for mel in mels]
    n_frames = lens(rows if "mel" in batch else mels)
    return replace(batch, tensors=batch.tensors | {"noisy": padded(rows), "noisy_lens": n_frames})


def _steps_of(lens: Tensor, reduction: int) -> Tensor:
    """Samples (B,) -> decoder steps of as long a log-mel."""
    return ((1 + lens // LOG_MEL_HOP_SAMPLES) // reduction).clamp(min=1)


task = Se()
