"""A character language model on plain text of any size (spec 5.4): `finetune --task lm --init none`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from speecht5_cli.data.assets import Assets, Source
from speecht5_cli.data.batch import Batch
from speecht5_cli.data.examples import text_out
from speecht5_cli.data.rows import Row
from speecht5_cli.data.vocabulary import VOCAB_FILE, Vocabulary, vocabulary_assets
from speecht5_cli.errors import UsageError
from speecht5_cli.models.lm_config import LMConfig
from speecht5_cli.plugins import Hypothesis, Metric, Scores, Stream

if TYPE_CHECKING:
    from speecht5_cli.losses.terms import Loss
    from speecht5_cli.models.lm import LanguageModel


@dataclass(frozen=True, kw_only=True)
class LmConfig:
    """The original names no settings for its training."""

    vocabulary: Path | None = None  # folder with vocab.txt; none: the initial model's


class Lm:
    """Text -> how likely it is."""

    name = "lm"
    summary = "language model, for the searches of asr and st"
    Config = LmConfig
    Model = LMConfig
    metrics = (Metric("nll", "lower"),)
    output: Literal["none"] = "none"

    def streams(self, cfg: Any) -> tuple[Stream, ...]:
        return (Stream("text", inputs=("text",), cost="tokens"),)

    def assets(self, cfg: Any) -> dict[str, Source]:
        return vocabulary_assets(cfg.task.vocabulary)

    def build(self, cfg: Any, assets: Assets) -> LanguageModel:
        from speecht5_cli.models.lm import LanguageModel

        return LanguageModel(cfg.model, len(assets.read(VOCAB_FILE, Vocabulary.load)))

    def example(self, row: Row, cfg: Any, assets: Assets, rng: np.random.Generator | None) -> dict[str, Any]:
        return {"tokens": assets.read(VOCAB_FILE, Vocabulary.load).encode(row["text"])}

    def collate(self, examples: list[dict[str, Any]], cfg: Any, rng: np.random.Generator | None) -> Batch:
        tensors = text_out(examples)
        return Batch([example["id"] for example in examples], tensors, {"nll": float(tensors["target_lens"].sum())})

    def loss(self, model: LanguageModel, batch: Batch, cfg: Any, step: int) -> Loss:
        from speecht5_cli.losses.terms import Loss, Term
        from speecht5_cli.losses.text import token_cross_entropy

        said = token_cross_entropy(model(batch["shifted"]), batch["target"], pad=Vocabulary.pad)
        return Loss({"nll": Term(said.loss)}, {"accuracy": (said.correct, said.n)})

    def predict(self, model: LanguageModel, batch: Batch, cfg: Any, assets: Assets) -> list[Hypothesis]:
        raise UsageError("a language model decodes nothing by itself: decode --task asr lm=EXP lm_weight=0.3 uses it")

    def score(self, hyp_dir: Path, ref_dir: Path, cfg: Any) -> Scores:
        raise UsageError("a language model has no hypotheses; its perplexity on the dev text is in metrics.jsonl")


task = Lm()
