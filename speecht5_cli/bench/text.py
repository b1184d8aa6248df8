"""Text from speech: what one more token costs. Both sides say the same number of tokens."""

from collections.abc import Iterator

import torch
from torch import Tensor

from speecht5_cli.bench.measure import Effort, Row, in_turns
from speecht5_cli.bench.nets import EOS, Pair, base_pair, wave
from speecht5_cli.decode.beam import Found, Search, Weighted
from speecht5_cli.decode.scorers import AttentionScorer
from speecht5_cli.models.speecht5 import Encoded

SECONDS = 10.0
TOKENS = 60
BEAMS = (1, 5, 10)
BATCHES = (1, 8)


def rows(effort: Effort) -> Iterator[Row]:
    """Searches of each width on encoded speech, the encoder not counted."""
    exact = base_pair("SpeechT5ForSpeechToText")
    tokens = 20 if effort.quick else TOKENS
    for pair, precision, batch, beam in cases(exact, effort):
        ours, theirs = encoded(pair, batch)

        def search(pair: Pair = pair, beam: int = beam, ours: Encoded = ours) -> list[list[Found]]:
            return searched(pair, ours, beam, tokens)

        def generate(beam: int = beam, theirs: Tensor = theirs) -> Tensor:
            return generated(exact, theirs, beam, tokens)

        differing = sum(a != b for a, b in zip(best(search()), generate().tolist()))
        mine, peer = in_turns(search, generate, effort, units=tokens)
        width = "greedy" if beam == 1 else f"beam {beam}"
        note = f"{differing} of {batch} texts differ" if differing else ""
        yield Row("asr", f"{width}, batch {batch}{precision}", "token", mine, peer, note=note)


def cases(exact: Pair, effort: Effort) -> Iterator[tuple[Pair, str, int, int]]:
    """Models, what to call their precision, batch, beam."""
    for batch in BATCHES[: 1 if effort.quick else None]:
        for beam in BEAMS[: 2 if effort.quick else None]:
            yield exact, "", batch, beam
    rounded = exact.in_int8()
    for beam in BEAMS[:2]:
        yield rounded, ", int8 beside fp32", 1, beam


def encoded(pair: Pair, batch: int) -> tuple[Encoded, Tensor]:
    """The states that each starts from."""
    sound = wave(SECONDS, batch=batch)
    with torch.inference_mode():
        ours = pair.ours.encode_speech(sound, torch.full((batch,), sound.size(1)))
        return ours, pair.theirs.speecht5.encoder(input_values=sound).last_hidden_state


def searched(pair: Pair, source: Encoded, beam: int, tokens: int) -> list[list[Found]]:
    """As many tokens as told, the end mark not counted."""
    with torch.inference_mode():
        scorers = [Weighted(AttentionScorer(pair.ours, source), 1.0)]
        limits = torch.full((len(source.states),), tokens)
        return Search(scorers, limits, beam=beam, eos=EOS, forbidden=(), min_tokens=tokens).run()


def generated(pair: Pair, states: Tensor, beam: int, tokens: int) -> Tensor:
    """(B, tokens) without the mark that starts them."""
    from transformers.modeling_outputs import BaseModelOutput

    with torch.inference_mode():
        return pair.theirs.generate(
            encoder_outputs=BaseModelOutput(states),  # a new one: `generate` repeats its rows in place
            num_beams=beam,
            do_sample=False,
            min_new_tokens=tokens,
            max_new_tokens=tokens,
            length_penalty=1.0,
        )[:, 1:]


def best(found: list[list[Found]]) -> list[list[int]]:
    """The tokens of each utterance's first hypothesis."""
    return [results[0].tokens for results in found]
