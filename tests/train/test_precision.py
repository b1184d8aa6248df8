"""Which numbers are used where, and what is said of a slow choice."""

import warnings

import pytest
import torch

from speecht5_cli.errors import SlowWarning, UsageError
from speecht5_cli.train.precision import Numbers

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def old_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)


@pytest.mark.usefixtures("old_processor")
def test_a_processor_that_is_slow_in_bfloat16() -> None:
    with pytest.warns(SlowWarning, match="no instructions for bfloat16 .* fp32 is faster"):
        assert Numbers.of("bf16", CPU).name == "bf16"


@pytest.mark.usefixtures("old_processor")
@pytest.mark.parametrize(
    ("precision", "device"), [("auto", CPU), ("fp32", CPU), ("int8", CPU), ("bf16", GPU), ("fp32", GPU)]
)
def test_nothing_is_said_of_others(precision: str, device: torch.device) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Numbers.of(precision, device).name in (precision, "fp32")


@pytest.mark.parametrize(("machine", "supported"), [("x86_64", True), ("aarch64", False)])
def test_nothing_is_said_of_other_processors(machine: str, supported: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: supported)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Numbers.of("bf16", CPU)


@pytest.mark.parametrize(("computes", "name"), [(True, "bf16"), (False, "fp32")])
def test_a_gpu_that_only_imitates_bfloat16(computes: bool, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch counts it as supported there unless told otherwise."""
    monkeypatch.setattr(
        "torch.cuda.is_bf16_supported", lambda including_emulation=True: including_emulation or computes
    )
    assert Numbers.of("auto", GPU).name == name


def test_eight_bits_on_a_gpu() -> None:
    with pytest.raises(UsageError, match="precision int8 is for CPUs"):
        Numbers.of("int8", GPU)
