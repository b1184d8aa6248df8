"""A training run: the one place that introduces data, model, loss, loop and checkpoints to each other."""

import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch

from speecht5_cli.data.assets import Assets
from speecht5_cli.data.batch import Batch
from speecht5_cli.data.features import log_mel
from speecht5_cli.data.rows import Row
from speecht5_cli.errors import ConfigError, SpeechT5Error, TrainingError
from speecht5_cli.folders import ASSETS, FINAL, model_folder
from speecht5_cli.losses.terms import Loss
from speecht5_cli.plugins import Hypothesis, TaskPlugin
from speecht5_cli.train.checkpoint import Checkpoints, model_tree, resume, write_model_folder
from speecht5_cli.train.config import RunConfig
from speecht5_cli.train.distributed import Ranks, join, leave
from speecht5_cli.train.economy import economise
from speecht5_cli.train.experiment import inputs_of, open_experiment
from speecht5_cli.train.final import averaged, final_checkpoints
from speecht5_cli.train.loop import Progress, Window, train
from speecht5_cli.train.metrics import Journal, clock, shown
from speecht5_cli.train.optim import Optimizer
from speecht5_cli.train.pictures import draw_speech
from speecht5_cli.train.precision import Numbers
from speecht5_cli.train.probe import probe
from speecht5_cli.train.restore import Inherited, inherit
from speecht5_cli.train.signals import StopFlag, stop_on_signals
from speecht5_cli.train.streams import open_streams, training_batches
from speecht5_cli.train.unsupported import told, unsupported
from speecht5_cli.train.validate import Validation


def run(plugin: TaskPlugin, cfg: RunConfig, exp: Path, *, init: Path | None = None) -> Path:
    """Train, or go on training, in `exp`; returns the final model folder. A finished experiment is left as it is.

    Raises TrainingError for a loss that is not finite, KeyboardInterrupt when told to stop (after saving).
    """
    ranks = join()
    try:
        if cfg.optim.micro_batches % ranks.world:
            raise ConfigError(
                f"optim.micro_batches {cfg.optim.micro_batches} cannot be shared by {ranks.world} processes; "
                f"the nearest fitting number is {-(-cfg.optim.micro_batches // ranks.world) * ranks.world}"
            )
        finished, note = False, ""
        if ranks.is_main:
            state, note = open_experiment(plugin, cfg, exp, inputs_of(plugin, cfg, init))
            finished = state == "finished"
        if not ranks.any(finished):
            Run(plugin, cfg, exp, init, ranks).go(note)
        elif ranks.is_main:
            print(f"{exp}: trained already with these settings and data; skipped", flush=True)  # noqa: T201
        return exp / FINAL
    finally:
        leave()


