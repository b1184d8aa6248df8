"""Speech from text: what one more mel frame costs. Both sides speak the same number of frames."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from speecht5_cli.bench.measure import Effort, Row, in_turns
from speecht5_cli.bench.nets import Pair, base_pair
from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.decode.speech import Generated, generate

SYMBOLS = 60  # of the text; how long it is hardly matters
CASES = ((400, 1), (1600, 1), (400, 8))  # frames, batch


def rows(effort: Effort) -> Iterator[Row]:
    """Mel spectrograms of fixed lengths; the vocoder is not counted."""
    both = base_pair("SpeechT5ForTextToSpeech")
    exact, rounded = both.suited("fp32"), both.suited("int8")
    plain = [(exact, "", frames, batch) for frames, batch in CASES[: 1 if effort.quick else None]]
    for pair, precision, frames, batch in [*plain, (rounded, ", int8 beside fp32", *CASES[0])]:
        tokens, voices = inputs(batch)

        def ours(pair: Pair = pair, tokens: Tensor = tokens, voices: Tensor = voices, frames: int = frames) -> object:
            return spoken(pair, tokens, voices, frames)

        def theirs(tokens: Tensor = tokens, voices: Tensor = voices, frames: int = frames) -> Tensor:
            return generated(exact, tokens, voices, frames)

        difference = without_dropout(pair, 100) if batch == 1 else None
        mine, peer = in_turns(ours, theirs, effort, units=frames * batch)
        yield Row("tts", f"{frames} frames, batch {batch}{precision}", "frame", mine, peer, difference=difference)


def inputs(batch: int) -> tuple[Tensor, Tensor]:
    """Symbols (B, U) and voices (B, X)."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(4, 80, (batch, SYMBOLS), generator=generator), torch.randn(batch, 512, generator=generator)


def spoken(pair: Pair, tokens: Tensor, voices: Tensor, frames: int) -> list[Generated]:
    """By our model."""
    steps = torch.full((len(tokens),), frames // 2)
    ids = [f"utterance {number}" for number in range(len(tokens))]
    with torch.inference_mode():
        source = pair.ours.encode_text(tokens)
        return generate(pair.ours, source, voices, SpeechGeneration(), ids=ids, n_steps=steps)


def generated(pair: Pair, tokens: Tensor, voices: Tensor, frames: int) -> Tensor:
    """By theirs: a threshold that is never met, and the longest length for an end."""
    ratio = frames / tokens.size(1)
    with torch.inference_mode():
        return pair.theirs.generate_speech(
            tokens, speaker_embeddings=voices, threshold=2.1, minlenratio=ratio, maxlenratio=ratio + 1e-3
        )


def without_dropout(pair: Pair, frames: int) -> float:
    """The largest difference of the log-mels where neither side drops anything."""
    ours, theirs = pair.ours.speech_decoder_prenet, pair.theirs.speecht5.decoder.prenet
    tokens, voices = inputs(1)
    cfg, drop = pair.ours.cfg, theirs._consistent_dropout
    theirs._consistent_dropout = lambda x, _: x
    ours.rate, ours.shared_dropout = 0.0, False
    pair.ours.cfg = replace(cfg, prenet_dropout=0.0, compat="original")  # where that is the share that is dropped
    try:
        said = spoken(pair, tokens, voices, frames)[0].mel
        return float((said - generated(pair, tokens, voices, frames)).abs().max())
    finally:
        theirs._consistent_dropout, pair.ours.cfg = drop, cfg
        ours.rate, ours.shared_dropout = cfg.prenet_dropout, cfg.compat == "hf"
