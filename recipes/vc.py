"""Voice conversion (spec 4.7): what one speaker said, in the voice of another."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from speecht5_cli.data.assets import Assets, Source
from speecht5_cli.data.batch import Batch
from speecht5_cli.data.corruption import SpanMask
from speecht5_cli.data.examples import long_enough, speech_to_speech, voice_of
from speecht5_cli.data.features import log_mel
from speecht5_cli.data.rows import Row
from speecht5_cli.data.silence import split_at_silence
from speecht5_cli.data.voices import VOICES, voices_from
from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.plugins import Hypothesis, Metric, Scores, Stream
from speecht5_cli.score.speech import score_speech

if TYPE_CHECKING:
    from speecht5_cli.losses.terms import Loss
    from speecht5_cli.models.speecht5 import SpeechT5


@dataclass(frozen=True, kw_only=True)
class VcConfig:
    """Defaults are the original's command for CMU ARCTIC."""

    voice: str | None = None  # the target speaker who is the default voice; none: the mean of all
    longest_s: float = 20.0  # converted in one go; longer speech is split at silences
    freeze_encoder_steps: int = 0
    time_mask: SpanMask = field(default_factory=lambda: SpanMask(prob=0.0, length=10, min_spans=2))
    channel_mask: SpanMask = field(default_factory=lambda: SpanMask(prob=0.0, length=64))
    guided: float = 1.0  # weight of guided attention
    guided_steps: int = 0  # updates over which the weight falls to nothing; 0: it stays
    sigma: float = 0.4  # its width
    decode: SpeechGeneration = field(default_factory=lambda: SpeechGeneration(max_ratio=10.0))


class Vc:
    """Speech -> speech of another voice."""

    name = "vc"
    summary = "voice conversion, to the voice of an x-vector"
    Config = VcConfig
    Model = ModelConfig
    metrics = (Metric("loss", "lower"),)
    output: Literal["speech"] = "speech"

    def streams(self, cfg: Any) -> tuple[Stream, ...]:
        targets = ("target.scp", "xvector.scp")
        return (Stream("speech", inputs=("wav.scp",), targets=targets, optional=("xvector.scp",)),)

    def assets(self, cfg: Any) -> dict[str, Source]:
        return {VOICES: voices_from(cfg.data.train, default=cfg.task.voice)}

    def build(self, cfg: Any, assets: Assets) -> SpeechT5:
        from speecht5_cli.models.speecht5 import SpeechT5

        return SpeechT5(cfg.model, Parts(speech_in=True, speech_out=True))

    def example(self, row: Row, cfg: Any, assets: Assets, rng: np.random.Generator | None) -> dict[str, Any]:
        wave, training = row.audio(), "target.scp" in row
        pieces = [wave] if training else split_at_silence(wave, cfg.task.longest_s)
        example: dict[str, Any] = {
            "pieces": [long_enough(piece) for piece in pieces],
            "xvector": voice_of(row, assets, dim=cfg.model.xvector_dim),
        }
        return example | ({"mel": log_mel(row.audio("target.scp"))} if training else {})

    def collate(self, examples: list[dict[str, Any]], cfg: Any, rng: np.random.Generator | None) -> Batch:
        return speech_to_speech(
            examples, cfg.model, time_mask=cfg.task.time_mask, channel_mask=cfg.task.channel_mask, rng=rng
        )

    def loss(self, model: SpeechT5, batch: Batch, cfg: Any, step: int) -> Loss:
        from speecht5_cli.losses.speech import speaking_loss

        encoded = model.encode_speech(**batch.speech, frozen=step < cfg.task.freeze_encoder_steps)
        return speaking_loss(model, encoded, batch.tensors, cfg.task, step)

    def predict(self, model: SpeechT5, batch: Batch, cfg: Any, assets: Assets) -> list[Hypothesis]:
        from speecht5_cli.decode.speech import speak

        encoded = (model.encode_speech(**speech) for speech in batch.speech_parts(cfg.data.batch_seconds))
        return speak(model, encoded, batch["xvector"], cfg.task.decode, ids=batch.ids, owners=batch["owners"])

    def score(self, hyp_dir: Path, ref_dir: Path, cfg: Any) -> Scores:
        return score_speech(hyp_dir, ref_dir, references="target.scp")


task = Vc()