class Run:
    """One process's part in a training."""

    def __init__(self, plugin: TaskPlugin, cfg: RunConfig, exp: Path, init: Path | None, ranks: Ranks) -> None:
        self.plugin, self.cfg, self.exp, self.init, self.ranks = plugin, cfg, exp, init, ranks
        self.metric = plugin.metrics[0]
        self.autocast = Numbers.of(cfg.train.precision, ranks.device)
        self.checkpoints = Checkpoints(
            exp,
            keep_last=cfg.train.keep_last,
            keep_best=cfg.train.keep_best,
            better=self.metric.better,
        )
        self.saved_at = time.monotonic()

    def go(self, note: str) -> None:
        """Build, start or resume, train, and leave the final model. `note` says why an old experiment was set aside."""
        plugin, cfg, ranks = self.plugin, self.cfg, self.ranks
        if ranks.is_main:
            initial = Assets(model_folder(self.init) / ASSETS) if self.init else None
            Assets.gather(plugin.assets(cfg), self.exp / ASSETS, initial=initial)
        ranks.wait()
        self.assets = Assets(self.exp / ASSETS)
        torch.manual_seed(cfg.train.seed)
        self.model = plugin.build(cfg, self.assets)
        self.rows = open_streams(plugin.streams(cfg), cfg.data)
        dev = open_streams(plugin.streams(cfg), cfg.data, dev=True)
        self.validation = Validation(plugin, cfg, self.assets, dev, ranks=ranks, autocast=self.autocast)
        last = next(iter(self.checkpoints.newest(1)), None)
        inherited = inherit(self.model, self.assets, self.init) if self.init and not last else None
        self.model.to(ranks.device).train()
        economise(self.model, cfg.train)
        self.optimizer = Optimizer(self.model, cfg.optim, cfg.train.max_steps)
        self.progress = resume(last, self.model, self.optimizer) if last else Progress()
        self.journal = Journal(self.exp, resumed_at=self.progress.step, silent=not ranks.is_main)
        try:
            self._introduce(note, inherited, last)  # runs the largest batch
            with stop_on_signals() as flag:
                self._train(flag)
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"step {self.progress.step}: the GPU's memory is full; train.checkpoint_layers=true takes less and "
                f"goes on from the last checkpoint; a lower data.batch_seconds (now {cfg.data.batch_seconds}), with "
                "optim.micro_batches raised by the same factor, starts anew"
            ) from error
        if self.progress.step < self.cfg.train.max_steps:  # some process was told to stop
            self.journal.line(f"stopped and saved at step {self.progress.step}; the same command goes on from there")
            self.journal.close()
            raise KeyboardInterrupt
        if ranks.is_main:
            self._finish()

    def _loss(self, batch: Batch, step: int) -> Loss:
        return self.plugin.loss(self.model, batch, self.cfg, step)

    def _train(self, flag: StopFlag) -> None:
        cfg, step = self.cfg, self.progress.step
        train(
            self.model,
            self.optimizer,
            training_batches(self.plugin, cfg, self.assets, self.rows, step=step, ranks=self.ranks),
            self._loss,
            self.progress,
            max_steps=cfg.train.max_steps,
            micro_batches=cfg.optim.micro_batches,
            normalise=cfg.train.normalise,
            seed=cfg.train.seed,
            ranks=self.ranks,
            autocast=self.autocast,
            after_step=lambda progress, window: self._after_step(window, flag),
        )

    # --- between steps ---

    def _after_step(self, window: Window, flag: StopFlag) -> bool:
        """Log, validate, save, each when it is due; False when the run was told to stop."""
        cfg, step = self.cfg.train, self.progress.step
        ended = step == cfg.max_steps
        if step % cfg.log_every == 0 or ended:
            self._log(window)
        metric = self._validated() if step % cfg.validate_every == 0 or ended else None
        stop = self.ranks.any(bool(flag))
        overdue = self.ranks.any(time.monotonic() - self.saved_at > 60 * cfg.save_every_minutes)
        regular = metric is not None or step % cfg.save_every_steps == 0 or ended
        if regular or stop or overdue:
            self._save(metric, passing=not regular)
        return not stop

    def _save(self, metric: float | None, *, passing: bool) -> None:
        if self.ranks.is_main:
            state = (self.model, self.optimizer, self.progress, self.cfg, self.assets)
            self.checkpoints.save(*state, metric, passing=passing)
        self.saved_at = time.monotonic()

    def _validated(self) -> float | None:
        try:
            return self._validate()
        except SpeechT5Error:  # the dev set's fault: what was learnt since the last checkpoint is not lost for it
            self._save(None, passing=True)
            raise

    def _log(self, window: Window) -> None:
        numbers = window.numbers()
        window.restart()
        left_s = (self.cfg.train.max_steps - self.progress.step) / numbers["steps_per_s"]
        self.journal.numbers(self.progress.step, "train", numbers)
        self.journal.line(f"step {self.progress.step}  {shown(numbers)}  {clock(left_s)} left")

    def _validate(self) -> float | None:
        """The first metric; decodes and shows a few utterances on the way."""
        numbers = self.validation.measure(self.model, self.progress.step)
        self.journal.numbers(self.progress.step, "dev", numbers)
        self.journal.line(f"step {self.progress.step}  dev  {shown(numbers)}")
        for row, said in self.validation.decode_some(self.model):
            self._show(row, said)
        return numbers.get(self.metric.name)

    def _show(self, row: Row, said: Hypothesis) -> None:
        """One dev utterance: as text in the log, or as a picture."""
        target = self.plugin.streams(self.cfg)[0].targets[0]
        if self.plugin.output == "speech":
            path = self.exp / "plots" / f"{self.progress.step}-{said.id}.png"
            draw_speech(path, said.value, log_mel(row.audio(target)), said.attention)
            self.journal.picture(self.progress.step, said.id, path)
            self.journal.line(f"  {said.id}  {len(said.value)} frames, ended by {said.stopped}: {path}")
        else:
            self.journal.line(f"  {said.id}  said: {said.value!s:.200}")
            self.journal.line(f"  {' ' * len(said.id)}  true: {row[target]:.200}")

    # --- first and last ---

    def _introduce(self, note: str, inherited: Inherited | None, last: Path | None) -> None:
        """Say what is about to happen: data, model, memory, time."""
        say = self.journal.line
        if note:
            say(f"{self.exp}: starts anew, because {note}")
        say(f"{self.exp}: {f'goes on after {last}' if last else 'starts'}; {self.ranks.device}, {self.autocast}")
        for stream, rows in zip(self.plugin.streams(self.cfg), self.rows):
            amount = f"{rows.costs.sum() / 3600:.2f} h" if stream.cost == "seconds" else "lines of text"
            say(f"{stream.name}: {len(rows)} examples ({amount}), {rows.left_out} left out for their length")
        if self.ranks.is_main and (characters := unsupported(self.plugin.streams(self.cfg), self.rows, self.assets)):
            say(told(characters))
        if inherited:
            say(f"from {self.init}: {inherited}")
        if self.progress.step < self.cfg.train.max_steps:
            self._estimate()

    def _estimate(self) -> None:
        cfg = replace(self.cfg, data=replace(self.cfg.data, workers=0))
        alone = Ranks(0, 1, self.ranks.device)
        batches = training_batches(self.plugin, cfg, self.assets, self.rows, step=0, ranks=alone)
        largest = list(islice(batches, len(self.rows)))  # of each stream
        steps = (self.progress.step, cfg.train.max_steps - 1)
        estimate = probe(self.model, largest, self._loss, steps, self.autocast)
        share = cfg.optim.micro_batches // self.ranks.world
        for line in estimate.lines(cfg.train.max_steps - self.progress.step, share):
            self.journal.line(line)

    def _finish(self) -> None:
        chosen = final_checkpoints(self.checkpoints, self.cfg.train.average)
        write_model_folder(self.exp / FINAL, averaged(chosen), model_tree(self.cfg), self.assets)
        names = ", ".join(place.name for place in chosen)
        self.journal.line(f"{self.exp / FINAL}: {'mean of steps' if len(chosen) > 1 else 'step'} {names}")
        self.journal.close()
