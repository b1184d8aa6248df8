"""Checkpoints of the original code, in and out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_models import GOLDEN, run, tensors

from speecht5_cli.config import read_yaml
from speecht5_cli.data.vocabulary import Vocabulary
from speecht5_cli.errors import CheckpointError, UsageError
from speecht5_cli.train.restore import restore

KINDS = {"pretrain": "pretrain", "s2t": "asr", "t2s": "tts", "s2s": "vc", "s2c": "sid"}
ALSO = [("s2t", "st"), ("s2s", "se"), ("pretrain", "asr"), ("pretrain", "tts")]
Make = Callable[..., Path]


@pytest.mark.parametrize(("kind", "task"), [*KINDS.items(), *ALSO])
def test_every_kind_is_restored(fairseq_file: Make, dictionary: Path, tmp_path: Path, kind: str, task: str) -> None:
    """A folder that the task's plug-in opens, with every tensor as it was."""
    source = fairseq_file(kind)
    said = run("import", "--from", "fairseq", source, tmp_path / "model", "--task", task, "--vocab", dictionary)
    assert f": {task}, " in said and "never used by the original" in said
    restored = restore(tmp_path / "model", task=task)
    out = tmp_path / "back"
    run("export", "--to", "fairseq", tmp_path / "model", out)
    theirs, back = tensors(source), tensors(out / "checkpoint.pt")
    unused = ("norm_k", "decoder.pos_emb", "version", "_float_tensor")
    shared = [name for name in back if name in theirs and not any(word in name for word in unused)]
    assert len(shared) >= len(restored.model.state_dict())
    absent = {"vc", "se", "sid"} & {task}  # no text: the table that the original asks for is made anew
    for name in shared:
        if absent and name == "text_decoder_postnet.output_projection.weight":
            continue
        assert torch.equal(theirs[name], back[name]), name


