"""Pre-training on unlabelled speech and text, tied by a shared codebook (paper section 2.4, spec 3).

Speech: which units do hidden frames belong to, and what is the spectrogram. Text: fill in what was masked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from speecht5_cli.data.assets import Assets, Source
from speecht5_cli.data.batch import Batch, lens, padded
from speecht5_cli.data.corruption import SpanMask, TextNoise, infilled, span_mask
from speecht5_cli.data.examples import crops, long_enough, speech_out
from speecht5_cli.data.features import log_mel
from speecht5_cli.data.frames import n_unit_frames
from speecht5_cli.data.rows import Row
from speecht5_cli.data.units import UNITS, UnitInfo, read_units
from speecht5_cli.data.vocabulary import VOCAB_FILE, Vocabulary, vocabulary_assets
from speecht5_cli.errors import ConfigError, UsageError
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.plugins import Hypothesis, Metric, Scores, Stream

if TYPE_CHECKING:
    from torch import Tensor

    from speecht5_cli.losses.terms import Loss, Term
    from speecht5_cli.models.speecht5 import Encoded, SpeechT5

UNIT_INFO = "units.json"


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """Defaults are the original's command. The first four are the ablations of the paper's table 7."""

    speech: bool = True
    text: bool = True
    joint: bool = True  # the codebook between the two
    masked_units: bool = True

    vocabulary: Path = Path("data/vocab")
    units: str = UNITS  # the table of unit labels: units_it2 in a second iteration
    mask: SpanMask = field(default_factory=lambda: SpanMask(prob=0.8, length=10, min_spans=2))
    noise: TextNoise = field(default_factory=TextNoise)
    longest_samples: int = 250_000  # speech is cropped to this

    unmasked_units: float = 0.0  # weight of unit prediction on frames that are not hidden
    feature_penalty: float = 10.0
    diversity: float = 0.1
    diversity_formula: Literal["perplexity", "paper"] = "perplexity"

    def __post_init__(self) -> None:
        if not (self.speech or self.text):
            raise ValueError("speech and text are both off: nothing is left to train on")


class Pretrain:
    """Two streams, five losses, a shared codebook."""

    name = "pretrain"
    summary = "joint pre-training on unlabelled speech and text"
    Config = PretrainConfig
    Model = ModelConfig
    metrics = (Metric("loss", "lower"),)
    output: Literal["none"] = "none"

    def streams(self, cfg: Any) -> tuple[Stream, ...]:
        speech = Stream("speech", inputs=("wav.scp", cfg.task.units), targets=("xvector.scp",))
        text = Stream("text", inputs=("text",), cost="tokens")
        return (speech,) * cfg.task.speech + (text,) * cfg.task.text

    def assets(self, cfg: Any) -> dict[str, Source]:
        files = vocabulary_assets(cfg.task.vocabulary)
        if cfg.task.speech:
            files[UNIT_INFO] = _same_units([*cfg.data.train, *cfg.data.dev], cfg.task.units)
        return files

    def build(self, cfg: Any, assets: Assets) -> SpeechT5:
        from speecht5_cli.models.speecht5 import SpeechT5

        vocabulary = assets.read(VOCAB_FILE, Vocabulary.load)
        speech, text = cfg.task.speech, cfg.task.text
        parts = Parts(
            speech_in=speech,
            speech_out=speech,
            units=assets.read(UNIT_INFO, _unit_info).n_clusters if speech else 0,
            text_in=text,
            text_out=text,
            vocabulary=len(vocabulary) if text else 0,
            blank=vocabulary.blank if text else None,  # not trained here, but the original's files have the CTC head
            codebook=cfg.task.joint,
        )
        return SpeechT5(cfg.model, parts)

    def example(self, row: Row, cfg: Any, assets: Assets, rng: np.random.Generator | None) -> dict[str, Any]:
        if "wav.scp" in row:
            return self._speech_example(row, cfg, assets)
        vocabulary = assets.read(VOCAB_FILE, Vocabulary.load)
        clean = np.array([vocabulary.bos, *vocabulary.encode(row["text"]), vocabulary.eos])
        generator = rng or np.random.default_rng(0)  # validation hides the same things every time
        noisy = infilled(clean, cfg.task.noise, mask=vocabulary.mask, n_symbols=len(vocabulary), rng=generator)
        return {"tokens": noisy, "clean": clean}

    def _speech_example(self, row: Row, cfg: Any, assets: Assets) -> dict[str, Any]:
        wave = long_enough(row.audio())
        info = assets.read(UNIT_INFO, _unit_info)
        return {
            "wav": wave,
            "mel": log_mel(wave),
            "units": read_units(row[cfg.task.units], info, n_unit_frames(len(wave)), utterance=row.id),
            "xvector": row.vector("xvector.scp"),
        }

    def collate(self, examples: list[dict[str, Any]], cfg: Any, rng: np.random.Generator | None) -> Batch:
        ids = [example["id"] for example in examples]
        if "wav" in examples[0]:
            return self._speech_batch(ids, examples, cfg, rng)
        clean = [example["clean"] for example in examples]
        eos, pad = Vocabulary.eos, Vocabulary.pad
        tensors = {
            "tokens": padded([example["tokens"] for example in examples], pad),
            "shifted": padded([np.array([eos, *row[:-1]]) for row in clean], pad),  # </s> <s> w1 ... wn
            "target": padded(clean, pad),  # <s> w1 ... wn </s>
        }
        return Batch(ids, tensors, {"text": float(sum(map(len, clean))), "text_diversity": 1.0})

    def _speech_batch(
        self, ids: list[str], examples: list[dict[str, Any]], cfg: Any, rng: np.random.Generator | None
    ) -> Batch:
        import torch

        waves, mels, units = crops(examples, longest=cfg.task.longest_samples, rng=rng)
        mask = span_mask(np.array([len(row) for row in units]), cfg.task.mask, rng or np.random.default_rng(0))
        tensors = {
            "wav": padded(waves),
            "wav_lens": lens(waves),
            "units": padded(units),
            "mask": torch.from_numpy(mask) if mask is not None else torch.zeros(len(units), len(units[0])).bool(),
        }
        tensors |= speech_out(mels, [example["xvector"] for example in examples], reduction=cfg.model.reduction)
        n_masked, n_frames, n_mels = int(tensors["mask"].sum()), sum(map(len, units)), int(tensors["mel_lens"].sum())
        weights = {
            "units": float(n_masked),
            "units_open": float(n_frames - n_masked),
            "features": float(n_frames),
            "l1": float(n_mels),
            "stop": float(n_mels),
            "speech_diversity": 1.0,
        }
        return Batch(ids, tensors, weights)

    def loss(self, model: SpeechT5, batch: Batch, cfg: Any, step: int) -> Loss:
        return (
            self._speech_loss(model, batch, cfg, step) if "wav" in batch else self._text_loss(model, batch, cfg, step)
        )

    def _speech_loss(self, model: SpeechT5, batch: Batch, cfg: Any, step: int) -> Loss:
        from speecht5_cli.losses.speech import spectrogram_terms
        from speecht5_cli.losses.terms import Loss, Term
        from speecht5_cli.losses.units import unit_cross_entropy

        mask, units, mel, mel_lens = batch["mask"], batch["units"], batch["mel"], batch["mel_lens"]
        encoded = model.encode_speech(batch["wav"], batch["wav_lens"], mask=mask, n_frames=units.size(1))
        hidden, seen = mask & ~encoded.pad, ~mask & ~encoded.pad
        predicted, correct = unit_cross_entropy(model.unit_logits(encoded.states[hidden]), units[hidden])
        terms = {"units": Term(predicted, float(cfg.task.masked_units))}
        terms["features"] = Term(encoded.energy / cfg.model.conv_channels, cfg.task.feature_penalty)
        mixed, stats = self._mixed(model, encoded, cfg, step, terms, "speech_diversity")
        spoken = model.decode_speech(mel, mel_lens, mixed, batch["xvector"])
        terms |= spectrogram_terms(spoken, mel, mel_lens)
        open_loss, open_correct = unit_cross_entropy(model.unit_logits(encoded.states[seen]), units[seen])
        terms["units_open"] = Term(open_loss, cfg.task.unmasked_units)
        stats |= {
            "units_accuracy": (correct, hidden.sum()),
            "units_open_accuracy": (open_correct, seen.sum()),
        }
        return Loss(terms, stats)

    def _text_loss(self, model: SpeechT5, batch: Batch, cfg: Any, step: int) -> Loss:
        from speecht5_cli.losses.terms import Loss, Term
        from speecht5_cli.losses.text import token_cross_entropy

        terms: dict[str, Term] = {}
        mixed, stats = self._mixed(model, model.encode_text(batch["tokens"]), cfg, step, terms, "text_diversity")
        said = token_cross_entropy(model.decode_text(batch["shifted"], mixed), batch["target"], pad=Vocabulary.pad)
        terms["text"] = Term(said.loss)
        return Loss(terms, stats | {"text_accuracy": (said.correct, said.n)})

    def _mixed(
        self, model: SpeechT5, encoded: Encoded, cfg: Any, step: int, terms: dict[str, Term], term: str
    ) -> tuple[Encoded, dict[str, tuple[Tensor, Tensor | float]]]:
        """The states with codes among them; adds the diversity term. Without the codebook, the states as they are."""
        from speecht5_cli.losses.diversity import code_perplexity, diversity, mean_use
        from speecht5_cli.losses.terms import Term

        if not cfg.task.joint:
            return encoded, {}
        mixed, codes = model.mix_codebook(encoded, step)
        pad = encoded.pad if cfg.model.padding == "exact" else None
        use = mean_use(codes.soft, pad)
        terms[term] = Term(diversity(use, cfg.task.diversity_formula), cfg.task.diversity)
        perplexity = code_perplexity(codes.indices, cfg.model.codebook_entries, pad)
        return mixed, {term.replace("diversity", "code_perplexity"): (perplexity, 1.0)}

    def predict(self, model: SpeechT5, batch: Batch, cfg: Any, assets: Assets) -> list[Hypothesis]:
        raise UsageError("pre-training decodes nothing; fine-tune the model for a task first")

    def score(self, hyp_dir: Path, ref_dir: Path, cfg: Any) -> Scores:
        raise UsageError("pre-training has nothing to score; fine-tune the model for a task first")


def _unit_info(path: Path) -> UnitInfo:
    return UnitInfo.load(path.parent, path.stem)


def _same_units(dirs: list[Path], name: str) -> Path:
    """The description of the unit labels. Raises ConfigError when two sets were labelled by different models."""
    first = UnitInfo.load(dirs[0], name)
    for folder in dirs[1:]:
        if UnitInfo.load(folder, name) != first:
            raise ConfigError(
                f"{folder}/{name}.json and {dirs[0]}/{name}.json come from different k-means models; label all sets "
                "with one of them"
            )
    return dirs[0] / f"{name}.json"


task = Pretrain()
