"""Statistics that leave the pads out are those of the utterances alone."""

import pytest
import torch
from torch import Tensor, nn

from speecht5_cli.models.masks import padding_mask
from speecht5_cli.models.postnets import MaskedBatchNorm


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(3, 5, 40) * (0.5 + 4 * torch.rand(3, 5, 1)) + torch.randn(3, 5, 1)


LENS = torch.tensor([40, 17, 2])


def test_masked_batch_norm_is_batch_norm_of_the_valid_frames(x: Tensor) -> None:
    masked, plain = MaskedBatchNorm(5), nn.BatchNorm1d(5)
    for norm in (masked, plain):
        nn.init.constant_(norm.weight, 1.5)
        nn.init.constant_(norm.bias, -0.5)
    valid = ~padding_mask(LENS, 40)
    x = x.masked_fill(~valid[:, None], 1e4)
    got = masked(x, valid[:, None])
    frames = x.transpose(1, 2)[valid]  # (n, 5)
    torch.testing.assert_close(got.transpose(1, 2)[valid], plain(frames), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(masked.running_mean, plain.running_mean)
    torch.testing.assert_close(masked.running_var, plain.running_var, atol=1e-5, rtol=1e-4)
    assert masked.num_batches_tracked == 1


def test_masked_batch_norm_without_pads_is_the_ordinary_one(x: Tensor) -> None:
    masked, plain = MaskedBatchNorm(5), nn.BatchNorm1d(5)
    everything = torch.ones(3, 1, 40, dtype=torch.bool)
    torch.testing.assert_close(masked(x, everything), plain(x), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(masked.running_var, plain.running_var, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(MaskedBatchNorm(5)(x, None), nn.BatchNorm1d(5)(x))
    masked.eval(), plain.eval()
    torch.testing.assert_close(masked(x, everything), plain(x), atol=1e-4, rtol=1e-3)


def test_one_valid_frame_leaves_finite_statistics(x: Tensor) -> None:
    norm = MaskedBatchNorm(5)
    valid = torch.zeros(3, 1, 40, dtype=torch.bool)
    valid[0, 0, 0] = True
    assert norm(x, valid).isfinite().all()
    assert norm.running_var is not None and norm.running_var.isfinite().all()
