"""SpeechT5 (Ao et al., ACL 2022): pre-nets, a shared encoder and decoder, post-nets, and a codebook between.

B batch   S samples   T frames or tokens   U tokens or decoder steps   L mel frames   D model width   V symbols
pad masks are True where padded; lens are valid lengths.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from speecht5_cli.models.cache import DecoderCache
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.models.dropout import Dropout
from speecht5_cli.models.initialise import initialise
from speecht5_cli.models.linear import Linear
from speecht5_cli.models.masks import padding_mask
from speecht5_cli.models.postnets import ClassHead, SpeechDecoderPostnet, Spoken, UnitHead
from speecht5_cli.models.prenets import (
    PAD,
    SpeechDecoderPrenet,
    SpeechEncoderPrenet,
    TextDecoderPrenet,
    TextEncoderPrenet,
)
from speecht5_cli.models.quantizer import Codes, Quantizer, mixed, mixed_steps
from speecht5_cli.models.transformer import Decoder, Encoder


@dataclass
class Encoded:
    """What the encoder makes of speech or text."""

    states: Tensor  # (B, T, D)
    pad: Tensor  # (B, T)
    energy: Tensor | None = None  # () of speech: sum of squares of the convolutions' output

    @property
    def lens(self) -> Tensor:
        """(B,) valid positions"""
        return (~self.pad).sum(1)


class SpeechT5(nn.Module):
    """The verbs of the paper. Only the nets named in `parts` are built; tasks share their names and weights."""

    def __init__(self, cfg: ModelConfig, parts: Parts) -> None:
        super().__init__()
        self.cfg, self.parts = cfg, parts
        self.encoder = Encoder(cfg)
        self.decoder = Decoder(cfg)
        if parts.vocabulary:  # one matrix: both text embeddings and the output projection
            self.symbols = nn.Embedding(parts.vocabulary, cfg.d_model)
        if parts.speech_in:
            self.speech_encoder_prenet = SpeechEncoderPrenet(cfg)
        if parts.text_in:
            self.text_encoder_prenet = TextEncoderPrenet(cfg)
        if parts.text_out:
            self.text_decoder_prenet = TextDecoderPrenet(cfg)
        if parts.speech_out:
            self.speech_decoder_prenet = SpeechDecoderPrenet(cfg)
            self.speech_decoder_postnet = SpeechDecoderPostnet(cfg)
        if parts.blank is not None:
            self.ctc_head = nn.Sequential(Dropout(cfg.dropout), Linear(cfg.d_model, parts.vocabulary))
        if parts.units:
            self.unit_head = UnitHead(cfg, parts.units)
        if parts.codebook:
            self.quantizer = Quantizer(cfg)
        if parts.classes:
            self.class_head = ClassHead(cfg, parts.classes)
        initialise(self, cfg.init_std)

    @property
    def blank(self) -> int:
        """Id of the CTC blank. Only a model with a CTC head has one."""
        if self.parts.blank is None:
            raise ValueError("this model has no CTC head, so ctc_weight must be 0")
        return self.parts.blank

    # --- encoder ---

    def encode_speech(
        self,
        wav: Tensor,
        lens: Tensor,
        *,
        mask: Tensor | None = None,
        channel_mask: Tensor | None = None,
        n_frames: int | None = None,
        frozen: bool = False,
        upto: int | None = None,
    ) -> Encoded:
        """wav (B, S), lens (B,) -> states (B, T, D). mask (B, T) and channel_mask (B, D) hide, n_frames cuts T.

        `frozen` gives no gradient to the pre-net and the encoder; `upto` stops behind that layer (counted from 1).
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            frames = self.speech_encoder_prenet(wav, lens, mask=mask, channel_mask=channel_mask, n_frames=n_frames)
            return Encoded(self.encoder(frames.states, frames.pad, upto), frames.pad, frames.energy)

    def encode_text(self, tokens: Tensor, *, frozen: bool = False) -> Encoded:
        """tokens (B, T), padded with PAD -> states (B, T, D)"""
        pad = tokens == PAD
        x = self.text_encoder_prenet(tokens, self.symbols.weight)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            return Encoded(self.encoder(x, pad), pad)

    def ctc_logits(self, encoded: Encoded) -> Tensor:
        """(B, T, V)"""
        return self.ctc_head(encoded.states)

    def unit_logits(self, states: Tensor) -> Tensor:
        """Encoder states, before any mixing, (..., D) -> (..., units + 4); cluster k is column k + 4."""
        return self.unit_head(states)

    def mix_codebook(
        self, encoded: Encoded, step: int, *, steps: Tensor | None = None, noise: Tensor | None = None
    ) -> tuple[Encoded, Codes]:
        """Replace a tenth of the time steps by their codes. `steps` (k,) and `noise` stand in for random draws."""
        codes = self.quantizer(encoded.states, step, noise)
        if steps is None:
            steps = mixed_steps(encoded.states.size(1), encoded.states.device)
        return replace(encoded, states=mixed(encoded.states, codes.states, steps)), codes

    # --- decoder ---

    def decode_text(self, tokens: Tensor, encoded: Encoded) -> Tensor:
        """Shifted tokens (B, U), padded with PAD -> logits (B, U, V)"""
        x = self.text_decoder_prenet(tokens, self.symbols.weight)
        x, _ = self.decoder(x, encoded.states, encoded.pad, pad=self._leaking(tokens == PAD))
        return linear(x, self.symbols.weight)

    def decode_speech(
        self,
        mel: Tensor,
        lens: Tensor,
        encoded: Encoded,
        xvector: Tensor | None,
        *,
        noisy: Tensor | None = None,
        attention: bool = False,
        kept: tuple[Tensor, Tensor] | None = None,
    ) -> Spoken:
        """Target mel (B, L, M), lens (B,) in frames -> predictions for the L - L % reduction first frames.

        The decoder reads every last frame of a step, shifted by one step (spec: reduction factor). With `noisy`
        (B, L, M) it reads that, each step at its own place, and what it says is added to it.
        """
        n_steps = mel.size(1) // self.cfg.reduction
        read = mel if noisy is None else noisy
        seen = read[:, self.cfg.reduction - 1 :: self.cfg.reduction][:, :n_steps]  # (B, U, M)
        if noisy is None:
            seen = torch.cat([torch.zeros_like(seen[:, :1]), seen[:, :-1]], dim=1)
        steps = lens.div(self.cfg.reduction, rounding_mode="floor")  # (B,)
        x = self.speech_decoder_prenet(seen, xvector, kept=kept)
        pad = self._leaking(padding_mask(steps, n_steps))
        x, weights = self.decoder(x, encoded.states, encoded.pad, pad=pad, weights=attention)
        before, stop_logits = self.speech_decoder_postnet.frames(x)
        if noisy is not None:
            before = before + noisy[:, : before.size(1)]
        after = self.speech_decoder_postnet.refine(
            before, padding_mask(steps * self.cfg.reduction, n_steps * self.cfg.reduction)
        )
        return Spoken(before, after, stop_logits, weights)

    def decode_class(self, encoded: Encoded) -> Tensor:
        """The decoder's answer to one zero vector, (B, D): what the class head reads."""
        start = encoded.states.new_zeros(encoded.states.size(0), 1, self.cfg.d_model)
        return self.decoder(start, encoded.states, encoded.pad)[0][:, 0]

    # --- decoder, step by step ---

    def start(self, encoded: Encoded) -> DecoderCache:
        """An empty decoder memory for `encoded`."""
        return self.decoder.cache(encoded.states, encoded.pad)

    def next_text(self, tokens: Tensor, cache: DecoderCache) -> Tensor:
        """The last token of each row (N,) -> logits of the next one (N, V)"""
        x = self.text_decoder_prenet(tokens[:, None], self.symbols.weight, first=cache.length)
        x, _ = self.decoder.step(x, cache)
        return linear(x[:, 0], self.symbols.weight)

    def next_speech(
        self,
        frame: Tensor,
        cache: DecoderCache,
        xvector: Tensor | None,
        *,
        kept: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The last frame of each utterance (B, M) -> mel before the post-net (B, reduction, M), stop logits
        (B, reduction), and cross-attention (B, H, T) of each layer."""
        x = self.speech_decoder_prenet(frame[:, None], xvector, first=cache.length, kept=kept)
        x, weights = self.decoder.step(x, cache)
        return (*self.speech_decoder_postnet.frames(x), [layer.view(len(x), self.cfg.heads, -1) for layer in weights])

    def _leaking(self, pad: Tensor) -> Tensor | None:
        """The decoder's own padding. It matters for the outputs at pads only, which the original computes with it."""
        return pad if self.cfg.padding == "original" else None
