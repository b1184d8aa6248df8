"""Training a HiFi-GAN vocoder: two optimisers that take turns, in a loop of their own.

Batch i of the run depends on the seed and i alone, so a resumed run goes on bit for bit (on one machine). An
experiment holds `config.yaml`, `metrics.jsonl`, `train.log`, `checkpoints/<step>/` for resuming, and `model/`, the
vocoder as it was at the last checkpoint.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from speecht5_cli.config import replace, to_tree
from speecht5_cli.data.features import LOG_MEL, LogMelSettings, mel_bank
from speecht5_cli.data.mel_segments import Spoken, drawn_pieces, read_pieces
from speecht5_cli.decode.vocoder_folder import read_vocoder
from speecht5_cli.device import best_device
from speecht5_cli.errors import ConfigError, TrainingError
from speecht5_cli.losses.vocoder import LogMelDistance, feature_distance, taken_for_recorded, told_apart
from speecht5_cli.models.discriminators import DiscriminatorConfig, Discriminators
from speecht5_cli.models.vocoder import HifiGan, HifiGanConfig, weight_normed
from speecht5_cli.train.config import OptimConfig
from speecht5_cli.train.metrics import Averages, Journal, clock, shown
from speecht5_cli.train.optim import Optimizer
from speecht5_cli.train.signals import StopFlag, stop_on_signals
from speecht5_cli.train.vocoder_checkpoint import Adversaries, newest, resume, save, take_discriminators

_WIDE = LogMelSettings(low_hz=0.0, high_hz=LOG_MEL.sample_rate / 2)  # what is compared: the whole band
_MEASURED_FRAMES = 625  # 10 s of a held-out utterance at most


@dataclass(frozen=True, kw_only=True)
class VocoderLosses:
    """Weights of the generator's losses; the adversarial one counts 1."""

    mel: float = 45.0
    features: float = 2.0
    adversarial_from: int = 0  # step; before it the generator learns from log-mels alone


@dataclass(frozen=True, kw_only=True)
class VocoderTraining:
    """How long, how often, on how much."""

    steps: int = 1_000_000
    batch_size: int = 16  # pieces
    piece_frames: int = 32  # 0.5 s
    lr: float = 2e-4  # of both nets, at the start
    final_lr: float = 2e-5  # at the end; in between it falls exponentially
    betas: tuple[float, float] = (0.8, 0.99)
    weight_decay: float = 0.01
    held_out: int = 16  # utterances to measure on; at most a tenth of all
    statistics_s: float = 7200.0  # of sound, from which mean and scale of each mel band are taken
    log_every: int = 100
    save_every_steps: int = 5_000
    keep_last: int = 2  # checkpoints
    seed: int = 1

    def __post_init__(self) -> None:
        counts = ("steps", "batch_size", "piece_frames", "log_every", "save_every_steps", "keep_last")
        for name in counts:
            if to_tree(self)[name] < 1:
                raise ValueError(f"{name} must be at least 1, got {to_tree(self)[name]}")
        if not 0 < self.final_lr <= self.lr:
            raise ValueError(f"final_lr {self.final_lr} must be above 0 and not above lr {self.lr}")


@dataclass(frozen=True, kw_only=True)
class VocoderConfig:
    """A whole training; the defaults are the published sizes."""

    generator: HifiGanConfig = field(default_factory=HifiGanConfig)
    discriminators: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    losses: VocoderLosses = field(default_factory=VocoderLosses)
    train: VocoderTraining = field(default_factory=VocoderTraining)

    def __post_init__(self) -> None:
        if (self.generator.hop_samples, self.generator.n_mels) != (LOG_MEL.hop_samples, LOG_MEL.n_mels):
            raise ValueError(
                f"the generator makes {self.generator.hop_samples} samples from a frame of {self.generator.n_mels} "
                f"mels; the log-mels have a hop of {LOG_MEL.hop_samples} and {LOG_MEL.n_mels} mels"
            )


def with_sizes_of(config: VocoderConfig, init: Path) -> VocoderConfig:
    """The configuration with the generator of a vocoder that is to be trained further.

    Raises CheckpointError when there is none, ConfigError when it reads other log-mels than ours.
    """
    net, features = read_vocoder(init)
    if features != LOG_MEL:
        raise ConfigError(f"{init}: reads log-mels of {to_tree(features)}; training makes {to_tree(LOG_MEL)}")
    return replace(config, {"generator": to_tree(net.config)})


