"""Fresh weights of the base model follow the original's laws."""

import json
import re
from collections import defaultdict
from typing import Any

import pytest
import torch
from golden import DATA

from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.models.keymaps import fairseq_rules, renamed
from speecht5_cli.models.speecht5 import SpeechT5

GOLDEN: dict[str, Any] = json.loads((DATA / "init_stats_base.json").read_text())
# Tensors that the original makes and never uses in the base model.
UNUSED = (r"\.norm_k\.", r"^decoder\.pos_emb\.", r"\.version$", r"\._float_tensor$")
TIED = ("text_decoder_prenet.embed_tokens.weight", "text_decoder_postnet.output_projection.weight")


@pytest.fixture(scope="module")
def base() -> SpeechT5:
    torch.manual_seed(0)
    parts = Parts(speech_in=True, text_in=True, text_out=True, speech_out=True, vocabulary=40, blank=39)
    return SpeechT5(ModelConfig(), parts)


def test_number_of_parameters(base: SpeechT5) -> None:
    """All parameters of the original's fine-tuning model but those that it never uses."""
    unused = 12 * 2 * 64 + 6 * 2 * 64 + 320 * 64  # norm_k of the layers, decoder.pos_emb
    ours = sum(parameter.numel() for parameter in base.parameters())
    assert ours == GOLDEN["n_params_finetune_model_vocab40"] - unused


def test_laws(base: SpeechT5) -> None:
    rules = fairseq_rules("group")
    ours: dict[str, list[torch.Tensor]] = defaultdict(list)
    for name, tensor in base.state_dict().items():
        theirs = renamed(name, rules)
        assert theirs is not None, name
        layered = re.sub(r"(?<=layers\.)\d+", "*", theirs) if "conv_layers" not in theirs else theirs
        ours[layered].append(tensor.float())
    for name, law in GOLDEN["params"].items():
        if any(re.search(pattern, name) for pattern in UNUSED) or name in TIED:
            continue
        assert name in ours, name
        tensors = ours[name]
        assert (len(tensors), list(tensors[0].shape)) == (law["count"], law["shape"]), name
        values = torch.stack(tensors).flatten()
        n = len(values)
        if law["std"] == 0 or n == 1:
            assert values.eq(law["mean"]).all(), name
            continue
        assert abs(float(values.mean()) - law["mean"]) < 6 * law["std"] * (2 / n) ** 0.5 + 1e-6, name
        assert float(values.std()) == pytest.approx(law["std"], rel=max(0.02, 6 * n**-0.5)), name
        largest = max(abs(law["min"]), abs(law["max"]))
        assert float(values.abs().max()) == pytest.approx(largest, rel=0.35), name
