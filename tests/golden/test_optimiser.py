"""Learning rates and Adam steps of fairseq."""

import numpy as np
import pytest
import torch
from golden import Same, golden

from speecht5_cli.train.config import OptimConfig
from speecht5_cli.train.optim import Optimizer, learning_rate

# The original's six commands.
SCHEDULES = {
    "pretrain": (OptimConfig(lr=2e-4, schedule="polynomial", warmup_steps=64_000), 800_000),
    "asr": (
        OptimConfig(
            lr=6e-5, schedule="tri_stage", warmup_steps=8_000, hold_steps=32_000, initial_scale=0.01, final_scale=0.05
        ),
        80_000,
    ),
    "tts": (OptimConfig(lr=1e-4, schedule="inverse_sqrt", warmup_steps=10_000), 120_000),
    "st": (OptimConfig(lr=2e-4, schedule="inverse_sqrt", warmup_steps=25_000), 80_000),
    "vc": (OptimConfig(lr=1e-4, schedule="inverse_sqrt", warmup_steps=6_000), 60_000),
    "sid": (OptimConfig(lr=2e-4, schedule="triangular", warmup_steps=30_000, floor=1e-8), 60_000),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(same: Same, name: str) -> None:
    """learning rates of the six commands"""
    cfg, max_steps = SCHEDULES[name]
    g = golden("x_optim")
    rates = np.array([learning_rate(cfg, int(step), max_steps) for step in g["steps"]])
    known = np.ones(len(rates), bool)
    if name == "sid":  # two cycles are the whole run
        known = g["steps"] <= max_steps
    same.arrays(f"x_optim/lr_{name}", rates[known], g[f"lr_{name}"][known], atol=1e-15, rtol=1e-5)


def test_adam(same: Same) -> None:
    """five steps of Adam with decay and clipping"""
    g = golden("x_optim")
    net = torch.nn.Module()
    net.weight = torch.nn.Parameter(g.tensor("adam_p0"))
    cfg = OptimConfig(lr=2e-4, schedule="constant", warmup_steps=0, eps=1e-6, weight_decay=0.01, clip_norm=5.0)
    optimizer = Optimizer(net, cfg, max_steps=10)
    norms, after = [], []
    for step, grad in enumerate(g["adam_grads"]):
        net.weight.grad = torch.from_numpy(grad.copy())
        norms.append(optimizer.step(step)[0])
        after.append(net.weight.detach().numpy().copy())
    same("x_optim", "adam_grad_norms", np.array(norms), atol=0, rtol=1e-6)
    same("x_optim", "adam_params_after", np.stack(after), atol=1e-7, rtol=6e-7)
