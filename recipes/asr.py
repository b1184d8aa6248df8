"""Speech recognition: cross-entropy of the decoder and CTC of the encoder (spec 4.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from speecht5_cli.data.assets import Assets, Source
from speecht5_cli.data.audio import SAMPLE_RATE
from speecht5_cli.data.batch import Batch
from speecht5_cli.data.corruption import SpanMask
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.examples import in_pieces, long_enough, speech_in, text_out
from speecht5_cli.data.hypotheses import read_values
from speecht5_cli.data.rows import Row
from speecht5_cli.data.silence import windows
from speecht5_cli.data.vocabulary import VOCAB_FILE, Vocabulary, vocabulary_assets
from speecht5_cli.decode.options import TextSearch
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.plugins import Hypothesis, Metric, Scores, Stream
from speecht5_cli.score.wer import error_rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speecht5_cli.decode.alignment import TimedWord
    from speecht5_cli.decode.beam import Found
    from speecht5_cli.losses.terms import Loss
    from speecht5_cli.models.speecht5 import SpeechT5


@dataclass(frozen=True, kw_only=True)
class AsrConfig:
    """Defaults are the original's command for 100 h of LibriSpeech."""

    vocabulary: Path | None = None  # folder with vocab.txt; none: the initial model's
    ce_weight: float = 0.5
    ctc_weight: float = 0.5
    ctc_head: bool = True  # false: a model without one, such as Hugging Face's
    label_smoothing: float = 0.0
    zero_infinity: bool = True  # the original asks for it, but does not get it
    freeze_encoder_steps: int = 13_000
    time_mask: SpanMask = field(default_factory=lambda: SpanMask(prob=0.75, length=10, min_spans=2))
    channel_mask: SpanMask = field(default_factory=lambda: SpanMask(prob=0.5, length=64))
    normaliser: str = "lower"  # of the second word error rate
    decode: TextSearch = field(default_factory=lambda: TextSearch(ctc_weight=0.3))

    def __post_init__(self) -> None:
        if not self.ctc_head and (self.ctc_weight or self.decode.uses_ctc):
            raise ValueError("without ctc_head, ctc_weight and decode.ctc_weight must be 0 and decode.method beam")
        if self.ctc_head and not self.ctc_weight and (self.decode.uses_ctc or self.decode.timings):
            raise ValueError("ctc_weight 0 trains no CTC head, and decoding would ask it; set ctc_head to false")
        if not self.ce_weight and self.decode.uses_decoder:
            raise ValueError("ce_weight 0 trains no decoder; set decode.method to ctc, or decode.ctc_weight to 1")


class Asr:
    """Speech -> text of the same language."""

    name = "asr"
    summary = "speech recognition: CTC and attention"
    Config = AsrConfig
    Model = ModelConfig
    metrics = (Metric("accuracy", "higher"), Metric("wer", "lower"))
    output: Literal["text"] = "text"

    def streams(self, cfg: Any) -> tuple[Stream, ...]:
        return (Stream("speech", inputs=("wav.scp",), targets=("text",)),)

    def assets(self, cfg: Any) -> dict[str, Source]:
        return vocabulary_assets(cfg.task.vocabulary)

    def build(self, cfg: Any, assets: Assets) -> SpeechT5:
        from speecht5_cli.models.speecht5 import SpeechT5

        vocabulary = assets.read(VOCAB_FILE, Vocabulary.load)
        blank = vocabulary.blank if cfg.task.ctc_head else None
        return SpeechT5(cfg.model, Parts(speech_in=True, text_out=True, vocabulary=len(vocabulary), blank=blank))

    def example(self, row: Row, cfg: Any, assets: Assets, rng: np.random.Generator | None) -> dict[str, Any]:
        wave = long_enough(row.audio())
        if "text" in row:
            tokens = assets.read(VOCAB_FILE, Vocabulary.load).encode(row["text"])
            return {"pieces": [wave], "spans": [(0, len(wave))], "tokens": tokens}
        longest, overlap = (round(s * SAMPLE_RATE) for s in (cfg.task.decode.longest_s, cfg.task.decode.overlap_s))
        spans = windows(len(wave), longest=longest, overlap=overlap)
        return {"pieces": [wave[start:end] for start, end in spans], "spans": spans}

    def collate(self, examples: list[dict[str, Any]], cfg: Any, rng: np.random.Generator | None) -> Batch:
        pieces, owners = in_pieces([example["pieces"] for example in examples])
        tensors = speech_in(
            pieces,
            time_mask=cfg.task.time_mask,
            channel_mask=cfg.task.channel_mask,
            channels=cfg.model.d_model,
            rng=rng,
        )
        tensors["owners"] = owners
        if "tokens" in examples[0]:
            tensors |= text_out(examples)
        weights = {"ce": float(len(examples)), "ctc": float(len(examples))}
        details = [{"spans": example["spans"]} for example in examples]
        return Batch([example["id"] for example in examples], tensors, weights, details=details)

    def loss(self, model: SpeechT5, batch: Batch, cfg: Any, step: int) -> Loss:
        from speecht5_cli.losses.terms import Loss, Term
        from speecht5_cli.losses.text import ctc, token_cross_entropy

        task = cfg.task
        encoded = model.encode_speech(**batch.speech, frozen=step < task.freeze_encoder_steps)
        logits = model.decode_text(batch["shifted"], encoded)
        said = token_cross_entropy(logits, batch["target"], pad=Vocabulary.pad, smoothing=task.label_smoothing)
        terms = {"ce": Term(said.loss, task.ce_weight)}
        if task.ctc_weight:
            aligned = ctc(
                model.ctc_logits(encoded),
                encoded.lens,
                batch["target"],
                batch["target_lens"] - 1,
                blank=model.blank,
                zero_infinity=task.zero_infinity,
            )
            terms["ctc"] = Term(aligned, task.ctc_weight)
        return Loss(terms, {"accuracy": (said.correct, said.n), "nll": (said.nll, said.n)})

    def predict(self, model: SpeechT5, batch: Batch, cfg: Any, assets: Assets) -> list[Hypothesis]:
        from speecht5_cli.decode.text import as_hypotheses, joined, search_text, timed

        vocabulary, options = assets.read(VOCAB_FILE, Vocabulary.load), cfg.task.decode
        owners: list[int] = batch["owners"].tolist()
        aligned = options.timings or len(owners) > len(batch.ids)  # windows are joined by the times of their words
        found: list[list[Found]] = []
        words: list[Sequence[TimedWord]] = []
        for speech in batch.speech_parts(cfg.data.batch_seconds):
            encoded = model.encode_speech(**speech)
            some = search_text(
                model,
                encoded,
                options,
                eos=vocabulary.eos,
                forbidden=vocabulary.unsayable,
                symbols=vocabulary.symbols,
            )
            found += some
            words += timed(model, encoded, some, vocabulary.spellings) if aligned else []
        rows = as_hypotheses([batch.ids[k] for k in owners], found, vocabulary.decode, nbest=options.nbest)
        if not aligned:
            return rows
        spans = [span for detail in batch.details for span in detail["spans"]]
        spans_s = [(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in spans]
        return joined(batch.ids, rows, owners, words, spans_s, timings=options.timings)

    def score(self, hyp_dir: Path, ref_dir: Path, cfg: Any) -> Scores:
        data = DataDir(ref_dir)
        references = data.table("text")
        hypotheses = read_values(hyp_dir, "text", references)
        return error_rates(references, hypotheses, data.table("utt2spk"), normalise=cfg.normaliser)


task = Asr()
