"""One update of recognition, of synthesis and of pre-training: forward, backward, optimiser.

On a GPU, where there is one, in bfloat16 and in batches that are larger; else in float32.
"""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from speecht5_cli.bench.measure import Effort, Row, extra_bytes, in_turns, wait
from speecht5_cli.bench.nets import Pair, base_pair, wave
from speecht5_cli.data.batch import Batch
from speecht5_cli.data.frames import n_unit_frames
from speecht5_cli.device import best_device
from speecht5_cli.losses.speech import spectrogram_terms
from speecht5_cli.losses.text import token_cross_entropy
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.models.speecht5 import SpeechT5
from speecht5_cli.plugins import load_task
from speecht5_cli.products import product
from speecht5_cli.train.config import RunConfig
from speecht5_cli.train.precision import Numbers

BATCH, SECONDS, TOKENS = 4, 10.0, 100  # of recognition
SENTENCES, SYMBOLS, FRAMES = 8, 60, 400  # of synthesis
SPOKEN, LINES, LINE = 2, 4, 200  # of pre-training: utterances, texts, symbols of one
UNITS = 500
ON_GPU = 8  # times as large are batches there
PAD = 1
_SIDE = 2048  # of the matrices whose product is as fast as the device gets; on a GPU 8192


def rows(effort: Effort) -> Iterator[Row]:
    """Nothing is dropped or masked, so that both sides compute the same loss."""
    numbers = Numbers.of("auto", best_device())
    scale = ON_GPU if numbers.device.type == "cuda" else 1
    quiet = dict.fromkeys(_RANDOM, 0.0)
    recognition = on(numbers.device, base_pair("SpeechT5ForSpeechToText", apply_spec_augment=False, **quiet))
    batch = 1 if effort.quick else BATCH * scale
    name = f"asr: {batch} x {SECONDS:.0f} s, {TOKENS} tokens"
    yield _compared(name, recognition, *_recognition(recognition, batch, numbers), numbers, effort)
    if not effort.quick:
        synthesis = on(numbers.device, base_pair("SpeechT5ForTextToSpeech", use_guided_attention_loss=False, **quiet))
        batch = SENTENCES * scale
        name = f"tts: {batch} x {FRAMES} frames"
        yield _compared(name, synthesis, *_synthesis(synthesis, batch, numbers), numbers, effort)
        yield _pretraining(scale, numbers, effort)


_RANDOM = (
    *("hidden_dropout", "attention_dropout", "activation_dropout", "positional_dropout", "feat_proj_dropout"),
    *("encoder_layerdrop", "decoder_layerdrop", "speech_decoder_postnet_dropout"),
)
Loss = Callable[[], Tensor]


def on(device: torch.device, pair: Pair) -> Pair:
    """The pair there."""
    return Pair(pair.ours.to(device), pair.theirs.to(device))