def train_vocoder(config: VocoderConfig, spoken: Sequence[Spoken], exp: Path, *, init: Path | None = None) -> None:
    """Train until the last step, or until a signal asks to stop; the same call goes on from the last checkpoint.

    `init` is a vocoder to start from, with its statistics, and with its discriminators where its experiment has some
    of the same sizes. Raises TrainingError when a loss is not finite, KeyboardInterrupt when told to stop, after
    saving.
    """
    train, held = _held_out(spoken, config.train)
    before = newest(exp)
    journal = Journal(exp, resumed_at=before or 0)
    nets = _adversaries(config, init)
    if before is not None:
        resume(exp, before, nets)
    elif init is None:
        mean, scale, sound_s = mel_statistics(train, config.train.statistics_s, config.train.seed)
        nets.generator.set_statistics(torch.from_numpy(mean), torch.from_numpy(scale))
        journal.line(f"a new vocoder; mean and scale of the mel bands from {sound_s / 60:.1f} minutes of sound")
    else:
        whose = "its" if take_discriminators(nets, init) else "new"
        journal.line(f"a vocoder that starts from {init}, with {whose} discriminators")
    journal.line(f"{len(train)} utterances to train on, {len(held)} held out; from step {nets.step}")
    try:
        with stop_on_signals() as stop:
            _loop(nets, config, train, held, exp, journal, stop)
    finally:
        journal.close()


def _adversaries(config: VocoderConfig, init: Path | None) -> Adversaries:
    """Both nets and their optimisers, as they are at the first step."""
    settings, device = config.train, best_device()
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        generator = HifiGan(config.generator) if init is None else read_vocoder(init)[0].train()
        judges = Discriminators(config.discriminators).to(device)
    weight_normed(generator.to(device))
    optim = OptimConfig(
        lr=settings.lr,
        schedule="tri_stage",  # without its first two stages: an exponential fall
        warmup_steps=0,
        hold_steps=0,
        final_scale=settings.final_lr / settings.lr,
        betas=settings.betas,
        eps=1e-8,
        weight_decay=settings.weight_decay,
        clip_norm=0.0,
    )
    return Adversaries(
        generator, judges, Optimizer(generator, optim, settings.steps), Optimizer(judges, optim, settings.steps)
    )


