"""The numbers that define a Transformer language model."""

from dataclasses import dataclass
from typing import Any, Literal

LANGUAGE_SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"d_model": 128, "layers": 2, "ffn_dim": 512, "heads": 4},
    "small": {"d_model": 256, "layers": 4, "ffn_dim": 1024, "heads": 4},
    "base": {},
    "large": {"d_model": 1280, "layers": 20, "ffn_dim": 6144, "heads": 16},  # the original's, 446 M parameters
}


@dataclass(frozen=True, kw_only=True)
class LMConfig:
    """`size` names the values to start from; any other field overrides them."""

    size: Literal["tiny", "small", "base", "large"] = "base"

    d_model: int = 512
    layers: int = 6
    ffn_dim: int = 2048
    heads: int = 8
    activation: Literal["gelu", "relu"] = "gelu"
    scale_embedding: bool = True  # by sqrt(d_model)
    tied: bool = False  # the output projection is the embedding
    # Rows of the tables; 0: one for each symbol of the vocabulary. Those of the original lack the last two, <mask> and
    # <ctc_blank>, which nobody says.
    symbols: int = 0

    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.0
    init_std: float = 0.02

    @classmethod
    def expand(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """Complete a block of YAML with the values of its size."""
        return {**LANGUAGE_SIZES.get(str(tree.get("size", "base")), {}), **tree}

    @classmethod
    def of_size(cls, size: str, **changes: Any) -> "LMConfig":
        """The model of that size, with some values changed."""
        return cls(**cls.expand({"size": size, **changes}))

    def __post_init__(self) -> None:
        if self.d_model % self.heads:
            raise ValueError(f"d_model {self.d_model} is not a multiple of heads {self.heads}")
