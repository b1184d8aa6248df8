"""Speaker identification (spec 2.8 and 4.9): the decoder answers one zero vector, and classes read the answer."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from speecht5_cli.data.assets import Assets, Source
from speecht5_cli.data.batch import Batch
from speecht5_cli.data.corruption import SpanMask
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.examples import long_enough, speech_in
from speecht5_cli.data.hypotheses import read_hypotheses, read_values, read_vectors
from speecht5_cli.data.rows import Row
from speecht5_cli.data.tables import read_lines, write_lines
from speecht5_cli.data.trials import cosines, equal_error_rate, make_trials
from speecht5_cli.errors import DataError
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.plugins import Hypothesis, Metric, Scores, Stream
from speecht5_cli.score.classification import class_scores

if TYPE_CHECKING:
    from torch import Tensor

    from speecht5_cli.losses.terms import Loss
    from speecht5_cli.models.speecht5 import SpeechT5

CLASSES = "classes.txt"  # one speaker a line, in the order of the ids; rows in <> are specials of an imported model
TABLE = "utt2spk"
N_TRIALS = 100_000  # pairs of a test set that verification is tried on


@dataclass(frozen=True, kw_only=True)
class SidDecoding:
    """How many of the likeliest speakers are listed."""

    nbest: int = 5


@dataclass(frozen=True, kw_only=True)
class SidConfig:
    """Defaults are the original's command for VoxCeleb1."""

    crop_samples: int = 51_200  # 3.2 s, at random, in training; whole utterances otherwise
    softmax: Literal["softmax", "am", "aam"] = "softmax"
    margin: float = 0.2  # of am and aam
    scale: float = 30.0  # of am and aam
    freeze_encoder_steps: int = 0
    time_mask: SpanMask = field(default_factory=lambda: SpanMask(prob=0.0, length=10, min_spans=2))
    channel_mask: SpanMask = field(default_factory=lambda: SpanMask(prob=0.0, length=64))
    decode: SidDecoding = field(default_factory=SidDecoding)


class Sid:
    """Speech -> who speaks."""

    name = "sid"
    summary = "speaker identification"
    Config = SidConfig
    Model = ModelConfig
    metrics = (Metric("accuracy", "higher"),)
    output: Literal["label"] = "label"

    def streams(self, cfg: Any) -> tuple[Stream, ...]:
        return (Stream("speech", inputs=("wav.scp",), targets=(TABLE,)),)

    def assets(self, cfg: Any) -> dict[str, Source]:
        speakers = sorted({speaker for path in cfg.data.train for speaker in DataDir(path).table(TABLE).values()})
        for path in cfg.data.dev:  # at once, and not at the first validation
            for utterance, speaker in DataDir(path).table(TABLE).items():
                _check_known(utterance, speaker, speakers)
        return {CLASSES: lambda path: write_lines(path, speakers)}

    def build(self, cfg: Any, assets: Assets) -> SpeechT5:
        from speecht5_cli.models.speecht5 import SpeechT5

        return SpeechT5(cfg.model, Parts(speech_in=True, classes=len(assets.read(CLASSES, read_lines))))

    def example(self, row: Row, cfg: Any, assets: Assets, rng: np.random.Generator | None) -> dict[str, Any]:
        wave = row.audio()
        if rng is not None and len(wave) > cfg.task.crop_samples:
            start = int(rng.integers(len(wave) - cfg.task.crop_samples + 1))
            wave = wave[start : start + cfg.task.crop_samples]
        example: dict[str, Any] = {"wav": long_enough(wave)}
        if TABLE in row:
            numbers = assets.read(CLASSES, numbered)
            _check_known(row.id, row[TABLE], numbers)
            example["label"] = numbers[row[TABLE]]
        return example

    def collate(self, examples: list[dict[str, Any]], cfg: Any, rng: np.random.Generator | None) -> Batch:
        import torch

        tensors = speech_in(
            [example["wav"] for example in examples],
            time_mask=cfg.task.time_mask,
            channel_mask=cfg.task.channel_mask,
            channels=cfg.model.d_model,
            rng=rng,
        )
        if "label" in examples[0]:
            tensors["label"] = torch.tensor([example["label"] for example in examples])
        return Batch([example["id"] for example in examples], tensors, {"ce": float(len(examples))})

    def loss(self, model: SpeechT5, batch: Batch, cfg: Any, step: int) -> Loss:
        from speecht5_cli.losses.classes import class_cross_entropy
        from speecht5_cli.losses.terms import Loss, Term

        frozen = step < cfg.task.freeze_encoder_steps
        logits, _ = _logits(model, batch, cfg, frozen=frozen)
        labels = batch["label"]
        ce = class_cross_entropy(logits, labels, cfg.task.softmax, margin=cfg.task.margin, scale=cfg.task.scale)
        correct = (logits.argmax(-1) == labels).sum()
        return Loss({"ce": Term(ce)}, {"accuracy": (correct, float(len(labels)))})

    def predict(self, model: SpeechT5, batch: Batch, cfg: Any, assets: Assets) -> list[Hypothesis]:
        names = assets.read(CLASSES, read_lines)
        logits, states = _logits(model, batch, cfg)
        logits[:, [number for number, name in enumerate(names) if name.startswith("<")]] = float("-inf")
        log_p, order = logits.float().log_softmax(-1).sort(descending=True)
        hypotheses = []
        for name, scores, classes, state in zip(batch.ids, log_p, order, states):
            n = min(cfg.task.decode.nbest, len(names))
            nbest = tuple((names[k], score) for k, score in zip(classes[:n].tolist(), scores[:n].tolist()))
            vector = state.float().cpu().numpy()
            hypotheses.append(Hypothesis(name, *nbest[0], stopped="argmax", nbest=nbest, vector=vector))
        return hypotheses

    def score(self, hyp_dir: Path, ref_dir: Path, cfg: Any) -> Scores:
        references = DataDir(ref_dir).table(TABLE)
        hypotheses = read_values(hyp_dir, "label", references)
        nbest = {name: [label for label, _ in said.nbest] for name, said in read_hypotheses(hyp_dir).items()}
        scores = class_scores(references, hypotheses, nbest)
        trials = make_trials(references, np.random.default_rng(0), limit=N_TRIALS)
        vectors = read_vectors(hyp_dir)
        if not vectors or trials.same.all() or not trials.same.any():
            return scores
        eer = 100 * equal_error_rate(cosines(trials, vectors), trials.same)
        how = f"per cent, cosine of decoder states, {len(trials.same)} seeded pairs of the set"
        return replace(scores, values=scores.values | {"eer": eer}, settings=scores.settings | {"eer": how})


def _check_known(utterance: str, speaker: str, speakers: Container[str]) -> None:
    if speaker not in speakers:
        raise DataError(f"utterance {utterance}: its speaker '{speaker}' is not among the training speakers")


def numbered(path: Path) -> dict[str, int]:
    """Class name -> number."""
    return {name: number for number, name in enumerate(read_lines(path))}


def _logits(model: SpeechT5, batch: Batch, cfg: Any, *, frozen: bool = False) -> tuple[Tensor, Tensor]:
    """Class logits (B, K), and the decoder states (B, D) that they are made from."""
    from speecht5_cli.losses.classes import class_logits

    encoded = model.encode_speech(**batch.speech, frozen=frozen)
    states = model.decode_class(encoded)
    return class_logits(states, model.class_head.weight, cfg.task.softmax, scale=cfg.task.scale), states


task = Sid()
