"""Our gradients against the original's."""

from collections.abc import Callable

import numpy as np
import torch
from golden import SAME, Golden, Same
from torch import Tensor

from speecht5_cli.models.keymaps import fairseq_rules, renamed
from speecht5_cli.models.speecht5 import SpeechT5

NORM = 0  # column of train_grad_norm_sum_absmax_cosdot


def same_gradients(same: Same, net: SpeechT5, g: Golden, loss: Callable[[], Tensor]) -> Tensor:
    """Compare the gradient of every parameter by norm, largest entry, first entries and a fixed projection.

    What is reported is the largest relative difference of a norm.

    Returns the loss. A parameter of the original that we lack must have no gradient there either.
    """
    with torch.enable_grad():
        total = loss()
        total.backward()
    rules = fairseq_rules(net.cfg.conv_norm)
    ours = {renamed(name, rules): parameter.grad for name, parameter in net.named_parameters()}
    columns, first = g["train_grad_norm_sum_absmax_cosdot"], g["train_grad_first8"]
    noise = 1e-5 * float(np.nanmax(columns[:, NORM]))
    worst = 0.0
    for name, (norm, _, absmax, cosdot), start in zip(g["train_grad_names"], columns, first):
        grad = ours.get(str(name))
        if np.isnan(norm) or norm == 0:
            assert grad is None or float(grad.norm()) == 0, f"{name} has a gradient, the original has none"
            continue
        assert grad is not None, f"{name} has no gradient"
        flat = grad.flatten().double().numpy()
        if norm < noise:  # it cancels to nothing, as the gradient of every key's bias does
            assert np.linalg.norm(flat) < 2 * noise, name
            continue
        difference = abs(np.linalg.norm(flat) - norm)
        assert difference <= 1e-3 * norm, name
        assert abs(np.abs(flat).max() - absmax) <= 1e-3 * absmax, name
        assert np.abs(flat[:8] - start[: len(flat)]).max() <= 1e-4 * absmax + 0.1 * noise, name
        projection = (flat * np.cos(np.arange(len(flat)))).sum()
        assert abs(projection - cosdot) <= 1e-3 * norm * np.sqrt(len(flat)), name
        worst = max(worst, float(difference / norm))
    same.record(SAME, [f"{g.name}/gradients", "gradients", worst, 1e-3])
    return total
