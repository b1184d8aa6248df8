"""Saving memory and time in training: the same losses and gradients, and less memory."""

from pathlib import Path

import pytest
import torch
from journals import assert_same_run
from tiny import TinyCorpus, tiny_config
from torch import Tensor

from speecht5_cli.errors import UsageError
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.models.speecht5 import SpeechT5
from speecht5_cli.plugins import load_task
from speecht5_cli.train.config import TrainConfig
from speecht5_cli.train.economy import economise
from speecht5_cli.train.run import run


def net(*, training: bool) -> SpeechT5:
    torch.manual_seed(0)
    cfg = ModelConfig(size="tiny", activation_dropout=0.1, encoder_layerdrop=0.0, decoder_layerdrop=0.0)
    return SpeechT5(cfg, Parts(speech_in=True, text_out=True, vocabulary=30, blank=4)).train(training)


def passed(model: SpeechT5, seconds: float = 1.0) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients of one batch; dropout is the same every time."""
    torch.manual_seed(1)
    n = int(16_000 * seconds)
    encoded = model.encode_speech(torch.randn(2, n), torch.tensor([n, n // 2]))
    tokens = torch.randint(5, 30, (2, 7))
    loss = model.decode_text(tokens, encoded).logsumexp(-1).sum() + model.ctc_logits(encoded).logsumexp(-1).sum()
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def kept_bytes(model: SpeechT5) -> int:
    """Of all that is stored for the backward pass."""
    stored: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        stored[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        passed(model, seconds=4.0)
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    return sum(n for place, n in stored.items() if place not in weights)


def test_layers_computed_twice_give_the_same_to_the_bit() -> None:
    plain, twice = net(training=True), net(training=True)
    economise(twice, TrainConfig(checkpoint_layers=True))
    expected, found = passed(plain), passed(twice)
    assert torch.equal(found[0], expected[0])
    assert found[1].keys() == expected[1].keys()
    assert all(torch.equal(found[1][name], gradient) for name, gradient in expected[1].items())
    assert twice.state_dict().keys() == plain.state_dict().keys()


def test_layers_computed_twice_keep_less() -> None:
    plain, twice = net(training=True), net(training=True)
    economise(twice, TrainConfig(checkpoint_layers=True))
    assert kept_bytes(twice) < 0.8 * kept_bytes(plain)


def test_nothing_is_done_unasked() -> None:
    model = net(training=True)
    before = [(type(m), m.forward) for m in model.modules()]
    economise(model, TrainConfig())
    assert [(type(m), m.forward) for m in model.modules()] == before


def test_a_run_may_go_on_with_layers_computed_twice(tmp_path: Path, tiny_corpus: TinyCorpus) -> None:
    """It is free to change: the same losses, from the same experiment."""
    plugin = load_task("asr")
    run(plugin, tiny_config(tiny_corpus, "asr"), tmp_path / "plain")
    run(plugin, tiny_config(tiny_corpus, "asr", "train.checkpoint_layers=true"), tmp_path / "twice")
    assert_same_run(tmp_path / "plain", tmp_path / "twice")


def test_a_machine_without_compiler_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UsageError, match=r"needs a C\+\+ compiler, and there is no no-such-compiler"):
        economise(net(training=True), TrainConfig(compile=True))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler's own
def test_compiled_layers_give_the_same() -> None:
    """Without dropout, which is drawn otherwise there. Needs a C++ compiler."""
    plain, compiled = net(training=False), net(training=False)
    economise(compiled, TrainConfig(compile=True, checkpoint_layers=True))
    expected, found = passed(plain), passed(compiled)
    torch.testing.assert_close(found[0], expected[0])
    for name, gradient in expected[1].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-3, atol=1e-3)
    passed(compiled, seconds=1.3)  # another length
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    compiled.train()
    assert passed(compiled)[0].isfinite()
