"""Padding is exact: an utterance's output is the same alone, and in any batch, for every verb of the model."""

from typing import Any

import pytest
import torch
from tiny import tiny_net
from torch import Tensor

from speecht5_cli.models.conv_features import frame_lens
from speecht5_cli.models.speecht5 import Encoded, SpeechT5

N_SAMPLES = [16_000, 400, 9_999, 12_345, 3_200]
NETS: dict[str, dict[str, Any]] = {
    "post-norm": {},
    "pre-norm": {"pre_norm": True, "conv_norm": "layer"},
    "even kernel": {"position_kernel": 15},
}


@pytest.fixture(params=NETS.values(), ids=NETS)
def net(request: pytest.FixtureRequest) -> SpeechT5:
    """In float64, so that only the order of sums may differ; its running statistics are not those of a new net."""
    net = tiny_net(prenet_dropout=0.0, **request.param)
    for norm in net.speech_decoder_postnet.norms:
        norm.running_mean.normal_()  # type: ignore[operator, union-attr]
        norm.running_var.uniform_(0.5, 2.0)  # type: ignore[operator, union-attr]
    return net.double()


@pytest.fixture
def waves() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [0.1 * torch.randn(n, generator=generator).double() for n in N_SAMPLES]


def together(waves: list[Tensor], *, filling: float = 0.0) -> tuple[Tensor, Tensor]:
    wav = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True, padding_value=filling)
    return wav, torch.tensor([len(wave) for wave in waves])


def encode(net: SpeechT5, waves: list[Tensor], **more: Any) -> Encoded:
    return net.encode_speech(*together(waves), **more)


def assert_same(row: Tensor, alone: Tensor) -> None:
    torch.testing.assert_close(row, alone, atol=1e-8, rtol=1e-6)


@torch.no_grad()
def test_encode_speech(net: SpeechT5, waves: list[Tensor]) -> None:
    batch = encode(net, waves)
    assert batch.lens.tolist() == frame_lens(torch.tensor(N_SAMPLES)).tolist() == [49, 1, 30, 38, 9]
    energies = []
    for row, wave in enumerate(waves):
        alone = encode(net, [wave])
        assert_same(batch.states[row, : alone.lens[0]], alone.states[0])
        assert alone.energy is not None
        energies.append(alone.energy)
    assert batch.energy is not None
    assert_same(batch.energy, torch.stack(energies).sum())


@torch.no_grad()
def test_what_stands_in_the_pads_does_not_matter(net: SpeechT5, waves: list[Tensor]) -> None:
    batch = encode(net, waves)
    wav, lens = together(waves, filling=0.7)
    loud = net.encode_speech(wav, lens)
    valid = ~batch.pad
    assert_same(loud.states[valid], batch.states[valid])


@torch.no_grad()
def test_encode_speech_with_masks_and_a_layer_in_between(net: SpeechT5, waves: list[Tensor]) -> None:
    mask = torch.zeros(5, 49, dtype=torch.bool)
    mask[:, 3:7] = True
    channel_mask = torch.rand(5, 32, generator=torch.Generator().manual_seed(1)) < 0.3
    batch = encode(net, waves, mask=mask, channel_mask=channel_mask, upto=1)
    for row, n in enumerate(batch.lens.tolist()):
        own = {"mask": mask[row : row + 1, :n], "channel_mask": channel_mask[row : row + 1]}
        assert_same(batch.states[row, :n], encode(net, [waves[row]], **own, upto=1).states[0])


@torch.no_grad()
def test_encode_text(net: SpeechT5) -> None:
    texts = [torch.randint(4, 12, (n,)) for n in (7, 1, 12)]
    tokens = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=1)
    batch = net.encode_text(tokens)
    for row, text in enumerate(texts):
        assert_same(batch.states[row, : len(text)], net.encode_text(text[None]).states[0])


