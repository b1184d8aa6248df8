"""The published sizes, and what a configuration refuses."""

import pytest
import torch

from speecht5_cli.config import from_tree
from speecht5_cli.errors import ConfigError
from speecht5_cli.models.config import SIZES, ModelConfig, Parts
from speecht5_cli.models.speecht5 import SpeechT5

PRETRAINING = Parts(
    speech_in=True, speech_out=True, text_in=True, text_out=True, codebook=True, vocabulary=81, blank=80, units=500
)


@pytest.mark.parametrize(("size", "expected"), [("base", 154_366_173), ("large", 421_168_093)])
def test_parameters(size: str, expected: int) -> None:
    """Of pre-training with 81 symbols and 500 units, without the tables that the original makes and never uses."""
    with torch.device("meta"):
        net = SpeechT5(ModelConfig.of_size(size), PRETRAINING)
    assert sum(parameter.numel() for parameter in net.parameters()) == expected


def test_a_model_has_only_the_nets_that_it_needs() -> None:
    with torch.device("meta"):
        net = SpeechT5(ModelConfig.of_size("tiny"), Parts(speech_in=True, classes=5))
    nets = {name.split(".")[0] for name, _ in net.named_parameters()}
    assert nets == {"encoder", "decoder", "speech_encoder_prenet", "class_head"}
    with pytest.raises(ValueError, match="ctc_weight must be 0"):
        _ = net.blank


@pytest.mark.parametrize("size", SIZES)
def test_named_sizes_are_starting_points(size: str) -> None:
    named = from_tree(ModelConfig, {"size": size})
    assert named == ModelConfig.of_size(size)
    assert from_tree(ModelConfig, {"size": size, "d_model": 480, "heads": 4}).d_model == 480
    assert named.d_model % named.heads == 0


@pytest.mark.parametrize(
    ("tree", "complaint"),
    [
        ({"heads": 5}, "d_model 768 is not a multiple of heads 5"),
        ({"position_groups": 7}, "position_groups 7"),
        ({"codebook_groups": 5}, "codebook_groups 5"),
        ({"size": "medium"}, "expected one of 'tiny', 'small', 'base', 'large'"),
        ({"padding": "exakt"}, "expected one of 'exact', 'original', 'hf'"),
    ],
)
def test_sizes_that_cannot_be(tree: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        from_tree(ModelConfig, tree, "model")
