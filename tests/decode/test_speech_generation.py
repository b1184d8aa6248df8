"""Speech step by step: the same for an utterance whatever its batch, dropout and all."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import tiny_net
from torch import Tensor

from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.decode.speech import SILENCE, Generated, generate, speak
from speecht5_cli.models.speecht5 import Encoded, SpeechT5

LENS = [9, 4, 14, 1, 6]
IDS = ["s1-a", "s1-b", "s2-a", "s2-b", "s3-a"]


@pytest.fixture(scope="module")
def net() -> SpeechT5:
    """Its stop probabilities cross the threshold at different steps of different utterances.

    In float64: a step repeats the rounding of the one before, and a net that nobody trained makes it larger.
    """
    net = tiny_net(seed=5).double()
    with torch.no_grad():
        net.speech_decoder_postnet.stop.bias.fill_(-3.5)
    return net


@pytest.fixture(scope="module")
def encoded() -> Encoded:
    torch.manual_seed(3)
    pad = torch.arange(max(LENS)) >= torch.tensor(LENS)[:, None]
    return Encoded(torch.randn(len(LENS), max(LENS), 32).double(), pad)


@pytest.fixture(scope="module")
def voices() -> Tensor:
    return torch.randn(len(LENS), 8, generator=torch.Generator().manual_seed(4)).double()


OPTIONS = SpeechGeneration(threshold=0.5, max_ratio=8.0, min_ratio=1.0)


def alone(encoded: Encoded, row: int) -> Encoded:
    n = int(encoded.lens[row])
    return Encoded(encoded.states[row : row + 1, :n], encoded.pad[row : row + 1, :n])


@torch.no_grad()
def spoken(net: SpeechT5, encoded: Encoded, voices: Tensor, ids: list[str], **more: object) -> list[Generated]:
    options = replace(OPTIONS, **more)  # type: ignore[arg-type]
    return generate(net, encoded, voices, options, ids=ids, heads=net.cfg.heads)


def same(one: Generated, other: Generated) -> None:
    torch.testing.assert_close(one.mel, other.mel, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(one.stop, other.stop, atol=1e-4, rtol=1e-4)
    assert one.stopped == other.stopped


def test_the_test_is_worth_something(net: SpeechT5, encoded: Encoded, voices: Tensor) -> None:
    """Utterances end at different steps and for both reasons, and dropout matters."""
    batch = spoken(net, encoded, voices, IDS)
    assert len({len(one.mel) for one in batch}) > 3
    assert {one.stopped for one in batch} == {"threshold", "length"}
    other = spoken(net, encoded, voices, IDS, seed=1)
    assert any(len(a.mel) != len(b.mel) or (a.mel - b.mel).abs().max() > 0.01 for a, b in zip(batch, other))


def test_a_batch_is_its_members(net: SpeechT5, encoded: Encoded, voices: Tensor) -> None:
    batch = spoken(net, encoded, voices, IDS)
    for row, name in enumerate(IDS):
        single = spoken(net, alone(encoded, row), voices[row : row + 1], [name])[0]
        same(batch[row], single)
        seen, alone_seen = batch[row].attention, single.attention
        assert seen is not None and alone_seen is not None
        torch.testing.assert_close(seen[..., : LENS[row]], alone_seen, atol=1e-4, rtol=1e-4)
        assert seen[..., LENS[row] :].abs().sum() == 0


def test_the_order_does_not_matter(net: SpeechT5, encoded: Encoded, voices: Tensor) -> None:
    order = [3, 0, 4, 2, 1]
    straight = spoken(net, encoded, voices, IDS)
    shuffled = Encoded(encoded.states[order], encoded.pad[order])
    for place, one in zip(order, spoken(net, shuffled, voices[order], [IDS[row] for row in order])):
        same(one, straight[place])


def test_dropout_belongs_to_the_id(net: SpeechT5, encoded: Encoded, voices: Tensor) -> None:
    """Two utterances that are alike but for their names sound a little different."""
    twice = Encoded(encoded.states[[0, 0]], encoded.pad[[0, 0]])
    one, other = spoken(net, twice, voices[[0, 0]], ["s1-a", "s1-z"])
    assert one.mel.shape != other.mel.shape or (one.mel - other.mel).abs().max() > 1e-3
    quiet = tiny_net(seed=5, prenet_dropout=0.0).double()
    one, other = spoken(quiet, twice, voices[[0, 0]], ["s1-a", "s1-z"])
    same(one, other)


def test_torchs_generator_is_neither_used_nor_changed(net: SpeechT5, encoded: Encoded, voices: Tensor) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = spoken(net, encoded, voices, IDS)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    for one, other in zip(first, spoken(net, encoded, voices, IDS)):
        same(one, other)


@torch.no_grad()
def test_fixed_lengths(net: SpeechT5, encoded: Encoded, voices: Tensor) -> None:
    n_steps = torch.tensor([3, 70, 1, 12, 5])
    results = generate(net, encoded, voices, OPTIONS, ids=IDS, n_steps=n_steps)
    assert [len(one.mel) for one in results] == (2 * n_steps).tolist()
    assert [len(one.stop) for one in results] == (2 * n_steps).tolist()
    assert all(one.attention is None for one in results)
    assert {one.stopped for one in results} == {"input length"}  # and not at any limit


def test_ratios_bound_the_length(net: SpeechT5, encoded: Encoded, voices: Tensor) -> None:
    """In mel frames for an encoder position; threshold 2 is never reached, 0 always."""
    longest = spoken(net, encoded, voices, IDS, threshold=2.0, max_ratio=6.0)
    assert [len(one.mel) for one in longest] == [max(2, 6 * n) for n in LENS]
    assert {one.stopped for one in longest} == {"length"}
    shortest = spoken(net, encoded, voices, IDS, threshold=0.0, min_ratio=4.0)
    assert [len(one.mel) for one in shortest] == [max(2, 4 * n) for n in LENS]
    assert {one.stopped for one in shortest} == {"threshold"}


@torch.no_grad()
def test_generation_is_teacher_forcing_on_what_was_said(net: SpeechT5, encoded: Encoded, voices: Tensor) -> None:
    """Without dropout: the decoder in one go, given the frames that it said, says them again."""
    quiet = tiny_net(seed=5, prenet_dropout=0.0).double()
    one = spoken(quiet, alone(encoded, 2), voices[2:3], ["x"])[0]
    before = _before_the_postnet(quiet, one, alone(encoded, 2), voices[2:3])
    again = quiet.decode_speech(before, torch.tensor([before.size(1)]), alone(encoded, 2), voices[2:3])
    torch.testing.assert_close(again.before, before, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(again.after[0], one.mel, atol=1e-3, rtol=1e-3)


def _before_the_postnet(net: SpeechT5, one: Generated, encoded: Encoded, voice: Tensor) -> Tensor:
    """(1, L, M): what the decoder said step by step, before it was refined."""
    cache, frame, said = net.start(encoded), torch.zeros(1, 80).double(), []
    for _ in range(len(one.mel) // 2):
        mels, _, _ = net.next_speech(frame, cache, voice)
        said.append(mels)
        frame = mels[:, -1]
    return torch.cat(said, dim=1)


def test_stop_rules() -> None:
    """The original stops when one frame of a step is sure enough, Hugging Face when their sum is."""
    from speecht5_cli.decode.speech import _told_to_stop

    stop = torch.tensor([[0.3, 0.3], [0.6, 0.0], [0.2, 0.2]])
    assert _told_to_stop(stop, 0.5, "original").tolist() == [False, True, False]
    assert _told_to_stop(stop, 0.5, "hf").tolist() == [True, True, False]


@torch.no_grad()
def test_pieces_are_joined_by_pauses(net: SpeechT5, encoded: Encoded, voices: Tensor) -> None:
    owners = torch.tensor([0, 0, 2, 2, 2])
    said = speak(net, [encoded], voices[:3], OPTIONS, ids=["a", "b", "c"], owners=owners, pause_frames=4)
    pieces = generate(net, encoded, voices[owners], OPTIONS, ids=["a#0", "a#1", "c#0", "c#1", "c#2"])
    lengths = [len(piece.mel) for piece in pieces]
    assert [len(one.value) for one in said] == [sum(lengths[:2]) + 4, 4, sum(lengths[2:]) + 8]
    assert (said[0].value[lengths[0] : lengths[0] + 4] == SILENCE).all()
    assert (said[1].stopped, bool((said[1].value == SILENCE).all())) == ("nothing to say", True)
    by_length = any(piece.stopped == "length" for piece in pieces[2:])
    assert said[2].stopped == ("length" if by_length else "threshold")


@torch.no_grad()
def test_attention_is_shown_of_whole_utterances(net: SpeechT5, encoded: Encoded, voices: Tensor) -> None:
    """Beside one in pieces, in the same part or in another."""
    owners = torch.tensor([0, 1, 1, 2, 3])
    pieces = [Encoded(encoded.states[rows], encoded.pad[rows]) for rows in (slice(3), slice(3, 5))]
    said = speak(net, pieces, voices[:4], OPTIONS, ids=["a", "b", "c", "d"], owners=owners)
    assert [one.attention is not None for one in said] == [True, False, True, True]
    assert all(one.attention.shape[1] == encoded.pad.size(1) for one in said if one.attention is not None)


@torch.no_grad()
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 2, 0, 1, 3]])
def test_utterances_are_spoken_as_if_alone(net: SpeechT5, encoded: Encoded, voices: Tensor, order: list[int]) -> None:
    """Whatever stands beside and before them: dropout is drawn by an utterance's name, not by its place."""
    together = Encoded(encoded.states[order], encoded.pad[order])
    ids = [IDS[row] for row in order]
    said = speak(net, [together], voices[order], OPTIONS, ids=ids, owners=torch.arange(len(order)))
    for row, one in zip(order, said):
        (single,) = speak(
            net, [alone(encoded, row)], voices[row : row + 1], OPTIONS, ids=[IDS[row]], owners=torch.tensor([0])
        )
        assert one.value.shape == single.value.shape
        np.testing.assert_allclose(one.value, single.value, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_nobody_has_anything_to_say(net: SpeechT5, voices: Tensor) -> None:
    said = speak(net, [], voices[:2], OPTIONS, ids=["a", "b"], owners=torch.tensor([], dtype=torch.long))
    assert [(one.id, one.value.shape, one.stopped) for one in said] == [
        ("a", (1, 80), "nothing to say"),
        ("b", (1, 80), "nothing to say"),
    ]