@torch.no_grad()
def test_decode_text_and_the_heads_of_the_encoder(net: SpeechT5, waves: list[Tensor]) -> None:
    batch = encode(net, waves)
    texts = [torch.randint(4, 12, (n,)) for n in (7, 1, 12, 3, 5)]
    tokens = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_value=1)
    logits, frames, units = net.decode_text(tokens, batch), net.ctc_logits(batch), net.unit_logits(batch.states)
    for row, text in enumerate(texts):
        alone = encode(net, [waves[row]])
        n = int(alone.lens[0])
        assert_same(logits[row, : len(text)], net.decode_text(text[None], alone)[0])
        assert_same(frames[row, :n], net.ctc_logits(alone)[0])
        torch.testing.assert_close(units[row, :n], net.unit_logits(alone.states)[0], atol=1e-4, rtol=1e-4)  # float32


@torch.no_grad()
def test_decode_speech_and_the_post_net(net: SpeechT5, waves: list[Tensor]) -> None:
    batch, voices = encode(net, waves), torch.randn(5, 8).double()
    mels = [torch.randn(n, 80).double() for n in (20, 2, 31, 8, 14)]  # 31: the odd frame is left out
    lens = torch.tensor([len(mel) for mel in mels])
    mel = torch.nn.utils.rnn.pad_sequence(mels, batch_first=True, padding_value=3.0)
    spoken = net.decode_speech(mel, lens, batch, voices, attention=True)
    for row, own in enumerate(mels):
        alone_memory = encode(net, [waves[row]])
        alone = net.decode_speech(own[None], lens[row : row + 1], alone_memory, voices[row : row + 1], attention=True)
        n = alone.before.size(1)
        assert n == len(own) - len(own) % 2
        assert_same(spoken.before[row, :n], alone.before[0])
        assert_same(spoken.after[row, :n], alone.after[0])
        assert_same(spoken.stop_logits[row, :n], alone.stop_logits[0])
        for seen, alone_seen in zip(spoken.attention, alone.attention):
            steps, frames = alone_seen.shape[2:]
            torch.testing.assert_close(seen[row, :, :steps, :frames], alone_seen[0], atol=1e-5, rtol=1e-4)
            assert seen[row, :, :, frames:].abs().sum() == 0


@torch.no_grad()
def test_decode_class(net: SpeechT5, waves: list[Tensor]) -> None:
    batch = net.decode_class(encode(net, waves))
    for row, wave in enumerate(waves):
        assert_same(batch[row], net.decode_class(encode(net, [wave]))[0])


def test_gradients_do_not_depend_on_pads(net: SpeechT5, waves: list[Tensor]) -> None:
    """Of the encoder and its pre-net: the sum over a batch is the sum of the utterances' own."""

    def gradients(batches: list[list[Tensor]]) -> dict[str, Tensor]:
        net.zero_grad()
        for batch in batches:
            encoded = encode(net, batch)
            encoded.states.masked_fill(encoded.pad[..., None], 0.0).square().sum().backward()
        return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}

    batch, singles = gradients([waves]), gradients([[wave] for wave in waves])
    assert batch.keys() == singles.keys()
    for name, gradient in batch.items():
        torch.testing.assert_close(gradient, singles[name], atol=1e-6, rtol=1e-4, msg=name)


@torch.no_grad()
def test_the_leaks_of_others_are_still_there_on_request(waves: list[Tensor]) -> None:
    """`original` and `hf` exist to repeat their numbers on padded batches: they must differ from `exact`."""
    for padding in ("original", "hf"):
        net = tiny_net(prenet_dropout=0.0, padding=padding).double()
        batch, alone = encode(net, waves), encode(net, waves[-1:])
        n = int(alone.lens[0])
        assert (batch.states[-1, :n] - alone.states[0]).abs().max() > 1e-3


@torch.no_grad()
def test_float32_is_close_enough(waves: list[Tensor]) -> None:
    """Also for sound that does not swing around zero."""
    net = tiny_net()
    sounds = [wave.float() + offset for wave, offset in zip(waves, (0.0, 0.0, 0.3, 0.0, 0.02))]
    batch = encode(net, sounds)
    for row, sound in enumerate(sounds):
        alone = encode(net, [sound])
        torch.testing.assert_close(batch.states[row, : alone.lens[0]], alone.states[0], atol=2e-3, rtol=1e-3)
