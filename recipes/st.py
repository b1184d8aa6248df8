"""Speech translation (spec 4.6): speech -> text in another language."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from speecht5_cli.data.assets import Assets, Source
from speecht5_cli.data.batch import Batch
from speecht5_cli.data.corruption import SpanMask
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.examples import in_pieces, long_enough, speech_in, text_out
from speecht5_cli.data.hypotheses import read_values
from speecht5_cli.data.rows import Row
from speecht5_cli.data.silence import split_at_silence
from speecht5_cli.data.untouched import read_untouched
from speecht5_cli.data.vocabulary import VOCAB_FILE, Vocabulary, vocabulary_assets
from speecht5_cli.decode.options import TextSearch
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.plugins import Hypothesis, Metric, Scores, Stream
from speecht5_cli.score.bleu import translation_scores

if TYPE_CHECKING:
    from speecht5_cli.decode.beam import Found
    from speecht5_cli.losses.terms import Loss
    from speecht5_cli.models.speecht5 import SpeechT5


@dataclass(frozen=True, kw_only=True)
class StConfig:
    """Defaults are the original's command for MuST-C."""

    language: str = "de"  # translated into: the table text.<language>
    vocabulary: Path | None = None  # folder with vocab.txt; none: the initial model's
    label_smoothing: float = 0.1
    freeze_encoder_steps: int = 0
    time_mask: SpanMask = field(default_factory=lambda: SpanMask(prob=0.5, length=10, min_spans=2))
    channel_mask: SpanMask = field(default_factory=lambda: SpanMask(prob=0.5, length=64))
    decode: TextSearch = field(default_factory=TextSearch)

    def __post_init__(self) -> None:
        if self.decode.uses_ctc or self.decode.timings:
            raise ValueError("decode.ctc_weight, decode.method ctc and decode.timings need a CTC head; st has none")


class St:
    """Speech -> text of another language."""

    name = "st"
    summary = "speech translation"
    Config = StConfig
    Model = ModelConfig
    metrics = (Metric("accuracy", "higher"), Metric("bleu", "higher"))
    output: Literal["text"] = "text"

    def streams(self, cfg: Any) -> tuple[Stream, ...]:
        return (Stream("speech", inputs=("wav.scp",), targets=(_table(cfg.task),)),)

    def assets(self, cfg: Any) -> dict[str, Source]:
        return vocabulary_assets(cfg.task.vocabulary)

    def build(self, cfg: Any, assets: Assets) -> SpeechT5:
        from speecht5_cli.models.speecht5 import SpeechT5

        vocabulary = assets.read(VOCAB_FILE, Vocabulary.load)
        return SpeechT5(cfg.model, Parts(speech_in=True, text_out=True, vocabulary=len(vocabulary)))

    def example(self, row: Row, cfg: Any, assets: Assets, rng: np.random.Generator | None) -> dict[str, Any]:
        wave = row.audio()
        if _table(cfg.task) in row:
            tokens = assets.read(VOCAB_FILE, Vocabulary.load).encode(row[_table(cfg.task)])
            return {"pieces": [long_enough(wave)], "tokens": tokens}
        return {"pieces": [long_enough(piece) for piece in split_at_silence(wave, cfg.task.decode.longest_s)]}

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
        return Batch([example["id"] for example in examples], tensors, {"ce": float(len(examples))})

    def loss(self, model: SpeechT5, batch: Batch, cfg: Any, step: int) -> Loss:
        from speecht5_cli.losses.terms import Loss, Term
        from speecht5_cli.losses.text import token_cross_entropy

        encoded = model.encode_speech(**batch.speech, frozen=step < cfg.task.freeze_encoder_steps)
        logits = model.decode_text(batch["shifted"], encoded)
        said = token_cross_entropy(logits, batch["target"], pad=Vocabulary.pad, smoothing=cfg.task.label_smoothing)
        return Loss({"ce": Term(said.loss)}, {"accuracy": (said.correct, said.n), "nll": (said.nll, said.n)})

    def predict(self, model: SpeechT5, batch: Batch, cfg: Any, assets: Assets) -> list[Hypothesis]:
        from speecht5_cli.decode.text import as_hypotheses, joined, search_text

        vocabulary, options = assets.read(VOCAB_FILE, Vocabulary.load), cfg.task.decode
        owners: list[int] = batch["owners"].tolist()
        found: list[list[Found]] = []
        for speech in batch.speech_parts(cfg.data.batch_seconds):
            found += search_text(
                model,
                model.encode_speech(**speech),
                options,
                eos=vocabulary.eos,
                forbidden=vocabulary.unsayable,
                symbols=vocabulary.symbols,
            )
        rows = as_hypotheses([batch.ids[k] for k in owners], found, vocabulary.decode, nbest=options.nbest)
        return rows if len(rows) == len(batch.ids) else joined(batch.ids, rows, owners)

    def score(self, hyp_dir: Path, ref_dir: Path, cfg: Any) -> Scores:
        data = DataDir(ref_dir)
        said = data.table(_table(cfg))
        hypotheses = read_values(hyp_dir, "text", said)
        references = read_untouched(ref_dir, _table(cfg)) or said  # with the lines whose sound is of no use
        hypotheses = {name: hypotheses.get(name, "") for name in references}
        return translation_scores(references, hypotheses, source=data.table("text") if data.has("text") else None)


def _table(task: StConfig) -> str:
    return f"text.{task.language}"


task = St()
