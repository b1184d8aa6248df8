"""The speech encoder, from samples to states."""

from collections.abc import Callable, Iterator

import torch

from speecht5_cli.bench.measure import Effort, Row, extra_bytes, in_turns
from speecht5_cli.bench.nets import Pair, base_pair, wave

SECONDS = (5, 10, 30, 60)
Encode = Callable[[], torch.Tensor]


def rows(effort: Effort) -> Iterator[Row]:
    """A sound of each length, alone."""
    pair = base_pair("SpeechT5ForSpeechToText").suited("fp32")
    for seconds in SECONDS[: 2 if effort.quick else None]:
        ours, theirs = encoders(pair, seconds)
        difference = float((ours() - theirs()).abs().max())
        our_bytes, their_bytes = extra_bytes(ours), extra_bytes(theirs)
        mine, peer = in_turns(ours, theirs, effort)
        yield Row(
            "encoder",
            f"{seconds} s of sound",
            "",
            mine,
            peer,
            our_bytes=our_bytes,
            peer_bytes=their_bytes,
            difference=difference,
        )


def encoders(pair: Pair, seconds: float) -> tuple[Encode, Encode]:
    """Both sides' way from a sound of that length to its states."""
    sound = wave(seconds)
    lens = torch.tensor([sound.size(1)])

    def ours() -> torch.Tensor:
        with torch.inference_mode():
            return pair.ours.encode_speech(sound, lens).states

    def theirs() -> torch.Tensor:
        with torch.inference_mode():
            return pair.theirs.speecht5.encoder(input_values=sound).last_hidden_state

    return ours, theirs
