"""Which numbers forward passes are computed with."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Numbers:
    """float32, or bfloat16 where it is safe (autocast); weights and optimiser stay float32."""

    device: torch.device
    bf16: bool

    @classmethod
    def of(cls, precision: str, device: torch.device) -> "Numbers":
        """`auto` is bf16 on a GPU that has it, and fp32 elsewhere."""
        if precision == "auto":
            return cls(device, device.type == "cuda" and torch.cuda.is_bf16_supported())
        return cls(device, precision == "bf16")

    def __call__(self) -> torch.autocast:
        """The context that a forward pass runs in."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def __str__(self) -> str:
        return "bf16" if self.bf16 else "fp32"
