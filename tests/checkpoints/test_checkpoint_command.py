"""`checkpoint info`, `checkpoint average`, what is refused, and training that starts from an imported model."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from foreign_models import run
from safetensors.torch import load_file, save_file

from speecht5_cli.commands.training import configured
from speecht5_cli.data.assets import Assets
from speecht5_cli.data.vocabulary import Vocabulary
from speecht5_cli.errors import CheckpointError, UsageError
from speecht5_cli.plugins import load_task
from speecht5_cli.train.restore import inherit

Make = Callable[..., Path]


@pytest.fixture
def asr(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> Path:
    run("import", "--from", "fairseq", fairseq_file("s2t"), tmp_path / "asr", "--vocab", dictionary)
    return tmp_path / "asr"


def test_info_of_a_checkpoint(fairseq_file: Make) -> None:
    said = run("info", fairseq_file())
    assert "checkpoint of fairseq's, pretrain" in said and "units: 25" in said
    assert "symbols: 40, which the file does not name: importing needs dict.txt" in said
    assert "complete for: asr, pretrain, se, st, tts, vc" in said
    assert "for sid it lacks: classes.txt" in said


def test_info_of_a_folder(asr: Path, hf_folder: Make) -> None:
    said = run("info", asr, hf_folder("tts"))
    assert "asr: model folder, asr" in said and "d_model 48" in said and "symbols: 40" in said
    assert "complete for: asr, st" in said and "for vc it lacks: speech_decoder_postnet, speech_decoder_prenet" in said
    assert "folder of Hugging Face's, SpeechT5ForTextToSpeech" in said
    assert "complete for: tts" in said and "for asr it lacks: ctc_head, speech_encoder_prenet" in said


def test_info_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="neither a model folder nor an experiment"):
        run("info", tmp_path)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(CheckpointError, match="damaged, or not a pickle"):
        run("info", tmp_path / "text")


def test_a_repeated_import_is_skipped(fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    source = fairseq_file()
    words = ("import", "--from", "fairseq", source, tmp_path / "model", "--vocab", dictionary)
    run(*words)
    assert run(*words).strip().endswith("up to date")
    time.sleep(0.01)
    source.write_bytes(
        fairseq_file(change=lambda content: content["model"]["encoder.layer_norm.bias"].add_(1)).read_bytes()
    )
    assert "157 tensors" in run(*words)


def test_only_an_earlier_output_is_replaced(asr: Path, fairseq_file: Make, dictionary: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for words in (
        ("import", "--from", "fairseq", fairseq_file(), tmp_path / "mine", "--vocab", dictionary),
        ("export", "--to", "hf", asr, tmp_path / "mine"),
        ("export", "--to", "fairseq", asr, tmp_path / "mine"),
        ("average", asr, asr, tmp_path / "mine"),
    ):
        with pytest.raises(UsageError, match="is there already"):
            run(*words)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_average(asr: Path, tmp_path: Path) -> None:
    run("average", asr, asr, tmp_path / "same")
    other = tmp_path / "other"
    run("average", asr, asr, other)
    path = other / "model.safetensors"
    first = load_file(asr / "model.safetensors")
    save_file({name: tensor + 2 for name, tensor in first.items()}, path)
    said = run("average", asr, other, tmp_path / "mean")
    mean = load_file(tmp_path / "mean" / "model.safetensors")
    assert f"the mean of 2 models, {len(first)} tensors" in said
    assert all(torch.allclose(mean[name], tensor + 1) for name, tensor in first.items())
    assert len(Vocabulary.load(tmp_path / "mean" / "assets")) == 40
    save_file({**first, "encoder.norm.bias": torch.ones(3)}, path)
    with pytest.raises(CheckpointError, match=r"encoder.norm.bias has shape \(3,\), in .*asr \(48,\)"):
        run("average", asr, other, tmp_path / "mean")
    with pytest.raises(UsageError, match="two models or more"):
        run("average", asr, tmp_path / "mean")


@pytest.mark.parametrize("task", ["asr", "tts", "vc", "st"])
def test_fine_tuning_starts_from_an_imported_model(
    fairseq_file: Make, dictionary: Path, tmp_path: Path, task: str
) -> None:
    """What `finetune --init` does before the first step: sizes from there, tensors by name, rows by symbol."""
    run("import", "--from", "fairseq", fairseq_file(), tmp_path / "base", "--vocab", dictionary)
    plugin = load_task(task)
    cfg = configured(plugin, {"optim": {"warmup_steps": 1}, "train": {"max_steps": 2}}, tmp_path / "base", "test")
    assert cfg.model.d_model == 48
    Vocabulary.of_pieces(["\u2581", "b", "a", "\u00e4"]).save(tmp_path / "vocab.txt")
    assets = Assets.gather({"vocab.txt": tmp_path / "vocab.txt"}, tmp_path / "assets")
    net = plugin.build(cfg, assets)
    inherited = inherit(net, assets, tmp_path / "base")
    assert not inherited.new
    old = load_file(tmp_path / "base" / "model.safetensors")
    own = net.state_dict()
    assert torch.equal(own["encoder.layers.1.ffn.inner.weight"], old["encoder.layers.1.ffn.inner.weight"])
    if "symbols.weight" in own:
        assert torch.equal(own["symbols.weight"][5:7], old["symbols.weight"][[6, 5]])
        assert "1 new (\u00e4)" in str(inherited)


def test_vocoders_go_the_same_way(tmp_path: Path) -> None:
    """The folder says what it holds; converting is tested with the vocoders."""
    hifigan = Path(__file__).parents[1] / "vocoder" / "data" / "hifigan"
    assert "vocoder, HifiGanConfig(" in run("import", "--from", "hf", hifigan, tmp_path / "vocoder")
    assert "model folder, vocoder" in run("info", tmp_path / "vocoder")
    run("export", "--to", "hf", tmp_path / "vocoder", tmp_path / "back")
    first, second = (load_file(folder / "model.safetensors") for folder in (hifigan, tmp_path / "back"))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    with pytest.raises(CheckpointError, match="fairseq knows models for"):
        run("export", "--to", "fairseq", tmp_path / "vocoder", tmp_path / "pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"0 \.pkl files"):
        run("import", "--from", "pwg", tmp_path / "empty", tmp_path / "other")
