"""Text to speech (spec 4.5): a log-mel spectrogram from characters, in a given voice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from speecht5_cli.data.assets import Assets, Source
from speecht5_cli.data.batch import Batch, padded, parts
from speecht5_cli.data.examples import in_pieces, speaking_weights, speech_out, voice_of
from speecht5_cli.data.features import LOG_MEL, log_mel
from speecht5_cli.data.rows import CHARACTERS_PER_S, Row
from speecht5_cli.data.speech_text import sentences, spoken
from speecht5_cli.data.vocabulary import VOCAB_FILE, Vocabulary, vocabulary_assets
from speecht5_cli.data.voices import VOICES, voices_from
from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.errors import DataError
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.plugins import Hypothesis, Metric, Scores, Stream
from speecht5_cli.score.speech import score_speech

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speecht5_cli.losses.terms import Loss
    from speecht5_cli.models.speecht5 import Encoded, SpeechT5


@dataclass(frozen=True, kw_only=True)
class TtsConfig:
    """Defaults are the original's command for LibriTTS."""

    vocabulary: Path | None = None  # folder with vocab.txt; none: the initial model's
    voice: str | None = None  # the training speaker who is the default voice; none: the mean of all
    language: str = "en"  # numbers, dates and currency are read out in it; "none" leaves text as it is
    longest_text: int = 400  # characters spoken in one go; a longer text is split at sentences
    pause_s: float = 0.25  # between the parts of a longer text
    freeze_encoder_steps: int = 20_000
    guided: float = 1.0  # weight of guided attention
    guided_steps: int = 0  # updates over which the weight falls to nothing; 0: it stays
    sigma: float = 0.4  # its width
    decode: SpeechGeneration = field(default_factory=SpeechGeneration)


class Tts:
    """Text -> speech."""

    name = "tts"
    summary = "text to speech, in the voice of an x-vector"
    Config = TtsConfig
    Model = ModelConfig
    metrics = (Metric("loss", "lower"),)
    output: Literal["speech"] = "speech"

    def streams(self, cfg: Any) -> tuple[Stream, ...]:
        targets = ("wav.scp", "xvector.scp")
        return (
            Stream("speech", inputs=("text",), targets=targets, optional=("xvector.scp",), numbers=cfg.task.language),
        )

    def assets(self, cfg: Any) -> dict[str, Source]:
        return vocabulary_assets(cfg.task.vocabulary) | {VOICES: voices_from(cfg.data.train, default=cfg.task.voice)}

    def build(self, cfg: Any, assets: Assets) -> SpeechT5:
        from speecht5_cli.models.speecht5 import SpeechT5

        vocabulary = assets.read(VOCAB_FILE, Vocabulary.load)
        return SpeechT5(cfg.model, Parts(text_in=True, speech_out=True, vocabulary=len(vocabulary)))

    def example(self, row: Row, cfg: Any, assets: Assets, rng: np.random.Generator | None) -> dict[str, Any]:
        vocabulary = assets.read(VOCAB_FILE, Vocabulary.load)
        text = spoken(row["text"], cfg.task.language)
        training = "wav.scp" in row
        parts = [text] if training else sentences(text, cfg.task.longest_text)
        end = [vocabulary.eos] if cfg.model.compat == "hf" else []  # HF's tokenizer ends every text
        encoded = [np.array(vocabulary.encode(part) + end) for part in parts]
        pieces = [piece for piece in encoded if vocabulary.decode(piece)]  # blanks alone say nothing
        if training and not pieces:
            raise DataError(f"utterance {row.id}: the vocabulary has no symbol of the text '{row['text']}'")
        example: dict[str, Any] = {
            "pieces": pieces,
            "xvector": voice_of(row, assets, dim=cfg.model.xvector_dim),
            "details": {"unsupported": dict(counts)} if (counts := vocabulary.unsupported(text)) else {},
        }
        return example | ({"mel": log_mel(row.audio())} if training else {})

    def collate(self, examples: list[dict[str, Any]], cfg: Any, rng: np.random.Generator | None) -> Batch:
        pieces, owners = in_pieces([example["pieces"] for example in examples])
        voices = [example["xvector"] for example in examples]
        tensors = {"owners": owners, "xvector": padded(voices)}
        if pieces:
            tensors["tokens"] = padded(pieces, Vocabulary.pad)
        ids, weights = [example["id"] for example in examples], {}
        if "mel" in examples[0]:
            tensors |= speech_out([example["mel"] for example in examples], voices, reduction=cfg.model.reduction)
            lens = (tensors["tokens"] != Vocabulary.pad).sum(1)
            weights = speaking_weights(tensors, lens, reduction=cfg.model.reduction)
        return Batch(ids, tensors, weights, details=[example["details"] for example in examples])

    def loss(self, model: SpeechT5, batch: Batch, cfg: Any, step: int) -> Loss:
        from speecht5_cli.losses.speech import speaking_loss

        encoded = model.encode_text(batch["tokens"], frozen=step < cfg.task.freeze_encoder_steps)
        return speaking_loss(model, encoded, batch.tensors, cfg.task, step)

    def predict(self, model: SpeechT5, batch: Batch, cfg: Any, assets: Assets) -> list[Hypothesis]:
        from speecht5_cli.decode.speech import speak

        spoken = speak(
            model,
            _encoded(model, batch, cfg.data.batch_seconds),
            batch["xvector"],
            cfg.task.decode,
            ids=batch.ids,
            owners=batch["owners"],
            pause_frames=round(cfg.task.pause_s * LOG_MEL.rate_hz),
        )
        return [replace(said, details=detail or None) for said, detail in zip(spoken, batch.details)]

    def score(self, hyp_dir: Path, ref_dir: Path, cfg: Any) -> Scores:
        return score_speech(hyp_dir, ref_dir, references="wav.scp")


def _encoded(model: SpeechT5, batch: Batch, seconds: float) -> Iterator[Encoded]:
    """The sentences, some at a time; nothing where no text has a symbol."""
    if "tokens" in batch:
        tokens = batch["tokens"]
        for rows in parts(len(tokens), tokens.size(1) / CHARACTERS_PER_S, seconds):
            yield model.encode_text(tokens[rows])


task = Tts()
