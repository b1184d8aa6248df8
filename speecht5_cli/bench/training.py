"""One update of recognition, of synthesis and of pre-training: forward, backward, optimiser."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from speecht5_cli.bench.measure import Effort, Row, extra_bytes, in_turns
from speecht5_cli.bench.nets import Pair, base_pair, wave
from speecht5_cli.data.batch import Batch
from speecht5_cli.data.frames import n_unit_frames
from speecht5_cli.losses.speech import spectrogram_terms
from speecht5_cli.losses.text import token_cross_entropy
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.models.speecht5 import SpeechT5
from speecht5_cli.plugins import load_task
from speecht5_cli.train.config import RunConfig

BATCH, SECONDS, TOKENS = 4, 10.0, 100  # of recognition
SENTENCES, SYMBOLS, FRAMES = 8, 60, 400  # of synthesis
PAD, IGNORED = 1, -100
UNITS = 500  # of pre-training


def rows(effort: Effort) -> Iterator[Row]:
    """Both tasks in float32. Nothing is dropped or masked, so that both sides compute the same loss."""
    quiet = dict.fromkeys(_RANDOM, 0.0)
    recognition = base_pair("SpeechT5ForSpeechToText", apply_spec_augment=False, **quiet)
    yield _compared("asr", recognition, *_recognition(recognition, 1 if effort.quick else BATCH), effort)
    if not effort.quick:
        synthesis = base_pair("SpeechT5ForTextToSpeech", use_guided_attention_loss=False, **quiet)
        yield _compared("tts", synthesis, *_synthesis(synthesis), effort)
        yield _pretraining(effort)


_RANDOM = (
    *("hidden_dropout", "attention_dropout", "activation_dropout", "positional_dropout", "feat_proj_dropout"),
    *("encoder_layerdrop", "decoder_layerdrop", "speech_decoder_postnet_dropout"),
)
Loss = Callable[[], Tensor]


def _compared(task: str, pair: Pair, ours: Loss, theirs: Loss, effort: Effort) -> Row:
    for net in (pair.ours, pair.theirs):
        net.train()
    difference = abs(float(ours().detach()) - float(theirs().detach()))
    step, other = _Step(pair.ours, ours), _Step(pair.theirs, theirs)
    step()  # the optimisers' moments are no extra memory of a step
    other()
    our_bytes, peer_bytes = extra_bytes(step), extra_bytes(other)
    mine, peer = in_turns(step, other, effort)
    name = {
        "asr": f"{BATCH if not effort.quick else 1} x {SECONDS:.0f} s, {TOKENS} tokens",
        "tts": f"{SENTENCES} x {FRAMES} frames",
    }[task]
    return Row(
        "training",
        f"{task}: {name}",
        "",
        mine,
        peer,
        our_bytes=our_bytes,
        peer_bytes=peer_bytes,
        difference=difference,
        note="difference is of the losses before the first update",
    )


class _Step:
    """An update with AdamW."""

    def __init__(self, net: nn.Module, loss: Loss) -> None:
        self.loss = loss
        self.optimiser = torch.optim.AdamW(net.parameters(), lr=1e-5, fused=True)

    def __call__(self) -> None:
        self.loss().backward()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)


def _pretraining(effort: Effort) -> Row:
    """A micro-batch of speech and one of text, all losses. Nobody else here pre-trains."""
    plugin = load_task("pretrain")
    cfg = RunConfig(name="pretrain", model=ModelConfig(), task=plugin.Config())
    parts = Parts(
        speech_in=True, text_in=True, text_out=True, speech_out=True, codebook=True, vocabulary=81, units=UNITS
    )
    torch.manual_seed(0)
    net = SpeechT5(cfg.model, parts).train()
    sound = wave(SECONDS, batch=2)
    n_samples, n_units = sound.size(1), n_unit_frames(sound.size(1))
    mel = torch.randn(2, n_samples // 512 * 2, 80)
    speech = {
        "wav": sound,
        "wav_lens": torch.full((2,), n_samples),
        "mask": torch.rand(2, n_units) < 0.5,
        "units": torch.randint(0, UNITS, (2, n_units)),
        "mel": mel,
        "mel_lens": torch.full((2,), mel.size(1)),
        "xvector": torch.randn(2, cfg.model.xvector_dim),
    }
    tokens = torch.randint(5, 80, (4, 200))
    text = {"tokens": tokens, "shifted": tokens, "target": tokens}

    def loss() -> Tensor:
        losses = [plugin.loss(net, Batch([], tensors), cfg, 0) for tensors in (speech, text)]
        return sum((one.total(dict.fromkeys(one.terms, 1.0)) for one in losses), torch.zeros(()))

    step = _Step(net, loss)
    step()
    our_bytes = extra_bytes(step)
    mine, _ = in_turns(step, None, effort)
    name = f"pretrain: 2 x {SECONDS:.0f} s of speech, 4 x 200 symbols"
    note = f"{our_bytes / 1e6:.0f} MB" if our_bytes else ""
    return Row("training", name, "", mine, our_bytes=our_bytes, note=note)


def _recognition(pair: Pair, batch: int) -> tuple[Loss, Loss]:
    """Cross-entropy of the decoder alone: theirs has no CTC."""
    sound = wave(SECONDS, batch=batch)
    lens = torch.full((batch,), sound.size(1))
    tokens = torch.randint(4, 80, (batch, TOKENS), generator=torch.Generator().manual_seed(0))
    shifted = torch.cat([torch.full((batch, 1), 2), tokens[:, :-1]], dim=1)

    def ours() -> Tensor:
        logits = pair.ours.decode_text(shifted, pair.ours.encode_speech(sound, lens))
        said = token_cross_entropy(logits, tokens, pad=PAD)
        return said.loss / said.n

    def theirs() -> Tensor:
        logits = pair.theirs(input_values=sound, decoder_input_ids=shifted, use_cache=False).logits
        return cross_entropy(logits.flatten(0, 1), tokens.flatten())

    return ours, theirs


def _synthesis(pair: Pair) -> tuple[Loss, Loss]:
    """L1 and stop losses. The pre-net's dropout stays, so the losses differ a little."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(4, 80, (SENTENCES, SYMBOLS), generator=generator)
    voices = torch.randn(SENTENCES, 512, generator=generator)
    mel = torch.randn(SENTENCES, FRAMES, 80, generator=generator)
    lens = torch.full((SENTENCES,), FRAMES)

    def ours() -> Tensor:
        torch.manual_seed(0)
        spoken = pair.ours.decode_speech(mel, lens, pair.ours.encode_text(tokens), voices)
        terms = spectrogram_terms(spoken, mel, lens)
        return sum((term.sum / lens.sum() for term in terms.values()), torch.zeros(()))

    def theirs() -> Any:
        torch.manual_seed(0)
        return pair.theirs(input_ids=tokens, labels=mel, speaker_embeddings=voices).loss

    return ours, theirs
