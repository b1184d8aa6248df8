"""The numbers that define a SpeechT5 network. Defaults are the base model as the original code pre-trains it."""

from dataclasses import dataclass
from typing import Any, Literal

# Kernel and stride of the seven convolutions that turn samples into frames; every size of model has the same ones,
# since their product, 320 samples a frame (50 Hz), is what units and masks are counted in.
CONV_KERNELS = (10, 3, 3, 3, 3, 2, 2)
CONV_STRIDES = (5, 2, 2, 2, 2, 2, 2)

SIZES: dict[str, dict[str, Any]] = {
    # For a laptop. The 512-channel convolutions are most of the base model's cost on a CPU; and narrow models trained
    # for minutes learn sooner with norms before the sub-blocks and wider initial weights (egs/mini/README.md).
    "tiny": {
        "d_model": 144,
        "encoder_layers": 4,
        "decoder_layers": 2,
        "ffn_dim": 576,
        "heads": 4,
        "pre_norm": True,
        "conv_channels": 32,
        "position_kernel": 32,
        "reduction": 4,  # makes the decoder listen: what follows in 64 ms, the last frame does not tell
        "postnet_channels": 96,
        "unit_dim": 64,
        "codebook_entries": 50,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "init_std": 0.08,
    },
    "small": {
        "d_model": 256,
        "encoder_layers": 6,
        "decoder_layers": 3,
        "ffn_dim": 1024,
        "heads": 4,
        "pre_norm": True,
        "conv_channels": 64,
        "position_kernel": 64,
        "prenet_dim": 128,
        "reduction": 4,
        "postnet_channels": 128,
        "unit_dim": 128,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "init_std": 0.06,
    },
    "base": {},
    "large": {
        "d_model": 1024,
        "encoder_layers": 24,
        "ffn_dim": 4096,
        "heads": 16,
        "pre_norm": True,
        "conv_norm": "layer",
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "feature_grad_scale": 1.0,
        "unit_dim": 768,
    },
}


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """`size` names the values to start from; any other field overrides them."""

    size: Literal["tiny", "small", "base", "large"] = "base"

    d_model: int = 768
    encoder_layers: int = 12
    decoder_layers: int = 6
    ffn_dim: int = 3072
    heads: int = 12
    pre_norm: bool = False  # LayerNorm before each sub-block (large) instead of after it
    relative_distance: int = 160  # frames; farther positions share the outermost embedding

    conv_channels: int = 512
    conv_norm: Literal["group", "layer"] = "group"  # group: after the first convolution only
    position_kernel: int = 128  # frames seen by the convolutional positions
    position_groups: int = 16

    n_mels: int = 80
    reduction: int = 2  # mel frames that one decoder step produces
    prenet_dim: int = 256
    postnet_layers: int = 5
    postnet_channels: int = 256
    postnet_kernel: int = 5
    xvector_dim: int = 512

    unit_dim: int = 256
    unit_temperature: float = 0.1
    codebook_groups: int = 2
    codebook_entries: int = 100
    # gumbel: what the original code does; nearest: the paper's words, nearest entry by Euclidean distance.
    quantizer: Literal["gumbel", "nearest"] = "gumbel"

    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation_dropout: float = 0.0
    encoder_layerdrop: float = 0.05
    decoder_layerdrop: float = 0.05
    position_dropout: float = 0.1  # of the two pre-nets with scaled positions
    prenet_dropout: float = 0.5  # of the speech decoder pre-net: active in evaluation and generation, too
    postnet_dropout: float = 0.5
    feature_grad_scale: float = 0.1  # gradient into the convolutions; 0 freezes them

    symbol_scale: float = 1.0  # of symbols that the text encoder reads; at 1 the positions drown them for long
    init_std: float = 0.02  # of linear weights, embeddings and distances; narrow models learn nothing for long at 0.02
    # exact: an utterance's output does not depend on its batch. original, hf: the leaks of those implementations.
    padding: Literal["exact", "original", "hf"] = "exact"
    # Where Hugging Face's behaviour differs from the original's: stop rule, text end, dropout mask, guided attention.
    compat: Literal["original", "hf"] = "original"

    @classmethod
    def expand(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """Complete a block of YAML with the values of its size."""
        return {**SIZES.get(str(tree.get("size", "base")), {}), **tree}  # a wrong size is complained about later

    @classmethod
    def of_size(cls, size: str, **changes: Any) -> "ModelConfig":
        """The model of that size, with some values changed."""
        return cls(**cls.expand({"size": size, **changes}))

    @property
    def hears_nothing(self) -> bool:
        """Whether the speech decoder's pre-net drops everything: Hugging Face's rate is the share that stays."""
        return self.compat == "hf" and self.prenet_dropout == 0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name.endswith(("dropout", "layerdrop")) and not 0 <= value < 1:
                raise ValueError(f"{name} is {value}, and must be at least 0 and below 1")
        if self.d_model % self.heads:
            raise ValueError(f"d_model {self.d_model} is not a multiple of heads {self.heads}")
        if self.d_model % self.position_groups:
            raise ValueError(f"d_model {self.d_model} is not a multiple of position_groups {self.position_groups}")
        if self.d_model % self.codebook_groups:
            raise ValueError(f"d_model {self.d_model} is not a multiple of codebook_groups {self.codebook_groups}")

    @property
    def head_dim(self) -> int:
        """Width of an attention head."""
        return self.d_model // self.heads


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Which nets around the shared encoder and decoder a model needs, and the sizes that data decide."""

    speech_in: bool = False
    text_in: bool = False
    text_out: bool = False
    speech_out: bool = False
    codebook: bool = False
    vocabulary: int = 0  # symbols; needed for text_in, text_out and a CTC head
    blank: int | None = None  # id of the CTC blank; none: no CTC head
    units: int = 0  # k-means clusters; 0: no unit head
    classes: int = 0  # of the class head; 0: none
