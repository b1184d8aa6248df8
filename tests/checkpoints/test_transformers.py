"""The real `transformers` and ours say the same: its models read by us, ours read by it, small ones and base size."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_models import run
from torch import Tensor

from speecht5_cli.data.vocabulary import Vocabulary
from speecht5_cli.decode import speech
from speecht5_cli.decode.beam import Search, Weighted
from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.decode.scorers import AttentionScorer
from speecht5_cli.models.speecht5 import Encoded, SpeechT5
from speecht5_cli.train.restore import restore

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "conv_dim": [16] * 7,
    "encoder_max_relative_position": 20,
    "speaker_embedding_dim": 16,
    "speech_decoder_prenet_units": 24,
    "speech_decoder_postnet_units": 24,
    "vocab_size": 20,
}
BASE: dict[str, Any] = {"vocab_size": 81}
SIZES = [pytest.param(SMALL, id="small"), pytest.param(BASE, id="base", marks=pytest.mark.slow)]


def noisy(model: Any) -> Any:
    """Weights large enough that outputs differ between inputs, batch norms that have moved."""
    generator = torch.Generator().manual_seed(11)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and "conv_layers" not in name and "pos_conv" not in name:
            scale = 1.5 * parameter.size(1) ** -0.5 if "embed" not in name else 0.5
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator) * scale)
        elif parameter.dim() == 1:
            parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    for name, buffer in model.named_buffers():
        if "running_mean" in name:
            buffer.add_(0.1)
        elif "running_var" in name:
            buffer.mul_(1.3)
    return model.eval()


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture
def wave() -> Tensor:
    rng = np.random.default_rng(3)
    time_s = np.arange(14_000) / 16_000
    return torch.from_numpy((np.sin(800 * time_s) * 0.3 + rng.normal(0, 0.05, 14_000)).astype(np.float32))[None]


def vocabulary(folder: Path, n: int) -> Path:
    """A dictionary of so many symbols, the six specials among them."""
    (folder / "dict.txt").write_text("".join(f"s{i} 1\n" for i in range(n - 6)), encoding="utf-8")
    return folder / "dict.txt"


def theirs(kind: str, sizes: dict[str, Any], folder: Path) -> Any:
    """A model of theirs with seeded weights, saved in the folder `theirs`."""
    torch.manual_seed(5)
    model = noisy(getattr(transformers, kind)(transformers.SpeechT5Config(**sizes)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder / "theirs")
    return model


def imported(folder: Path, sizes: dict[str, Any], source: str = "theirs") -> SpeechT5:
    out = folder / f"from_{source}"
    run("import", "--from", "hf", folder / source, out, "--vocab", vocabulary(folder, sizes["vocab_size"]))
    model = restore(out).model
    assert isinstance(model, SpeechT5)
    return model


def heard(model: SpeechT5, wave: Tensor) -> Encoded:
    return model.encode_speech(wave, torch.tensor([wave.size(1)]))


def close(ours: Tensor, other: Tensor, atol: float = 1e-4) -> None:
    assert ours.shape == other.shape
    assert float((ours - other).abs().max()) <= atol


def greedy(model: SpeechT5, encoded: Encoded, n: int) -> list[int]:
    search = Search([Weighted(AttentionScorer(model, encoded), 1.0)], torch.tensor([n]), beam=1, eos=2, forbidden=())
    return search.run()[0][0].tokens


def same_text(model: SpeechT5, other: Any, wave: Tensor, n_symbols: int) -> None:
    """Encoder, logits, greedy ids."""
    encoded = heard(model, wave)
    tokens = torch.randint(4, n_symbols, (1, 9), generator=torch.Generator().manual_seed(1))
    output = other(input_values=wave, decoder_input_ids=tokens, use_cache=False)
    close(encoded.states, output.encoder_last_hidden_state)
    close(model.decode_text(tokens, encoded), output.logits)
    ids = other.generate(input_values=wave, max_new_tokens=12, num_beams=1, do_sample=False)[0].tolist()[1:]
    said = ids[: ids.index(2)] if 2 in ids else ids
    assert len(said) > 2
    assert greedy(model, encoded, 12)[: len(said)] == said


@pytest.mark.parametrize("sizes", SIZES)
def test_speech_to_text(tmp_path: Path, wave: Tensor, sizes: dict[str, Any]) -> None:
    other = theirs("SpeechT5ForSpeechToText", sizes, tmp_path)
    model = imported(tmp_path, sizes)
    same_text(model, other, wave, sizes["vocab_size"])
    run("export", "--to", "hf", tmp_path / "from_theirs", tmp_path / "back")
    back = transformers.SpeechT5ForSpeechToText.from_pretrained(tmp_path / "back").eval()
    same_text(model, back, wave, sizes["vocab_size"])


class Masks:
    """The same dropout masks (steps, 2, units) for both decoders' pre-nets."""

    def __init__(self, units: int) -> None:
        self.masks = torch.rand(200, 2, units, generator=torch.Generator().manual_seed(2)) < 0.5
        self.layer = 0

    def theirs(self, inputs: Tensor, rate: float) -> Tensor:
        """In place of the method that draws for a whole prefix."""
        mask = self.masks[: inputs.size(1), self.layer]
        self.layer = 1 - self.layer
        return torch.where(mask, inputs, 0) / (1 - rate)

    def __call__(self, *_: object) -> "Masks":
        return self

    def kept(self, utterances: list[int], step: int) -> tuple[Tensor, Tensor]:
        return self.masks[step, 0][None, None], self.masks[step, 1][None, None]