def mel_statistics(spoken: Sequence[Spoken], limit_s: float, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean and standard deviation (M,) float32 of each band, from utterances in random order, and their seconds."""
    total, squares, n, sound_s = np.zeros(LOG_MEL.n_mels), np.zeros(LOG_MEL.n_mels), 0, 0.0
    for place in np.random.default_rng(seed).permutation(len(spoken)):
        if sound_s >= limit_s:
            break
        frames = spoken[place].whole()[0].astype(np.float64)
        total, squares, n = total + frames.sum(0), squares + np.square(frames).sum(0), n + len(frames)
        sound_s += spoken[place].duration_s
    mean = total / n
    scale = np.sqrt(np.maximum(squares / n - np.square(mean), 1e-4))  # a band that never changes stays as it is
    return mean.astype(np.float32), scale.astype(np.float32), sound_s


def _held_out(spoken: Sequence[Spoken], settings: VocoderTraining) -> tuple[list[Spoken], list[Spoken]]:
    n = min(settings.held_out, len(spoken) // 10)
    chosen = set(np.random.default_rng(settings.seed).permutation(len(spoken))[:n].tolist())
    return (
        [one for place, one in enumerate(spoken) if place not in chosen],
        [one for place, one in enumerate(spoken) if place in chosen],
    )


def _loop(
    nets: Adversaries,
    config: VocoderConfig,
    train: Sequence[Spoken],
    held: Sequence[Spoken],
    exp: Path,
    journal: Journal,
    stop: StopFlag,
) -> None:
    settings = config.train
    distance = LogMelDistance(torch.from_numpy(mel_bank(_WIDE)), hop_samples=_WIDE.hop_samples).to(nets.device)
    averages, pace = Averages(), Pace(nets.step, settings.steps)
    for mels, waves in _batches(nets.step, settings, train):
        losses = _update(nets, config.losses, distance, mels.to(nets.device), waves.to(nets.device))
        nets.step += 1
        for name, value in losses.items():
            averages.add(name, value, 1.0)
        last = nets.step == settings.steps or bool(stop)
        if last or nets.step % settings.log_every == 0:
            _report(averages.means(), nets.step, pace, journal)
            averages = Averages()
        if last or nets.step % settings.save_every_steps == 0:
            save(exp, nets, LOG_MEL, keep=settings.keep_last)
            if held:
                measured = {"mel": measure(nets.generator, held, distance)}
                journal.numbers(nets.step, "dev", measured)
                journal.line(f"step {nets.step}: held out: {shown(measured)}")
        if stop and nets.step < settings.steps:
            journal.line(f"stopped at step {nets.step}; the same command goes on from here")
            raise KeyboardInterrupt


class Pace:
    """How fast the run goes, and how long it still takes."""

    def __init__(self, first: int, steps: int) -> None:
        self.first, self.steps, self.started = first, steps, time.monotonic()

    def steps_per_s(self, step: int) -> float:
        """Since this process started."""
        return (step - self.first) / (time.monotonic() - self.started)

    def __call__(self, step: int) -> str:
        left = clock((self.steps - step) / self.steps_per_s(step))
        return f"{self.steps_per_s(step):.2f} steps/s  left {left}"


def _batches(first: int, settings: VocoderTraining, train: Sequence[Spoken]) -> Iterator[tuple[Tensor, Tensor]]:
    """(B, n, M) log-mels and (B, n * hop) waves of the steps that are left."""
    cuts = drawn_pieces(
        train, n_frames=settings.piece_frames, batch_size=settings.batch_size, seed=settings.seed, first_step=first
    )
    for mels, waves in read_pieces(islice(cuts, settings.steps - first)):
        yield torch.from_numpy(mels), torch.from_numpy(waves)


def _update(
    nets: Adversaries, weights: VocoderLosses, distance: LogMelDistance, mels: Tensor, waves: Tensor
) -> dict[str, Tensor]:
    """One step of the discriminators and one of the generator; the losses before it, by name."""
    losses: dict[str, Tensor] = {}
    made = nets.generator(mels)  # (B, S)
    losses["mel"] = distance(made, waves)
    total = weights.mel * losses["mel"]
    if nets.step >= weights.adversarial_from:
        losses["discriminators"] = told_apart(nets.judges(waves), nets.judges(made.detach()))
        losses["discriminators"].backward()
        nets.judge_optimizer.step(nets.step - weights.adversarial_from)
        nets.judges.requires_grad_(False)  # the generator's loss only goes through them
        judged, recorded = nets.judges(made), nets.judges(waves)
        losses["adversarial"], losses["features"] = taken_for_recorded(judged), feature_distance(recorded, judged)
        total = total + losses["adversarial"] + weights.features * losses["features"]
    total.backward()
    nets.judges.requires_grad_(True)
    norm, _ = nets.optimizer.step(nets.step)
    if not math.isfinite(norm):
        raise TrainingError(f"step {nets.step}: the gradient norm of the generator is {norm}; try a lower train.lr")
    return {name: loss.detach() for name, loss in losses.items()}


def _report(means: dict[str, float], step: int, pace: Pace, journal: Journal) -> None:
    bad = [name for name, value in means.items() if not math.isfinite(value)]
    if bad:
        raise TrainingError(f"step {step}: the loss '{bad[0]}' is not finite; try a lower train.lr")
    journal.numbers(step, "train", means | {"steps_per_s": pace.steps_per_s(step)})
    journal.line(f"step {step} of {pace.steps}: {shown(means)}  {pace(step)}")


@torch.no_grad()
def measure(generator: HifiGan, held: Sequence[Spoken], distance: LogMelDistance) -> float:
    """Mean distance of natural log-mels between recorded utterances and their copies."""
    generator.eval()
    found, device = [], generator.mean.device
    for one in held:
        mel, wave = one.whole()
        mel, wave = mel[:_MEASURED_FRAMES], wave[: _MEASURED_FRAMES * LOG_MEL.hop_samples]
        made = generator(torch.from_numpy(mel)[None].to(device))
        found.append(float(distance(made, torch.from_numpy(wave)[None].to(device))))
    generator.train()
    return float(np.mean(found))
