"""A step on remembered keys is the last step of the whole: for text, for speech, however long."""

import pytest
import torch
from tiny import tiny_net
from torch import Tensor

from speecht5_cli.models.cache import History, Past
from speecht5_cli.models.speecht5 import Encoded, SpeechT5


@pytest.fixture(params=[(False, 2), (True, 2), (True, 4)], ids=["post-norm", "pre-norm", "pre-norm, four frames"])
def net(request: pytest.FixtureRequest) -> SpeechT5:
    pre_norm, reduction = request.param
    return tiny_net(pre_norm=pre_norm, reduction=reduction, prenet_dropout=0.0, decoder_layers=2)


def encoded(*lens: int) -> Encoded:
    torch.manual_seed(1)
    pad = torch.arange(max(lens)) >= torch.tensor(lens)[:, None]
    return Encoded(torch.randn(len(lens), max(lens), 32), pad)


@torch.no_grad()
@pytest.mark.parametrize("n_steps", [1, 7, 130])
def test_text(net: SpeechT5, n_steps: int) -> None:
    """130 steps: the memory has grown twice, from 64 to 128 and beyond."""
    memory = encoded(9, 5, 7)
    tokens = torch.randint(4, 12, (3, n_steps))
    tokens[:, 0] = 2
    whole = net.decode_text(tokens, memory)
    cache = net.start(memory)
    steps = torch.stack([net.next_text(tokens[:, t], cache) for t in range(n_steps)], dim=1)
    torch.testing.assert_close(steps, whole, atol=1e-4, rtol=1e-4)
    assert cache.length == n_steps


@torch.no_grad()
@pytest.mark.parametrize("n_steps", [1, 7, 130])
def test_speech(net: SpeechT5, n_steps: int) -> None:
    memory, voices = encoded(9, 5), torch.randn(2, 8)
    reduction = net.cfg.reduction
    mel = torch.randn(2, reduction * n_steps, 80)
    lens = torch.full((2,), reduction * n_steps)
    whole = net.decode_speech(mel, lens, memory, voices, attention=True)
    cache = net.start(memory)
    frames = torch.cat(
        [torch.zeros(2, 1, 80), mel[:, reduction - 1 :: reduction][:, :-1]], dim=1
    )  # what the decoder reads
    steps = []
    for t in range(n_steps):
        steps.append(net.next_speech(frames[:, t], cache, voices))
    before, stop, attention = zip(*steps)
    torch.testing.assert_close(torch.cat(before, dim=1), whole.before, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.cat(stop, dim=1), whole.stop_logits, atol=1e-4, rtol=1e-4)
    for layer, full in enumerate(whole.attention):
        stepped = torch.stack([weights[layer] for weights in attention], dim=2)  # (B, H, U, T)
        torch.testing.assert_close(stepped, full, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_beams_share_their_utterances_memory(net: SpeechT5) -> None:
    """Six rows of two utterances, reordered and thinned out on the way, are what the whole prefixes say."""
    memory, beams = encoded(9, 5), 3
    cache = net.start(memory)
    said = torch.full((6, 1), 2)
    rows_of = torch.tensor([[0, 2, 2, 4, 3, 3], [1, 0, 2, 5, 5, 4]])
    for step in range(5):
        utterances = torch.arange(len(said)) // beams if len(said) == 6 else torch.ones(3, dtype=torch.long)
        logits = net.next_text(said[:, -1], cache)
        torch.testing.assert_close(logits, _prefixes(net, said, memory, utterances), atol=1e-4, rtol=1e-4)
        rows = rows_of[step % 2][: len(said)] if len(said) == 6 else torch.tensor([2, 0, 0])
        if step == 2:  # the first utterance has finished
            rows = torch.tensor([5, 3, 3])
            cache.keep(torch.tensor([1]), rows)
        else:
            cache.reorder(rows)
        said = torch.cat([said[rows], torch.randint(4, 12, (len(rows), 1))], dim=1)


def _prefixes(net: SpeechT5, said: Tensor, memory: Encoded, utterances: Tensor) -> Tensor:
    """Logits behind each prefix, each decoded as a whole and alone."""
    rows = []
    for prefix, utterance in zip(said, utterances.tolist()):
        own = Encoded(memory.states[utterance : utterance + 1], memory.pad[utterance : utterance + 1])
        rows.append(net.decode_text(prefix[None], own)[0, -1])
    return torch.stack(rows)


def test_room_is_doubled_when_it_is_full() -> None:
    cache = Past()
    keys = torch.randn(6, 4, 400)
    capacities = set()
    for place in range(0, 400, 2):
        key = keys[..., place : place + 2]
        stored, values = cache.append(key, -key.transpose(1, 2), place)
        torch.testing.assert_close(stored, keys[..., : place + 2])
        torch.testing.assert_close(values, -keys[..., : place + 2].transpose(1, 2))
        assert cache.keys is not None
        capacities.add(cache.keys.size(2))
    assert capacities == {128, 256, 512}


def test_nothing_is_copied_when_beams_change_places(net: SpeechT5) -> None:
    cache = net.start(encoded(9, 5))
    with torch.no_grad():
        net.next_text(torch.full((6,), 2), cache)
    stored = cache.layers[0].past.keys
    cache.reorder(torch.tensor([0, 0, 0, 5, 4, 3]))
    assert cache.layers[0].past.keys is stored


def test_a_row_alone_needs_no_bias() -> None:
    history = History(3)
    assert history.begin(3, torch.device("cpu")) == (0, None)
    history.reorder(torch.arange(3))
    history.keep(torch.tensor([0, 2]), torch.tensor([0, 2]))
    assert history.begin(2, torch.device("cpu")) == (1, None)
