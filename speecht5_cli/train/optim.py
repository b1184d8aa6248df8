"""Learning-rate schedules and the optimiser step, as fairseq computes them (spec 4.10, golden x_optim)."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from speecht5_cli.train.config import OptimConfig


def learning_rate(cfg: OptimConfig, step: int, max_steps: int) -> float:
    """The rate of update number `step`, counted from 0, of `max_steps`."""
    if cfg.schedule == "constant":
        return cfg.lr * min(1.0, (step + 1) / max(cfg.warmup_steps, 1))
    if cfg.schedule == "inverse_sqrt":
        return _inverse_sqrt(cfg, step)
    if cfg.schedule == "tri_stage":
        return _tri_stage(cfg, step, max_steps)
    if cfg.schedule == "triangular":
        return _triangular(cfg, step)
    return _polynomial(cfg, step, max_steps)


def _polynomial(cfg: OptimConfig, step: int, max_steps: int) -> float:
    if step < cfg.warmup_steps:
        return cfg.lr * step / cfg.warmup_steps
    return cfg.lr * max(0.0, 1 - (step - cfg.warmup_steps) / max(max_steps - cfg.warmup_steps, 1))


def _inverse_sqrt(cfg: OptimConfig, step: int) -> float:
    if step < cfg.warmup_steps:
        return cfg.lr * step / cfg.warmup_steps
    return cfg.lr * math.sqrt(max(cfg.warmup_steps, 1) / max(step, 1))


def _tri_stage(cfg: OptimConfig, step: int, max_steps: int) -> float:
    """Linear from initial_scale, constant, exponential to final_scale."""
    if step < cfg.warmup_steps:
        return cfg.lr * (cfg.initial_scale + (1 - cfg.initial_scale) * step / cfg.warmup_steps)
    decaying = step - cfg.warmup_steps - cfg.hold_steps
    if decaying < 0:
        return cfg.lr
    decay_steps = max(max_steps - cfg.warmup_steps - cfg.hold_steps, 1)
    return cfg.lr * math.exp(math.log(cfg.final_scale) * min(decaying / decay_steps, 1.0))


def _triangular(cfg: OptimConfig, step: int) -> float:
    """Up for warmup_steps, down for as many; the peak halves with each cycle."""
    cycle, place = divmod(step, 2 * cfg.warmup_steps)
    height = 1 - abs(place / cfg.warmup_steps - 1)
    return cfg.floor + (cfg.lr * 0.5**cycle - cfg.floor) * height


class Optimizer:
    """AdamW over all parameters of a model, with clipping and the schedule's rate."""

    def __init__(self, model: nn.Module, cfg: OptimConfig, max_steps: int) -> None:
        self.cfg, self.max_steps = cfg, max_steps
        self.named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.adam = torch.optim.AdamW(
            self.named.values(), lr=cfg.lr, betas=cfg.betas, weight_decay=cfg.weight_decay, fused=True
        )

    def step(self, step: int) -> tuple[float, float]:
        """Clip, update, clear the gradients; returns the gradient norm before clipping and the rate.

        fairseq adds eps to sqrt(v) before the bias correction, torch behind it; the rescaled eps makes them equal.
        """
        rate = learning_rate(self.cfg, step, self.max_steps)
        norm = clip(self.named.values(), self.cfg.clip_norm)
        if math.isfinite(norm):
            group = self.adam.param_groups[0]
            group["lr"] = rate
            group["eps"] = self.cfg.eps / math.sqrt(1 - self.cfg.betas[1] ** (step + 1))
            self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        return norm, rate

    def state(self) -> dict[str, Tensor]:
        """Both moments of each parameter that has been updated, under `<name>.<moment>`."""
        state = {}
        for name, parameter in self.named.items():
            for key, value in self.adam.state[parameter].items():
                state[f"{name}.{key}"] = value
        return state

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` gave; a parameter without an entry starts afresh."""
        for name, parameter in self.named.items():
            moments = {key: state.get(f"{name}.{key}") for key in ("exp_avg", "exp_avg_sq", "step")}
            if moments["exp_avg"] is not None:
                self.adam.state[parameter] = {
                    key: value.to(parameter.device) for key, value in moments.items() if value is not None
                }


def clip(parameters: Iterable[nn.Parameter], norm: float) -> float:
    """Scale the gradients down to the norm (0: leave them); returns the norm they had."""
    return float(nn.utils.clip_grad_norm_(parameters, norm if norm > 0 else math.inf))