def same_speech(
    model: SpeechT5, other: Any, source: Encoded, inputs: Tensor, masks: Masks, options: SpeechGeneration
) -> None:
    """Encoder states, and what generate_speech makes with the same masks."""
    voice = torch.randn(1, model.cfg.xvector_dim, generator=torch.Generator().manual_seed(4))
    prenet = other.speecht5.decoder.prenet
    prenet._consistent_dropout = masks.theirs
    masks.layer = 0
    limits = {"threshold": options.threshold, "minlenratio": options.min_ratio, "maxlenratio": options.max_ratio}
    wanted = other.generate_speech(inputs, speaker_embeddings=voice, **limits)
    close(source.states, other.speecht5.encoder(inputs).last_hidden_state)
    said = speech.generate(model, source, voice, options, ids=["item"])[0]
    close(said.mel, wanted, atol=1e-3)
    assert len(said.mel) > 2


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", ["SpeechT5ForTextToSpeech", "SpeechT5ForSpeechToSpeech"])
def test_to_speech(
    tmp_path: Path, wave: Tensor, monkeypatch: pytest.MonkeyPatch, kind: str, sizes: dict[str, Any]
) -> None:
    other = theirs(kind, sizes, tmp_path)
    model = imported(tmp_path, sizes)
    masks = Masks(model.cfg.prenet_dim)
    monkeypatch.setattr(speech, "PrenetDropout", masks)
    if kind == "SpeechT5ForTextToSpeech":
        inputs = torch.tensor([[4, 9, 12, 5, 16, 2]])
        source = model.encode_text(inputs)
        ratio = 10.0
    else:
        inputs, source, ratio = wave, heard(model, wave), 1.0
    options = SpeechGeneration(threshold=1.85, min_ratio=0.0, max_ratio=ratio)  # of a sum of two
    same_speech(model, other, source, inputs, masks, options)
    run("export", "--to", "hf", tmp_path / "from_theirs", tmp_path / "back")
    back = getattr(transformers, kind).from_pretrained(tmp_path / "back").eval()
    same_speech(model, back, source, inputs, masks, options)


def test_their_tokenizer_reads_ours(fairseq_file: Callable[..., Path], dictionary: Path, tmp_path: Path) -> None:
    from foreign_models import make_pieces

    symbols = Vocabulary.from_fairseq(dictionary).symbols
    (tmp_path / "spm_char.model").write_bytes(make_pieces(symbols))
    words = ("--vocab", dictionary, "--vocab", tmp_path / "spm_char.model")
    run("import", "--from", "fairseq", fairseq_file("s2t"), tmp_path / "model", *words)
    run("export", "--to", "hf", tmp_path / "model", tmp_path / "hf")
    tokenizer = transformers.SpeechT5Tokenizer.from_pretrained(tmp_path / "hf")
    ours = Vocabulary.load(tmp_path / "model" / "assets")
    assert len(tokenizer) == len(ours)
    assert tokenizer("it's me").input_ids == [*ours.encode("it's me"), ours.eos]
