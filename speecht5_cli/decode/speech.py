"""Log-mel spectrograms, step by step, for a batch of encoded utterances.

B utterances   N of them still speaking   M mels   r frames of a step   H heads   T encoder positions   P pre-net units
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.losses.guided import HEADS
from speecht5_cli.models.masks import padding_mask
from speecht5_cli.models.speecht5 import Encoded, SpeechT5
from speecht5_cli.plugins import Hypothesis

Stopped = Literal["threshold", "length", "input length"]  # as told by the model; at the limit; as long as the input
SILENCE = -5.0  # log10 of the magnitude of a pause: inaudible, yet not below what vocoders have seen
_DRAWN_AT_ONCE = 64  # steps of dropout drawn for an utterance in one go
_IN_PLACE_AT_ONCE = 4  # utterances: of 20 s, the attention of a base model takes 0.36 GB each


@dataclass
class Generated:
    """One utterance."""

    mel: Tensor  # (L, M) behind the post-net
    stop: Tensor  # (L,) probability that it ends here
    stopped: Stopped
    attention: Tensor | None  # (layers, heads, L / r, T) where asked for


@dataclass
class _Speaking:
    """What one utterance has said so far, a list item for each step."""

    frames: list[Tensor] = field(default_factory=list)  # (r, M)
    stop: list[Tensor] = field(default_factory=list)  # (r,)
    attention: list[Tensor] = field(default_factory=list)  # (layers, heads, T)
    stopped: Stopped = "length"


def generate(
    model: SpeechT5,
    encoded: Encoded,
    xvector: Tensor | None,
    options: SpeechGeneration,
    *,
    ids: Sequence[str],
    n_steps: Tensor | None = None,
    heads: int = 0,
) -> list[Generated]:
    """Speech for each utterance of `encoded` with the voices xvector (B, X).

    The same whatever the batch: padding is exact, and dropout is seeded by utterance. `n_steps` (B,) fixes the lengths
    instead of the stop probability. The attention of the first `heads` of each layer is kept.
    """
    reduction, lens = model.cfg.reduction, encoded.lens
    most = (lens * options.max_ratio / reduction).long().clamp(min=1) if n_steps is None else n_steps
    least = (lens * options.min_ratio / reduction).long() if n_steps is None else n_steps
    cache = model.start(encoded)
    dropout = PrenetDropout(model, options.seed, ids)
    speaking = [_Speaking(stopped="length" if n_steps is None else "input length") for _ in ids]
    active = torch.arange(len(ids), device=lens.device)
    frame = encoded.states.new_zeros(len(ids), model.cfg.n_mels)
    while len(active):
        kept = dropout.kept(active.tolist(), cache.length)
        voice = None if xvector is None else xvector[active]
        frames, stop_logits, weights = model.next_speech(frame, cache, voice, kept=kept)
        stop = stop_logits.float().sigmoid()  # (N, r)
        told = _told_to_stop(stop, options.threshold, model.cfg.compat)
        told &= cache.length >= least[active]
        for row, utterance in enumerate(active.tolist()):
            said = speaking[utterance]
            said.frames.append(frames[row])
            said.stop.append(stop[row])
            if heads:
                said.attention.append(torch.stack([layer[row, :heads] for layer in weights]))
            if told[row] and n_steps is None:
                said.stopped = "threshold"
        going = (~(told | (cache.length >= most[active]))).nonzero()[:, 0]
        frame, active = frames[going, -1], active[going]
        if len(going) < len(told):
            cache.keep(going, going)
    return _refined(model, speaking)


def _told_to_stop(stop: Tensor, threshold: float, compat: str) -> Tensor:
    """(N, r) -> (N,): the original stops when any frame's probability is high enough, HF when their sum is."""
    return (stop.sum(1) if compat == "hf" else stop.amax(1)) >= threshold