def test_the_task_is_read_from_the_file(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    for kind, task in KINDS.items():
        run("import", "--from", "fairseq", fairseq_file(kind), tmp_path / kind, "--vocab", dictionary)
        assert read_yaml(tmp_path / kind / "config.yaml")["name"] == task


def test_the_model_says_what_the_original_says(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    run("import", "--from", "fairseq", fairseq_file("s2t"), tmp_path / "model", "--vocab", dictionary)
    model = restore(tmp_path / "model").model
    golden = np.load(GOLDEN / "c_asr.npz")
    rows = np.load(GOLDEN / "rows.npz")
    wav = torch.from_numpy(rows["0"] / np.float32(32768))[None]  # the first utterance, which is not padded
    with torch.no_grad():
        encoded = model.encode_speech(wav, torch.tensor([wav.size(1)]))
        logits = model.decode_text(torch.from_numpy(golden["in_prev_output_tokens"][:1]), encoded)
    assert np.abs(logits.numpy() - golden["logits"][:1]).max() < 1e-4


def test_large(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    source = fairseq_file("pretrain", "ckpt_large_prenorm")
    run("import", "--from", "fairseq", source, tmp_path / "model", "--vocab", dictionary)
    cfg = restore(tmp_path / "model").cfg.model
    assert (cfg.pre_norm, cfg.conv_norm, cfg.heads) == (True, "layer", 2)
    run("export", "--to", "fairseq", tmp_path / "model", tmp_path / "back")
    theirs, back = tensors(source), tensors(tmp_path / "back" / "checkpoint.pt")
    assert theirs.keys() == back.keys()
    assert torch.equal(theirs["encoder.layers.1.norm_k.weight"], back["encoder.layers.1.norm_k.weight"])
    run("import", "--from", "fairseq", tmp_path / "back", tmp_path / "again", "--vocab", dictionary)
    assert read_yaml(tmp_path / "again" / "config.yaml") == read_yaml(tmp_path / "model" / "config.yaml")


def test_vocabulary_comes_along(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    source = fairseq_file("s2t")
    (source.parent / "dict.txt").write_bytes(dictionary.read_bytes())  # beside the checkpoint it is found
    run("import", "--from", "fairseq", source, tmp_path / "model")
    vocabulary = Vocabulary.load(tmp_path / "model" / "assets")
    assert (len(vocabulary), vocabulary.mask, vocabulary.blank, vocabulary.ids["a"]) == (40, 38, 39, 5)
    run("export", "--to", "fairseq", tmp_path / "model", tmp_path / "back")
    symbols = [line.split(" ")[0] for line in dictionary.read_text(encoding="utf-8").splitlines()]
    assert [line.split(" ")[0] for line in (tmp_path / "back" / "dict.txt").read_text().splitlines()] == symbols


def test_units_come_along(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    run("import", "--from", "fairseq", fairseq_file(), tmp_path / "model", "--vocab", dictionary)
    assert restore(tmp_path / "model").model.parts.units == 25
    run("export", "--to", "fairseq", tmp_path / "model", tmp_path / "back")
    assert (tmp_path / "back" / "dict.km.txt").read_text().splitlines() == [f"{k} 1" for k in range(25)]


def test_classes(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    """The rows of the original's dictionary stay; a model of ours with the speakers only gets them added."""
    run("import", "--from", "fairseq", fairseq_file("s2c"), tmp_path / "model", "--vocab", dictionary)
    classes = tmp_path / "model" / "assets" / "classes.txt"
    assert classes.read_text(encoding="utf-8").splitlines()[3:6] == ["<unk>", "\u2581", "a"]
    (tmp_path / "model" / "assets" / "vocab.txt").unlink()
    classes.write_text("".join(f"speaker{n}\n" for n in range(40)))
    said = run("export", "--to", "fairseq", tmp_path / "model", tmp_path / "back")
    head = tensors(tmp_path / "back" / "checkpoint.pt")["speaker_decoder_postnet.output_projection.weight"]
    assert head.shape == (46, 48) and not head[:4].any() and not head[-2:].any() and "speaker_decoder_postnet" in said
    assert (tmp_path / "back" / "dict.txt").read_text().splitlines()[0] == "speaker0 1"


def with_tensor(name: str, tensor: torch.Tensor | None) -> Callable[[dict[str, Any]], object]:
    def change(content: dict[str, Any]) -> None:
        if tensor is None:
            del content["model"][name]
        else:
            content["model"][name] = tensor

    return change


def with_option(name: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda content: setattr(content["cfg"]["model"], name, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_tensor("encoder.layers.0.adapter.weight", torch.ones(2)), "encoder.layers.0.adapter.weight"),
        (with_tensor("encoder.layers.0.fc1.scale", torch.ones(2)), "encoder.layers.0.fc1.scale"),
        (with_tensor("encoder.layers.1.fc1.bias", None), "lacks encoder.layers.1.fc1.bias"),
        (with_tensor("encoder.layer_norm.weight", None), "encoder.layer_norm.weight is missing"),
        (with_tensor("encoder.pos_emb.pe_k.weight", None), "encoder.pos_emb.pe_k.weight is missing"),
        (with_tensor("encoder.layers.1.fc1.bias", torch.ones(95)), r"encoder.layers.1.fc1.bias has shape \(95,\)"),
        (
            with_tensor("speech_decoder_postnet.feat_out.weight", torch.ones(3, 3)),
            r"feat_out.weight has shape \(3, 3\)",
        ),
        (with_tensor("quantizer.vars", torch.ones(1, 20, 23)), r"quantizer.vars has shape \(1, 20, 23\)"),
        (with_tensor("text_decoder_prenet.embed_tokens.weight", torch.ones(40, 48)), "differ"),
        (with_tensor("encoder.layers.5.fc1.bias", torch.ones(96)), "not numbered from 0 without a gap"),
        (with_option("activation_fn", "relu"), "activation_fn = 'relu'"),
        (with_option("layer_norm_eps", 1e-12), "layer_norm_eps = 1e-12"),
        (with_option("conv_feature_layers", "[(512, 10, 5)] + [(512, 3, 2)] * 3"), "conv_feature_layers"),
        (with_option("decoder_attention_heads", 8), "8 attention heads"),
        (lambda content: content.pop("model"), "no 'model' in it; its keys are args, cfg"),
        (lambda content: content["model"].update(a="text"), "a is no tensor"),
        (lambda content: content.update(model={"decoder.x": torch.ones(1)}), "of no SpeechT5"),
    ],
)
def test_bad_files(
    fairseq_file: Make,
    dictionary: Path,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], object],
    message: str,
) -> None:
    """The message names file and tensor, and nothing is written."""
    source = fairseq_file(change=change)
    with pytest.raises(CheckpointError, match=message) as caught:
        run("import", "--from", "fairseq", source, tmp_path / "model", "--vocab", dictionary)
    assert str(source) in str(caught.value)
    assert not (tmp_path / "model").exists()


def test_truncated(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.pt").write_bytes(fairseq_file().read_bytes()[:-5000])
    with pytest.raises(CheckpointError, match=r"cut\.pt: cut short"):
        run("import", "--from", "fairseq", tmp_path / "cut.pt", tmp_path / "model", "--vocab", dictionary)
    with pytest.raises(CheckpointError, match="No such file"):
        run("import", "--from", "fairseq", tmp_path / "none.pt", tmp_path / "model", "--vocab", dictionary)
    assert not (tmp_path / "model").exists()


def test_published_settings_are_understood(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    layers = "[(512, 10, 5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2"

    def change(content: dict[str, Any]) -> None:
        vars(content["cfg"]["model"]).update(
            conv_feature_layers=layers, feature_grad_mult=0.1, dprenet_dropout_rate=0.5
        )

    run("import", "--from", "fairseq", fairseq_file(change=change), tmp_path / "model", "--vocab", dictionary)
    cfg = restore(tmp_path / "model").cfg.model
    assert (cfg.dropout, cfg.feature_grad_scale, cfg.prenet_dropout) == (0.1, 0.1, 0.5)


def test_settings_in_args(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    """Older files have one Namespace for everything."""

    def change(content: dict[str, Any]) -> None:
        cfg = content.pop("cfg")
        content["args"] = cfg["model"]
        content["args"].t5_task = "s2t"

    run("import", "--from", "fairseq", fairseq_file("s2t", change=change), tmp_path / "model", "--vocab", dictionary)
    assert restore(tmp_path / "model").cfg.name == "asr"


def test_without_settings_the_task_must_be_named(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    source = fairseq_file("s2t", change=lambda content: content.pop("cfg"))
    with pytest.raises(UsageError, match="give --task"):
        run("import", "--from", "fairseq", source, tmp_path / "model", "--vocab", dictionary)
    run("import", "--from", "fairseq", source, tmp_path / "model", "--vocab", dictionary, "--task", "asr")
    with pytest.raises(CheckpointError, match=r"no model for 'pretrain': no 'units.json'"):
        run("import", "--from", "fairseq", source, tmp_path / "other", "--vocab", dictionary, "--task", "pretrain")


def test_a_vocabulary_is_needed_and_must_fit(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    source = fairseq_file("s2t")
    message = r"no model for 'asr': no 'vocab.txt', .*; give its dict.txt and SentencePiece model with --vocab"
    with pytest.raises(CheckpointError, match=message):
        run("import", "--from", "fairseq", source, tmp_path / "model")
    (tmp_path / "dict.txt").write_text("a 1\nb 1\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match="has 40 rows, the vocabulary 8 symbols"):
        run("import", "--from", "fairseq", source, tmp_path / "model", "--vocab", tmp_path / "dict.txt")
    run("import", "--from", "fairseq", fairseq_file("s2s"), tmp_path / "model")  # speech to speech needs none


def test_a_pruned_file(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    """`--modules-filter` of the original leaves nets out; what the task needs is enough."""

    def change(content: dict[str, Any]) -> None:
        nets = ("text_", "hubert_layer", "quantizer", "encoder.proj")
        content["model"] = {key: value for key, value in content["model"].items() if not key.startswith(nets)}

    source = fairseq_file("s2s", change=change)
    run("import", "--from", "fairseq", source, tmp_path / "model")
    assert restore(tmp_path / "model").cfg.name == "vc"


def test_optimiser_states_are_left_where_they_are(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["last_optimizer_state"] = {"state": {0: {"step": 7, "exp_avg": torch.ones(9)}}, "param_groups": []}

    run("import", "--from", "fairseq", fairseq_file(change=change), tmp_path / "model", "--vocab", dictionary)
