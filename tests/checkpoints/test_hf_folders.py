"""Folders of Hugging Face's, in and out, without `transformers`."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_models import GOLDEN, make_pieces, run
from safetensors.torch import load_file, save_file

from speecht5_cli.config import read_yaml, write_yaml
from speecht5_cli.data.vocabulary import Vocabulary
from speecht5_cli.errors import CheckpointError, ConfigError
from speecht5_cli.train.restore import restore

Make = Callable[[str], Path]


@pytest.mark.parametrize("name", ["asr", "tts"])
def test_round_trip(hf_folder: Make, dictionary: Path, tmp_path: Path, name: str) -> None:
    """Every tensor comes back bit for bit, under its name."""
    source = hf_folder(name)
    run("import", "--from", "hf", source, tmp_path / "model", "--vocab", dictionary)
    assert restore(tmp_path / "model").cfg.name == name
    run("export", "--to", "hf", tmp_path / "model", tmp_path / "back")
    theirs, back = load_file(source / "model.safetensors"), load_file(tmp_path / "back" / "model.safetensors")
    assert theirs.keys() == back.keys()
    assert all(torch.equal(theirs[key], back[key]) for key in theirs)
    old, new = (json.loads((folder / "config.json").read_text()) for folder in (source, tmp_path / "back"))
    free = {"feat_proj_dropout", "max_speech_positions", "max_text_positions"}  # lengths are not limited by ours
    assert not [key for key in old if key in new and old[key] != new[key] and key not in free]


def test_a_setting_that_neither_toolkit_has(hf_folder: Make, dictionary: Path, tmp_path: Path) -> None:
    run("import", "--from", "hf", hf_folder("tts"), tmp_path / "model", "--vocab", dictionary)
    config = tmp_path / "model" / "config.yaml"
    tree = read_yaml(config)
    tree["model"]["symbol_scale"] = 12.0
    write_yaml(config, tree)
    for toolkit in ("hf", "fairseq"):
        with pytest.raises(CheckpointError, match=r"model.symbol_scale is 12.0; .* has no such setting"):
            run("export", "--to", toolkit, tmp_path / "model", tmp_path / "back")
        assert not (tmp_path / "back").exists()


def test_settings_travel(hf_folder: Make, dictionary: Path, tmp_path: Path) -> None:
    """Their way to stop, to draw dropout and to guide attention; no CTC head for recognition."""
    for name in ("asr", "tts"):
        run("import", "--from", "hf", hf_folder(name), tmp_path / name, "--vocab", dictionary)
    asr, tts = restore(tmp_path / "asr").cfg, restore(tmp_path / "tts").cfg
    assert asr.model.compat == tts.model.compat == "hf" and asr.model.padding == "exact"
    assert (asr.task.ctc_head, asr.task.decode.ctc_weight, tts.task.guided) == (False, 0.0, 10.0)
    with pytest.raises(ConfigError, match="without ctc_head"):
        restore(tmp_path / "asr", overrides={"decode": {"ctc_weight": 0.3}})


def test_the_model_says_what_theirs_says(hf_folder: Make, dictionary: Path, tmp_path: Path) -> None:
    run("import", "--from", "hf", hf_folder("asr"), tmp_path / "model", "--vocab", dictionary)
    model = restore(tmp_path / "model").model
    golden = np.load(GOLDEN / "hf" / "asr_io.npz")
    wav = torch.from_numpy(np.load(GOLDEN / "rows.npz")["0"] / np.float32(32768))[None]
    with torch.no_grad():
        encoded = model.encode_speech(wav, torch.tensor([wav.size(1)]))
        logits = model.decode_text(torch.from_numpy(golden["decoder_input_ids"][:1]), encoded)
    assert np.abs(logits.numpy() - golden["logits"][:1]).max() < 1e-4


def test_an_old_file(hf_folder: Make, dictionary: Path, tmp_path: Path) -> None:
    """Published ones are pickles, name the weight norm otherwise, and hold tables and tied weights."""
    source = hf_folder("asr")
    theirs = load_file(source / "model.safetensors")
    stem = "speecht5.encoder.prenet.pos_conv_embed.conv."
    old = dict(theirs)
    old[f"{stem}weight_g"] = old.pop(f"{stem}parametrizations.weight.original0")
    old[f"{stem}weight_v"] = old.pop(f"{stem}parametrizations.weight.original1")
    old["text_decoder_postnet.lm_head.weight"] = old["speecht5.decoder.prenet.embed_tokens.weight"].clone()
    old["speecht5.encoder.prenet.pos_sinusoidal_embed.weights"] = torch.ones(4, 4)
    (source / "model.safetensors").unlink()
    torch.save(old, source / "pytorch_model.bin")
    said = run("import", "--from", "hf", source, tmp_path / "model", "--vocab", dictionary)
    assert "left out, computed anew: speecht5.encoder.prenet.pos_sinusoidal_embed.weights" in said
    run("export", "--to", "hf", tmp_path / "model", tmp_path / "back")
    back = load_file(tmp_path / "back" / "model.safetensors")
    assert all(torch.equal(theirs[key], back[key]) for key in theirs)
    old["text_decoder_postnet.lm_head.weight"] += 1
    torch.save(old, source / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="differ; only models with one text table"):
        run("import", "--from", "hf", source, tmp_path / "other", "--vocab", dictionary)


def test_tokenizer_comes_along(hf_folder: Make, dictionary: Path, tmp_path: Path) -> None:
    vocabulary = Vocabulary.from_fairseq(dictionary)
    pieces = make_pieces(vocabulary.symbols)
    source = hf_folder("asr")
    (source / "spm_char.model").write_bytes(pieces)
    (source / "added_tokens.json").write_text(json.dumps({"<mask>": 38, "<ctc_blank>": 39}))
    run("import", "--from", "hf", source, tmp_path / "model")
    ours = Vocabulary.load(tmp_path / "model" / "assets")
    assert (len(ours), ours.mask, ours.blank, ours.spm) == (40, 38, 39, pieces)
    assert ours.decode(ours.encode("it's me")) == "it's me"
    run("export", "--to", "hf", tmp_path / "model", tmp_path / "back")
    assert (tmp_path / "back" / "spm_char.model").read_bytes() == pieces
    assert json.loads((tmp_path / "back" / "added_tokens.json").read_text()) == {"<mask>": 38, "<ctc_blank>": 39}
    (source / "added_tokens.json").write_text(json.dumps({"<mask>": 38, "<ctc_blank>": 41}))
    with pytest.raises(CheckpointError, match="are not 0 to 39"):
        run("import", "--from", "hf", source, tmp_path / "other")


def test_export_of_a_fairseq_model(fairseq_file: Callable[..., Path], dictionary: Path, tmp_path: Path) -> None:
    run("import", "--from", "fairseq", fairseq_file("s2t"), tmp_path / "model", "--vocab", dictionary)
    said = run("export", "--to", "hf", tmp_path / "model", tmp_path / "hf")
    assert "no place for: ctc_head" in said and "without a tokenizer" in said
    run("import", "--from", "hf", tmp_path / "hf", tmp_path / "again", "--vocab", dictionary)
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("model", "again"))
    assert set(first) - set(second) == {"ctc_head.1.weight", "ctc_head.1.bias"}
    assert all(torch.equal(first[key], second[key]) for key in second)


def test_what_hugging_face_has_not(fairseq_file: Callable[..., Path], dictionary: Path, tmp_path: Path) -> None:
    run("import", "--from", "fairseq", fairseq_file(), tmp_path / "base", "--vocab", dictionary)
    with pytest.raises(CheckpointError, match="hf knows models for asr, se, st, tts, vc"):
        run("export", "--to", "hf", tmp_path / "base", tmp_path / "hf")
    large = fairseq_file("s2t", "ckpt_large_prenorm")
    run("import", "--from", "fairseq", large, tmp_path / "large", "--vocab", dictionary)
    with pytest.raises(CheckpointError, match="Hugging Face has no such model"):
        run("export", "--to", "hf", tmp_path / "large", tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def changed(folder: Path, **settings: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model_type": "whisper"}, "model_type 'whisper'"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"scale_embedding": True}, "scale_embedding is True"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 1]}, "conv_stride is"),
        ({"encoder_attention_heads": 8}, "8 attention heads"),
    ],
)
def test_other_nets(
    hf_folder: Make, dictionary: Path, tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    source = hf_folder("tts")
    changed(source, **settings)
    with pytest.raises(CheckpointError, match=message):
        run("import", "--from", "hf", source, tmp_path / "model", "--vocab", dictionary)
    assert not (tmp_path / "model").exists()


def test_bad_folders(hf_folder: Make, dictionary: Path, tmp_path: Path) -> None:
    source = hf_folder("asr")

    def refused(message: str) -> None:
        with pytest.raises(CheckpointError, match=message):
            run("import", "--from", "hf", source, tmp_path / "model", "--vocab", dictionary)
        assert not (tmp_path / "model").exists()

    weights = source / "model.safetensors"
    whole, theirs = weights.read_bytes(), load_file(weights)
    weights.write_bytes(whole[:-100])
    refused("not readable as safetensors")
    save_file({**theirs, "speecht5.encoder.extra": torch.ones(1)}, weights)
    refused(r"1 tensors that no SpeechT5 has, such as speecht5\.encoder\.extra")
    name = "speecht5.decoder.wrapped_decoder.layers.1.final_layer_norm.bias"
    save_file({key: tensor for key, tensor in theirs.items() if key != name}, weights)
    refused(f"lacks {name}")
    save_file({**theirs, name: torch.ones(3)}, weights)
    refused(rf"{name} has shape \(3,\)")
    weights.unlink()
    refused("neither model.safetensors nor pytorch_model.bin")
    (source / "config.json").write_text("{")
    refused("not readable as JSON")
    (source / "config.json").unlink()
    refused("no such file")


def test_the_kind_is_read_from_the_folder(hf_folder: Make, dictionary: Path, tmp_path: Path) -> None:
    source = hf_folder("asr")
    run("import", "--from", "hf", source, tmp_path / "st", "--task", "st", "--vocab", dictionary)
    assert read_yaml(tmp_path / "st" / "config.yaml")["name"] == "st"
