"""The heads that compare directions, in the numbers of a GPU."""

import pytest
import torch

from speecht5_cli.losses.classes import Softmax, class_cross_entropy, class_logits
from speecht5_cli.models.config import ModelConfig
from speecht5_cli.models.postnets import UnitHead


@pytest.mark.parametrize("kind", ["am", "aam"])
def test_margins_have_a_slope_in_bfloat16(kind: Softmax) -> None:
    """Where a state has the direction of its class, as at the end of a training."""
    weight = torch.eye(4, 8)
    states = (10 * weight).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        logits = class_logits(states, weight, kind, scale=30.0)
        loss = class_cross_entropy(logits, torch.arange(4), kind, margin=0.2, scale=30.0)
    loss.backward()
    assert logits.dtype == torch.float32
    assert states.grad is not None and states.grad.isfinite().all()


def test_unit_logits_are_float32() -> None:
    torch.manual_seed(0)
    head = UnitHead(ModelConfig(**ModelConfig.expand({"size": "tiny"})), units=5)
    torch.nn.init.normal_(head.embeddings)
    states = torch.randn(3, 144)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head(states)
        projected = head.projection(states)
    wanted = torch.cosine_similarity(projected.float()[:, None], head.embeddings, dim=-1) / head.temperature
    torch.testing.assert_close(logits, wanted)
