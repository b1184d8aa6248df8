"""The options of decoding: plain values, importable without torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

GRIFFIN_LIM = "griffin-lim"  # where a vocoder is asked for: the one that needs no training


@dataclass(frozen=True, kw_only=True)
class TextSearch:
    """How text is searched for."""

    method: Literal["beam", "ctc"] = "beam"  # ctc: the likeliest symbol of each frame, without the decoder
    beam: int = 5  # 1: greedy
    ctc_weight: float = 0.0  # of the CTC prefix score; the decoder's is 1 - ctc_weight
    min_tokens: int = 1
    tokens_per_frame: float = 1.0  # the limit of length; hyp.jsonl says when it ended a hypothesis
    length_penalty: float = 1.0  # scores are divided by length ** length_penalty
    length_bonus: float = 0.0  # added for every symbol
    nbest: int = 1
    lm: Path | None = None  # folder of a language model
    lm_weight: float = 0.0  # of its log-probability
    timings: bool = False  # when each word was said, from the CTC head, to hyp.jsonl
    longest_s: float = 30.0  # of sound searched at once; longer recordings are cut into windows
    overlap_s: float = 4.0  # that neighbouring windows share

    def __post_init__(self) -> None:
        if self.overlap_s >= self.longest_s:
            raise ValueError(f"overlap_s {self.overlap_s} must be below longest_s {self.longest_s}")
        if self.lm is None and self.lm_weight:
            raise ValueError(f"lm_weight is {self.lm_weight}, but no lm is given")
        if self.beam < 1:
            raise ValueError(f"beam must be at least 1, got {self.beam}")
        if not 0 <= self.ctc_weight <= 1:
            raise ValueError(f"ctc_weight must be between 0 and 1, got {self.ctc_weight}")

    @property
    def uses_ctc(self) -> bool:
        """Whether the search asks the CTC head."""
        return self.method == "ctc" or self.ctc_weight > 0

    @property
    def uses_decoder(self) -> bool:
        """Whether the search asks the decoder."""
        return self.method == "beam" and self.ctc_weight < 1


@dataclass(frozen=True, kw_only=True)
class SpeechGeneration:
    """How speech is generated. Ratios are decoder steps for an encoder position, times the reduction factor."""

    threshold: float = 0.5  # of the stop probability
    min_ratio: float = 0.0
    max_ratio: float = 20.0  # the limit of length; hyp.jsonl says when it ended an utterance
    seed: int = 0  # with the utterance's id, of the pre-net's dropout: the same output whatever the batch

    def __post_init__(self) -> None:
        if not 0 <= self.min_ratio <= self.max_ratio:
            raise ValueError(f"min_ratio {self.min_ratio} must be at least 0 and not above max_ratio {self.max_ratio}")
