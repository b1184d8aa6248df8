"""Which numbers forward passes are computed with."""

import platform
import warnings
from dataclasses import dataclass

import torch
from torch import nn

from speecht5_cli.errors import SlowWarning, UsageError
from speecht5_cli.models.int8 import in_int8
from speecht5_cli.models.linear import pack_where_it_pays


@dataclass(frozen=True)
class Numbers:
    """float32, bfloat16 where it is safe (autocast), or 8-bit linear layers; training keeps its weights in float32."""

    device: torch.device
    name: str  # fp32, bf16 or int8

    @classmethod
    def of(cls, precision: str, device: torch.device) -> "Numbers":
        """`auto` is bf16 on a GPU that has it, and fp32 elsewhere. Raises UsageError for int8 on a GPU."""
        if precision == "auto":
            precision = "bf16" if device.type == "cuda" and gpu_multiplies_bf16() else "fp32"
        if precision == "int8" and device.type != "cpu":
            raise UsageError("precision int8 is for CPUs; a GPU is faster in bf16")
        if precision == "bf16" and device.type == "cpu" and not _multiplies_bf16():
            # An EPYC of that kind, 6.4 s of a vocoder: 12.2 s instead of 0.9 s (`speecht5 bench vocoder`).
            warnings.warn(
                "this processor has no instructions for bfloat16 and is several times slower in it; fp32 is faster",
                SlowWarning,
                stacklevel=2,
            )
        return cls(device, precision)

    def suit(self, model: nn.Module) -> None:
        """Replace layers of a model for inference by those that are fastest with these numbers, in place."""
        if self.name == "int8":
            in_int8(model)
        elif self.name == "fp32":
            pack_where_it_pays(model, self.device)

    def __call__(self) -> torch.autocast:
        """The context that a forward pass runs in."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.name == "bf16")

    def __str__(self) -> str:
        return self.name


def gpu_multiplies_bf16() -> bool:
    """Whether the GPU has instructions for it: older ones compute it in float32, which is slow and no more exact."""
    return torch.cuda.is_bf16_supported(including_emulation=False)


def _multiplies_bf16() -> bool:
    """False for x86 processors without the instructions; what others have is not known here."""
    return platform.machine() not in ("x86_64", "AMD64") or torch.cpu._is_avx512_bf16_supported()
