"""HuBERT BASE from Hugging Face's folder: its hidden states, features from it, a SpeechT5 that starts from it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_models import run
from safetensors.torch import load_file, save_file

from speecht5_cli.commands.training import configured
from speecht5_cli.data.assets import Assets
from speecht5_cli.data.vocabulary import Vocabulary
from speecht5_cli.errors import CheckpointError
from speecht5_cli.plugins import load_task
from speecht5_cli.train.hubert_folder import load_hubert
from speecht5_cli.train.restore import inherit, layer_extractor, restore

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": [16] * 7,
}
BASE: dict[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "conv_dim": [512] * 7,
}
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def waves() -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [(0.2 * rng.standard_normal(n)).astype(np.float32) for n in (9_000, 14_000, 6_123)]


def made(folder: Path, kind: str = "HubertModel", **changes: Any) -> Any:
    """Theirs, with random weights, saved in the folder."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(3)
    model = getattr(transformers, kind)(transformers.HubertConfig(**{**SIZES, **changes})).eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.data.add_(0.1 * torch.randn(parameter.shape))
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize(
    ("sizes", "layers"),
    [pytest.param(SIZES, (1, 2, 3), id="small"), pytest.param(BASE, (6, 12), id="base", marks=pytest.mark.slow)],
)
def test_hidden_states(tmp_path: Path, waves: list[np.ndarray], sizes: dict[str, Any], layers: tuple[int, ...]) -> None:
    """For utterances in a padded batch as for each alone."""
    theirs = made(tmp_path / "hf", **sizes)
    said = run("import", "--from", "hf", tmp_path / "hf", tmp_path / "hubert")
    assert "HuBERT encoder" in said
    for layer in layers:
        ours = layer_extractor(tmp_path / "hubert", layer)(waves)
        for states, wave in zip(ours, waves):
            wanted = theirs(torch.from_numpy(wave)[None], output_hidden_states=True).hidden_states[layer][0]
            assert states.shape == wanted.shape
            assert np.abs(states - wanted.numpy()).max() < 1e-4
    with pytest.raises(CheckpointError, match="has encoder layers 1 to"):
        layer_extractor(tmp_path / "hubert", layers[-1] + 1)


def test_base_size(tmp_path: Path) -> None:
    """The sizes of the released model are those of our base model: a block without a single change."""
    made(tmp_path / "hf", **BASE)
    run("import", "--from", "hf", tmp_path / "hf", tmp_path / "hubert")
    assert (tmp_path / "hubert" / "config.yaml").read_text() == "kind: hubert\nmodel:\n  size: base\n"


def test_a_head_is_left_out(tmp_path: Path) -> None:
    made(tmp_path / "hf", "HubertForCTC", vocab_size=11)
    said = run("import", "--from", "hf", tmp_path / "hf", tmp_path / "hubert")
    assert "left out, of a head: lm_head.bias, lm_head.weight" in said
    load_hubert(tmp_path / "hubert")


@pytest.mark.parametrize("task", ["asr", "vc", "sid", "pretrain"])
def test_speecht5_starts_from_it(tmp_path: Path, task: str) -> None:
    """Convolutions, projection, convolutional positions and layers are taken over; what stays new is listed."""
    made(tmp_path / "hf")
    run("import", "--from", "hf", tmp_path / "hf", tmp_path / "hubert")
    plugin = load_task(task)
    cfg = configured(plugin, {}, tmp_path / "hubert", "test")
    assert (cfg.model.d_model, cfg.model.heads, cfg.model.conv_channels) == (32, 4, 16)
    folder = tmp_path / "assets"
    folder.mkdir()
    Vocabulary.of_pieces(["\u2581", "a", "b"]).save(folder / "vocab.txt")
    (folder / "classes.txt").write_text("one\ntwo\n")
    (folder / "units.json").write_text(json.dumps({"rate_hz": 50.0, "n_clusters": 9, "kmeans": None}))
    assets = Assets(folder)
    net = plugin.build(cfg, assets)
    inherited = inherit(net, assets, tmp_path / "hubert")
    theirs, own = load_file(tmp_path / "hubert" / "model.safetensors"), net.state_dict()
    assert len(inherited.kept) == len(theirs) and not inherited.dropped
    assert all(torch.equal(own[name], tensor) for name, tensor in theirs.items())
    assert {"encoder.relative", "decoder"} <= set(inherited.new)
    assert "speech_encoder_prenet" not in inherited.new


def test_it_is_for_no_task(tmp_path: Path) -> None:
    made(tmp_path / "hf")
    run("import", "--from", "hf", tmp_path / "hf", tmp_path / "hubert")
    with pytest.raises(CheckpointError, match="a model for no task"):
        restore(tmp_path / "hubert")
    said = run("info", tmp_path / "hf", tmp_path / "hubert")
    assert "hubert: model folder, hubert" in said and "for asr it lacks:" in said
    with pytest.raises(CheckpointError, match="hf knows models for"):
        run("export", "--to", "hf", tmp_path / "hubert", tmp_path / "back")


@pytest.mark.parametrize(
    "changes",
    [{"do_stable_layer_norm": True}, {"feat_extract_norm": "layer"}, {"conv_bias": True}, {"hidden_act": "relu"}],
)
def test_other_huberts(tmp_path: Path, changes: dict[str, Any]) -> None:
    made(tmp_path / "hf", **changes)
    with pytest.raises(CheckpointError, match="only HuBERT BASE"):
        run("import", "--from", "hf", tmp_path / "hf", tmp_path / "hubert")
    assert not (tmp_path / "hubert").exists()


def test_bad_tensors(tmp_path: Path) -> None:
    made(tmp_path / "hf")
    weights = tmp_path / "hf" / "model.safetensors"
    theirs = load_file(weights)
    name = "encoder.layers.2.feed_forward.output_dense.bias"
    for change, message in (
        ({name: torch.ones(3)}, f"{name} has shape"),
        ({"encoder.adapter": torch.ones(1)}, "such as encoder.adapter"),
    ):
        save_file({**theirs, **change}, weights)
        with pytest.raises(CheckpointError, match=message):
            run("import", "--from", "hf", tmp_path / "hf", tmp_path / "hubert")
    save_file({key: tensor for key, tensor in theirs.items() if key != name}, weights)
    with pytest.raises(CheckpointError, match=f"lacks {name}"):
        run("import", "--from", "hf", tmp_path / "hf", tmp_path / "hubert")
