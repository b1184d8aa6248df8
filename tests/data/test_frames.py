"""Frame counts against the published examples and against each other."""

import pytest

from speecht5_cli.data.frames import (
    MFCC_RATE_HZ,
    UNIT_RATE_HZ,
    n_log_mel_frames,
    n_mfcc_frames,
    n_unit_frames,
)


@pytest.mark.parametrize(
    ("n_samples", "n_frames"),
    [
        (399, 0),
        (400, 1),
        (719, 1),
        (720, 2),
        (16_000, 49),
        (40_000, 124),
        (51_200, 159),
        (160_000, 499),
        (250_000, 781),
    ],
)
def test_unit_frames(n_samples: int, n_frames: int) -> None:
    assert n_unit_frames(n_samples) == n_frames


def test_seven_convolutions_are_one_division() -> None:
    for n_samples in range(400, 5000):
        assert n_unit_frames(n_samples) == (n_samples - 400) // 320 + 1


def test_every_second_mfcc_frame_is_an_encoder_frame() -> None:
    assert MFCC_RATE_HZ == 2 * UNIT_RATE_HZ
    for n_samples in range(0, 5000, 7):
        assert n_unit_frames(n_samples) == (n_mfcc_frames(n_samples) + 1) // 2


@pytest.mark.parametrize(("n_samples", "n_frames"), [(16_000, 98), (160_000, 998), (250_000, 1561), (100, 0)])
def test_mfcc_frames(n_samples: int, n_frames: int) -> None:
    assert n_mfcc_frames(n_samples) == n_frames


@pytest.mark.parametrize(("n_samples", "n_frames"), [(1, 1), (255, 1), (256, 2), (16_000, 63), (11_237, 44)])
def test_log_mel_frames(n_samples: int, n_frames: int) -> None:
    assert n_log_mel_frames(n_samples) == n_frames