def _compared(name: str, pair: Pair, ours: Loss, theirs: Loss, numbers: Numbers, effort: Effort) -> Row:
    for net in (pair.ours, pair.theirs):
        net.train()
    difference = abs(float(ours().detach()) - float(theirs().detach()))
    step, other = _Step(pair.ours, ours), _Step(pair.theirs, theirs)
    step()  # the optimisers' moments are no extra memory of a step
    other()
    our_bytes, peer_bytes = extra_bytes(step, numbers.device), extra_bytes(other, numbers.device)
    mine, peer = in_turns(step, other, effort)
    return Row(
        "training",
        name,
        "",
        mine,
        peer,
        our_bytes=our_bytes,
        peer_bytes=peer_bytes,
        difference=difference,
        note=f"{numbers}; difference is of the losses before the first update",
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


def _pretraining(scale: int, numbers: Numbers, effort: Effort) -> Row:
    """A micro-batch of speech and one of text, all losses. Nobody else here pre-trains."""
    spoken, lines = SPOKEN * scale, LINES * scale
    plugin = load_task("pretrain")
    cfg = RunConfig(name="pretrain", model=ModelConfig(), task=plugin.Config())
    parts = Parts(
        speech_in=True, text_in=True, text_out=True, speech_out=True, codebook=True, vocabulary=81, units=UNITS
    )
    torch.manual_seed(0)
    net = SpeechT5(cfg.model, parts).to(numbers.device).train()
    sound = wave(SECONDS, batch=spoken)
    n_samples, n_units = sound.size(1), n_unit_frames(sound.size(1))
    mel = torch.randn(spoken, n_samples // 512 * 2, 80)
    speech = {
        "wav": sound,
        "wav_lens": torch.full((spoken,), n_samples),
        "mask": torch.rand(spoken, n_units) < 0.5,
        "units": torch.randint(0, UNITS, (spoken, n_units)),
        "mel": mel,
        "mel_lens": torch.full((spoken,), mel.size(1)),
        "xvector": torch.randn(spoken, cfg.model.xvector_dim),
    }
    tokens = torch.randint(5, 80, (lines, LINE))
    text = {"tokens": tokens, "shifted": tokens, "target": tokens}
    batches = [
        Batch([], {name: tensor.to(numbers.device) for name, tensor in tensors.items()}) for tensors in (speech, text)
    ]

    def loss() -> Tensor:
        with numbers():
            losses = [plugin.loss(net, batch, cfg, 0) for batch in batches]
        return sum((one.total(dict.fromkeys(one.terms, 1.0)) for one in losses), torch.zeros((), device=numbers.device))

    step = _Step(net, loss)
    step()
    our_bytes = extra_bytes(step, numbers.device)
    flop = operations(step)
    mine, _ = in_turns(step, None, effort)
    rate = flop / mine.median
    notes = [
        str(numbers),
        *([f"{our_bytes / 1e6:.0f} MB"] if our_bytes else []),
        f"{spoken * SECONDS / mine.median:.1f} s of sound and {lines * LINE / mine.median:.0f} symbols a second",
        f"{flop / 1e12:.2f} TFLOP at {rate / 1e12:.2f} TFLOP/s, {rate / fastest_rate(numbers):.0%} of one product's",
    ]
    name = f"pretrain: {spoken} x {SECONDS:.0f} s of speech, {lines} x {LINE} symbols"
    return Row("training", name, "", mine, our_bytes=our_bytes, note="; ".join(notes))


def operations(step: Callable[[], None]) -> float:
    """Floating-point operations of the products and convolutions in it, forward and backward, repeated ones, too."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops())


def fastest_rate(numbers: Numbers) -> float:
    """Floating-point operations a second of one large product, the best of several: what the device is good for."""
    side = 4 * _SIDE if numbers.device.type == "cuda" else _SIDE
    one, other = (torch.randn(side, side, device=numbers.device) for _ in range(2))
    best = 0.0
    with torch.no_grad(), numbers():
        for _ in range(8):
            wait()
            started = perf_counter()
            product(one, other)
            wait()
            best = max(best, 2.0 * side**3 / (perf_counter() - started))
    return best


def _recognition(pair: Pair, batch: int, numbers: Numbers) -> tuple[Loss, Loss]:
    """Cross-entropy of the decoder alone: theirs has no CTC."""
    sound = wave(SECONDS, batch=batch).to(numbers.device)
    lens = torch.full((batch,), sound.size(1), device=numbers.device)
    tokens = torch.randint(4, 80, (batch, TOKENS), generator=torch.Generator().manual_seed(0)).to(numbers.device)
    shifted = torch.cat([torch.full_like(tokens[:, :1], 2), tokens[:, :-1]], dim=1)

    def ours() -> Tensor:
        with numbers():
            logits = pair.ours.decode_text(shifted, pair.ours.encode_speech(sound, lens))
        said = token_cross_entropy(logits, tokens, pad=PAD)
        return said.loss / said.n

    def theirs() -> Tensor:
        with numbers():
            logits = pair.theirs(input_values=sound, decoder_input_ids=shifted, use_cache=False).logits
        return cross_entropy(logits.flatten(0, 1).float(), tokens.flatten())

    return ours, theirs


def _synthesis(pair: Pair, batch: int, numbers: Numbers) -> tuple[Loss, Loss]:
    """L1 and stop losses. The pre-net's dropout stays, so the losses differ a little."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(4, 80, (batch, SYMBOLS), generator=generator).to(numbers.device)
    voices = torch.randn(batch, 512, generator=generator).to(numbers.device)
    mel = torch.randn(batch, FRAMES, 80, generator=generator).to(numbers.device)
    lens = torch.full((batch,), FRAMES, device=numbers.device)

    def ours() -> Tensor:
        torch.manual_seed(0)
        with numbers():
            spoken = pair.ours.decode_speech(mel, lens, pair.ours.encode_text(tokens), voices)
            terms = spectrogram_terms(spoken, mel, lens)
        return sum((term.sum / lens.sum() for term in terms.values()), torch.zeros((), device=numbers.device))

    def theirs() -> Any:
        torch.manual_seed(0)
        with numbers():
            return pair.theirs(input_ids=tokens, labels=mel, speaker_embeddings=voices).loss

    return ours, theirs
