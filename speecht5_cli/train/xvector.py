"""Training an x-vector net: cross-entropy over the speakers, on random crops (Snyder et al. 2018).

The speakers are told apart by one linear layer on the vector itself. Snyder's second hidden layer in between, which
is thrown away after training, left the vectors less comparable: equal error rate 9.6 % instead of 3.6 % on held-out
digits of FSDD, 13.1 % instead of 10.9 % on LibriSpeech.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from speecht5_cli.data.audio import SAMPLE_RATE
from speecht5_cli.data.speaker_crops import Recording, draw_crops, held_out, read_crops
from speecht5_cli.data.trials import cosines, equal_error_rate, make_trials
from speecht5_cli.device import best_device
from speecht5_cli.errors import TrainingError
from speecht5_cli.models.xvector import XVector, XVectorNetConfig
from speecht5_cli.train.speaker_encoder import SpeakerEncoder

_N_LINES = 20  # of losses
_MAX_TRIALS = 100_000


@dataclass(frozen=True, kw_only=True)
class XVectorConfig:
    """How a net is trained. The defaults are for hundreds of speakers and more; the recipes set less."""

    net: XVectorNetConfig = field(default_factory=XVectorNetConfig)
    steps: int = 20_000
    batch_size: int = 64  # crops
    crop_min_s: float = 2.0  # every batch draws its length between the two
    crop_max_s: float = 4.0
    lr: float = 1e-3  # highest, after the first tenth of the steps; falls to zero
    weight_decay: float = 1e-2
    held_out: float = 0.1  # share of every speaker's utterances
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.crop_min_s <= self.crop_max_s:
            raise ValueError(f"crop_min_s {self.crop_min_s} must be above 0 and not above crop_max_s {self.crop_max_s}")
        if self.crop_min_s * SAMPLE_RATE < self.net.min_samples:
            raise ValueError(f"crop_min_s {self.crop_min_s} is too short: the net needs {self.net.min_samples} samples")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"held_out must be at least 0 and below 1, got {self.held_out}")
        if self.steps < 1 or self.batch_size < 2:
            raise ValueError(f"at least 1 step and 2 crops a batch are needed, got {self.steps} and {self.batch_size}")


@dataclass(frozen=True)
class XVectorScores:
    """What a trained net achieves on the utterances that were held out; None where they allow no such number."""

    n_speakers: int
    n_train: int  # utterances
    n_held_out: int
    accuracy: float | None  # share of the held-out utterances whose speaker the head names
    eer: float | None
    n_trials: int
    training_s: float


def fit(
    recordings: list[Recording], config: XVectorConfig, *, report: Callable[[str], None]
) -> tuple[XVector, XVectorScores]:
    """Train a net to tell the speakers of the recordings apart; `report` gets a line of losses now and then.

    Raises TrainingError when the loss is not finite.
    """
    rng = np.random.default_rng(config.seed)
    train, held = held_out(recordings, config.held_out, rng)
    speakers = sorted({recording.speaker for recording in recordings})
    report(f"{len(speakers)} speakers, {len(train)} utterances to train on, {len(held)} held out")
    started = time.perf_counter()
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        net, head = XVector(config.net).to(best_device()), nn.Linear(config.net.dim, len(speakers)).to(best_device())
    batches = draw_crops(train, rng, batch_size=config.batch_size, min_s=config.crop_min_s, max_s=config.crop_max_s)
    _train(net, head, read_crops(islice(batches, config.steps)), config, report)
    training_s = round(time.perf_counter() - started, 1)
    accuracy, eer, n_trials = _examine(net, head, held, speakers, rng)
    return net, XVectorScores(len(speakers), len(train), len(held), accuracy, eer, n_trials, training_s)


def _train(
    net: XVector,
    head: nn.Linear,
    batches: Iterator[tuple[np.ndarray, np.ndarray]],
    config: XVectorConfig,
    report: Callable[[str], None],
) -> None:
    """One optimiser step a batch."""
    model = nn.ModuleList([net, head]).train()
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _lr_factor(step, config.steps))
    period = max(1, config.steps // _N_LINES)
    losses, n_right = [], 0
    for step, (waves, labels) in enumerate(batches, 1):
        logits = head(net(torch.from_numpy(waves).to(device)))  # (B, speakers)
        targets = torch.from_numpy(labels).to(device)
        loss = F.cross_entropy(logits, targets)
        losses.append(loss.item())
        if not np.isfinite(losses[-1]):
            raise TrainingError(f"step {step}: the loss is {losses[-1]}; a lower lr than {config.lr} may help")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        n_right += int((logits.argmax(1) == targets).sum())
        if step % period == 0 or step == config.steps:
            accuracy = n_right / (len(losses) * config.batch_size)
            report(f"step {step} of {config.steps}: loss {np.mean(losses):.4f}, accuracy {accuracy:.3f}")
            losses, n_right = [], 0


def _lr_factor(step: int, n_steps: int) -> float:
    """A straight line up over the first tenth of the steps, then one down to zero."""
    n_warmup = max(1, n_steps // 10)
    return min((step + 1) / n_warmup, (n_steps - step) / max(1, n_steps - n_warmup))


@torch.inference_mode()
def _examine(
    net: XVector, head: nn.Linear, held: list[Recording], speakers: list[str], rng: np.random.Generator
) -> tuple[float | None, float | None, int]:
    """Accuracy, equal error rate and number of trials on the held-out utterances."""
    if not held:
        return None, None, 0
    encoder = SpeakerEncoder(net)
    vectors = dict(encoder.vectors((recording.utterance, recording.read()) for recording in held))
    utt2spk = {recording.utterance: recording.speaker for recording in held}
    stacked = torch.from_numpy(np.stack(list(vectors.values()))).to(encoder.device)  # (utterances, D)
    guesses = [speakers[label] for label in head(stacked).argmax(1).tolist()]
    accuracy = float(np.mean([utt2spk[utterance] == guess for utterance, guess in zip(vectors, guesses)]))
    trials = make_trials(utt2spk, rng, limit=_MAX_TRIALS)
    if not trials.same.any() or trials.same.all():
        return accuracy, None, len(trials.same)
    return accuracy, equal_error_rate(cosines(trials, vectors), trials.same), len(trials.same)
