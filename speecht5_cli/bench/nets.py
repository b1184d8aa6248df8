"""Hugging Face's base models with random weights, and ours with the same ones through our importer."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from speecht5_cli.errors import UsageError
from speecht5_cli.models.speecht5 import SpeechT5
from speecht5_cli.models.vocoder import HifiGan
from speecht5_cli.train.hf_files import read_hf
from speecht5_cli.train.precision import Numbers

SAMPLE_RATE = 16_000
EOS = 2  # in both vocabularies
Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Pair:
    """One network twice."""

    ours: SpeechT5
    theirs: Any

    def suited(self, precision: str) -> "Pair":
        """Ours as it decodes in that precision, theirs as it is."""
        return Pair(suited(deepcopy(self.ours), precision), self.theirs)


def suited(net: Net, precision: str) -> Net:
    """The net as it decodes on a CPU in that precision, changed in place."""
    Numbers.of(precision, torch.device("cpu")).suit(net)
    return net


def transformers() -> Any:
    """The package. Raises UsageError when it is not installed."""
    try:
        import transformers
    except ImportError:
        raise UsageError("`speecht5 bench` compares with transformers: pip install 'speecht5[bench]'") from None
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def base_pair(kind: str, **sizes: Any) -> Pair:
    """`SpeechT5ForSpeechToText` or `SpeechT5ForTextToSpeech`, at base size unless told otherwise."""
    theirs = drawn(getattr(transformers(), kind), transformers().SpeechT5Config(**sizes))
    with saved(theirs) as folder:
        foreign = read_hf(folder)
        ours = foreign.net()
        ours.load_state_dict(foreign.weights)
    assert isinstance(ours, SpeechT5)
    return Pair(ours.eval(), theirs)


def vocoder_pair() -> tuple[HifiGan, Any]:
    """Our generator and theirs."""
    from speecht5_cli.decode.vocoder_folder import read_vocoder
    from speecht5_cli.train.vocoder_files import import_hf_vocoder

    theirs = drawn(transformers().SpeechT5HifiGan, transformers().SpeechT5HifiGanConfig())
    with saved(theirs) as folder:
        import_hf_vocoder(folder, folder / "ours")
        ours, _ = read_vocoder(folder / "ours")
    return ours.eval(), theirs


def wave(seconds: float, *, batch: int = 1) -> Tensor:
    """(B, S) of noise."""
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(batch, round(seconds * SAMPLE_RATE), generator=generator)


def drawn(kind: Any, config: Any) -> Any:
    """Weights so large that outputs depend on inputs, the same in every run."""
    torch.manual_seed(0)
    model: nn.Module = kind(config)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and "embed" not in name:
            nn.init.normal_(parameter, 0.0, parameter[0].numel() ** -0.5)
    return model.eval()


@contextmanager
def saved(model: Any) -> Iterator[Path]:
    """The folder of one of theirs, for as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
        yield Path(folder)