def _refined(model: SpeechT5, speaking: list[_Speaking]) -> list[Generated]:
    """The post-net, once over everything that was said."""
    before = [torch.cat(said.frames) for said in speaking]
    lens = torch.tensor([len(mel) for mel in before], device=before[0].device)
    padded = torch.nn.utils.rnn.pad_sequence(before, batch_first=True)
    after = model.speech_decoder_postnet.refine(padded, padding_mask(lens, padded.size(1)))
    return [
        Generated(
            mel[: len(said.frames) * model.cfg.reduction],
            torch.cat(said.stop),
            said.stopped,
            torch.stack(said.attention, dim=2) if said.attention else None,
        )
        for mel, said in zip(after, speaking)
    ]


def generate_in_place(
    model: SpeechT5,
    encoded: Encoded,
    xvector: Tensor | None,
    noisy: Tensor,
    lens: Tensor,
    options: SpeechGeneration,
    *,
    ids: Sequence[str],
    heads: int = 0,
) -> list[Generated]:
    """As `generate`, along the noisy log-mel of what was encoded: all steps of some utterances in one go.

    noisy (B, L, M) of whole decoder steps, lens (B,) in frames: as many come out.
    """
    generated: list[Generated] = []
    reduction = model.cfg.reduction
    steps = (lens + reduction - 1) // reduction
    for first in range(0, len(ids), _IN_PLACE_AT_ONCE):
        rows = slice(first, first + _IN_PLACE_AT_ONCE)
        heard = Encoded(encoded.states[rows], encoded.pad[rows])
        voices = None if xvector is None else xvector[rows]
        kept = PrenetDropout(model, options.seed, ids[rows]).all_kept(noisy.size(1) // reduction)
        whole, mel = steps[rows] * reduction, noisy[rows]
        spoken = model.decode_speech(mel, whole, heard, voices, noisy=mel, attention=heads > 0, kept=kept)
        stop = spoken.stop_logits.float().sigmoid()
        for row, (n_frames, n_steps) in enumerate(zip(lens[rows].tolist(), steps[rows].tolist())):
            seen = torch.stack([layer[row, :heads, :n_steps] for layer in spoken.attention]) if heads else None
            generated.append(Generated(spoken.after[row, :n_frames], stop[row, :n_frames], "input length", seen))
    return generated


class PrenetDropout:
    """Which units of the speech decoder's pre-net stay, from a generator of each utterance's own."""

    def __init__(self, model: SpeechT5, seed: int, ids: Sequence[str]) -> None:
        rate, self.units = model.cfg.prenet_dropout, model.cfg.prenet_dim
        self.hidden = 1 - rate if model.cfg.compat == "hf" else rate  # there units stay with that probability
        self.device = model.speech_decoder_prenet.positions.alpha.device
        # torch's generator looks at 32 bits of its seed, so both go into these.
        self.generators = [torch.Generator().manual_seed(zlib.crc32(i.encode(), seed)) for i in ids]
        self.blocks: list[Tensor] = [torch.empty(0)] * len(ids)

    def kept(self, utterances: list[int], step: int) -> tuple[Tensor, Tensor] | None:
        """For each of the two layers (N, 1, P), 1 where a unit stays at this step; None without dropout."""
        if self.hidden == 0:
            return None
        place = step % _DRAWN_AT_ONCE
        if place == 0:
            shape = (_DRAWN_AT_ONCE, 2, self.units)
            for i in utterances:
                self.blocks[i] = torch.rand(shape, generator=self.generators[i]) >= self.hidden
        drawn = torch.stack([self.blocks[i][place] for i in utterances]).to(self.device)  # (N, 2, P)
        return drawn[:, None, 0], drawn[:, None, 1]

    def all_kept(self, n_steps: int) -> tuple[Tensor, Tensor] | None:
        """The same of all utterances for steps 0 to n_steps - 1 at once, each (N, n_steps, P)."""
        steps = [self.kept(list(range(len(self.blocks))), step) for step in range(n_steps)]
        first, second = [kept[0] for kept in steps if kept], [kept[1] for kept in steps if kept]
        return (torch.cat(first, dim=1), torch.cat(second, dim=1)) if first else None


def speak(
    model: SpeechT5,
    encoded: Iterable[Encoded],
    xvector: Tensor,
    options: SpeechGeneration,
    *,
    ids: Sequence[str],
    owners: Tensor,
    pause_frames: int = 0,
    n_steps: Tensor | None = None,
) -> list[Hypothesis]:
    """A log-mel array for each of `ids`, spoken in its voice xvector (B, X).

    `encoded` gives the pieces of the utterances, some at a time, in order: owners (P,) says whose each is.
    """
    pieces, voices = named_pieces(ids, owners.tolist()), xvector[owners]

    def say(some: Encoded, rows: slice, heads: int) -> list[Generated]:
        wanted = None if n_steps is None else n_steps[rows]
        return generate(model, some, voices[rows], options, ids=pieces[rows], n_steps=wanted, heads=heads)

    generated = _in_parts(encoded, owners.tolist(), say)
    return joined(model, generated, ids=ids, owners=owners, pause_frames=pause_frames)


def speak_in_place(
    model: SpeechT5,
    encoded: Iterable[Encoded],
    xvector: Tensor,
    noisy: Tensor,
    lens: Tensor,
    options: SpeechGeneration,
    *,
    ids: Sequence[str],
    owners: Tensor,
) -> list[Hypothesis]:
    """As `speak`, along the noisy log-mel of each piece (see `generate_in_place`)."""
    pieces, voices = named_pieces(ids, owners.tolist()), xvector[owners]

    def say(some: Encoded, rows: slice, heads: int) -> list[Generated]:
        mel, n_frames, names = noisy[rows], lens[rows], pieces[rows]
        return generate_in_place(model, some, voices[rows], mel, n_frames, options, ids=names, heads=heads)

    return joined(model, _in_parts(encoded, owners.tolist(), say), ids=ids, owners=owners)


def _in_parts(
    encoded: Iterable[Encoded], owners: Sequence[int], say: Callable[[Encoded, slice, int], list[Generated]]
) -> list[Generated]:
    """What `say` makes of each part, its place among all pieces, and the number of heads whose attention is kept.

    Attention is kept of whole utterances alone: that of an hour in pieces takes much memory, and is not shown.
    """
    n_pieces = Counter(owners)
    whole = [n_pieces[owner] == 1 for owner in owners]
    generated: list[Generated] = []
    for some in encoded:
        rows = slice(len(generated), len(generated) + len(some.states))
        said = say(some, rows, HEADS if any(whole[rows]) else 0)
        generated += [one if kept else replace(one, attention=None) for one, kept in zip(said, whole[rows])]
    return generated


def named_pieces(ids: Sequence[str], owners: Sequence[int]) -> list[str]:
    """A name for each piece, given whose it is: what its dropout is drawn by, whatever the batch."""
    return [f"{ids[owner]}#{owners[:k].count(owner)}" for k, owner in enumerate(owners)]


def joined(
    model: SpeechT5, generated: Sequence[Generated], *, ids: Sequence[str], owners: Tensor, pause_frames: int = 0
) -> list[Hypothesis]:
    """Pieces as utterances: owners (P,) says whose they are, and a pause joins them.

    An utterance ended by length if any of its pieces did; one without pieces is a pause.
    """
    pause = torch.full((max(pause_frames, 1), model.cfg.n_mels), SILENCE)
    hypotheses = []
    for number, name in enumerate(ids):
        own = [piece for piece, owner in zip(generated, owners.tolist()) if owner == number]
        parts: list[Tensor] = [] if own else [pause]
        for piece in own:
            parts += [pause[:pause_frames], piece.mel.float().cpu()] if parts else [piece.mel.float().cpu()]
        ends: set[str] = {piece.stopped for piece in own} or {"nothing to say"}
        stopped = "length" if "length" in ends else ends.pop()
        seen = _guided(own[0].attention) if len(own) == 1 else None
        hypotheses.append(Hypothesis(name, torch.cat(parts).numpy(), 0.0, stopped, attention=seen))
    return hypotheses


def _guided(attention: Tensor | None) -> np.ndarray | None:
    """The mean of the heads that guided attention trains, (layers, HEADS, U, T) -> (U, T)."""
    return None if attention is None else attention.mean((0, 1)).float().cpu().numpy()
