"""What a model takes over from another: tensors by name, rows of the text tables by symbol."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from journals import weights
from tiny import LETTERS, TinyCorpus, tiny_config
from torch import Tensor

from speecht5_cli.data.assets import Assets
from speecht5_cli.data.vocabulary import SPACE, VOCAB_FILE, Vocabulary
from speecht5_cli.errors import CheckpointError, ConfigError
from speecht5_cli.folders import MODEL, read_model_config
from speecht5_cli.plugins import load_task
from speecht5_cli.tensors import read_tensors, write_tensors
from speecht5_cli.train.config import run_config, run_tree
from speecht5_cli.train.restore import Restored, inherit, layer_extractor, restore
from speecht5_cli.train.run import run

SHORT = ("train.max_steps=2", "optim.warmup_steps=1", "train.validate_every=2", "train.decode_dev=0")
ROWS = ("symbols.weight", "ctc_head.1.weight", "ctc_head.1.bias")


@pytest.fixture(scope="module")
def source(tiny_corpus: TinyCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pre-trained model."""
    exp = tmp_path_factory.mktemp("source") / "pretrain"
    run(load_task("pretrain"), tiny_config(tiny_corpus, "pretrain", *SHORT), exp)
    return exp


def vocabulary(folder: Path, pieces: str) -> Assets:
    Vocabulary.of_pieces([SPACE, *pieces]).save(folder / VOCAB_FILE)
    return Assets(folder)


def fresh(corpus: TinyCorpus, assets: Assets) -> torch.nn.Module:
    torch.manual_seed(3)
    return load_task("asr").build(tiny_config(corpus, "asr"), assets)


def state(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_the_same_vocabulary(tiny_corpus: TinyCorpus, source: Path) -> None:
    assets = Assets(source / "assets")
    model = fresh(tiny_corpus, assets)
    found = inherit(model, assets, source)
    old = weights(source)
    assert found.symbols is None
    assert found.new == []
    assert found.dropped == [
        "quantizer",
        "speech_decoder_postnet",
        "speech_decoder_prenet",
        "text_encoder_prenet",
        "unit_head",
    ]
    assert all(torch.equal(tensor, old[name]) for name, tensor in model.state_dict().items())
    assert str(found).startswith(f"{len(model.state_dict())} tensors kept; new: nothing; not used: quantizer, ")


def test_rows_are_carried_by_symbol(tiny_corpus: TinyCorpus, source: Path, tmp_path: Path) -> None:
    """Another order, two symbols less, three more; the specials at the end have moved."""
    assets = vocabulary(tmp_path / "vocab", "xfbaydz")
    model = fresh(tiny_corpus, assets)
    drawn, found, old = state(model), inherit(model, assets, source), weights(source)
    assert found.symbols is not None
    assert set(found.symbols.new) == {"x", "y", "z"}
    assert set(found.symbols.dropped) == {"c", "e"}
    now, then = Vocabulary.load(assets.folder), Vocabulary.load(source / "assets")
    for name in ROWS:
        for symbol, row in now.ids.items():
            expected = old[name][then.ids[symbol]] if symbol in then.ids else drawn[name][row]
            assert torch.equal(model.state_dict()[name][row], expected), (name, symbol)
    assert "vocabulary: 11 symbols kept, 3 new (x y z), 2 dropped (c e)" in str(found)


def test_new_nets_keep_what_they_were_drawn_as(tiny_corpus: TinyCorpus, source: Path, tmp_path: Path) -> None:
    """From a model that lacks them."""
    run(load_task("asr"), tiny_config(tiny_corpus, "asr", *SHORT), tmp_path / "asr")
    assets = Assets(source / "assets")
    torch.manual_seed(3)
    model = load_task("pretrain").build(tiny_config(tiny_corpus, "pretrain"), assets)
    drawn, found, old = state(model), inherit(model, assets, tmp_path / "asr"), weights(tmp_path / "asr")
    assert "quantizer" in found.new and found.dropped == []
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, old[name] if name in old else drawn[name])


def test_a_source_without_a_vocabulary(tiny_corpus: TinyCorpus, source: Path, tmp_path: Path) -> None:
    """Its rows have no names: those of another number stay out, those of the same number come along."""
    bare = tmp_path / "bare"
    bare.mkdir()
    tensors = weights(source)
    write_tensors(bare / "model.safetensors", {**tensors, "ctc_head.1.bias": torch.zeros(99)})
    (bare / "config.yaml").write_text("name: pretrain\n")
    assets = Assets(source / "assets")
    model = fresh(tiny_corpus, assets)
    drawn = state(model)
    assert inherit(model, assets, bare).symbols is None
    assert torch.equal(model.state_dict()["ctc_head.1.bias"], drawn["ctc_head.1.bias"])
    assert torch.equal(model.state_dict()["symbols.weight"], tensors["symbols.weight"])


def test_other_sizes(tiny_corpus: TinyCorpus, source: Path) -> None:
    assets = Assets(source / "assets")
    torch.manual_seed(3)
    model = load_task("asr").build(tiny_config(tiny_corpus, "asr", model={"ffn_dim": 48}), assets)
    with pytest.raises(
        CheckpointError, match=r"has shape \(64,.*, the new model \(48,.*; give the new model the sizes"
    ):
        inherit(model, assets, source)


def test_other_sizes_and_another_number_of_frames(tiny_corpus: TinyCorpus, source: Path) -> None:
    assets, sizes = Assets(source / "assets"), {"d_model": 48, "reduction": 3}
    model = load_task("tts").build(tiny_config(tiny_corpus, "tts", model=sizes), assets)
    with pytest.raises(CheckpointError, match=r"; give the new model the sizes"):
        inherit(model, assets, source)


def test_a_decoder_that_would_read_nothing(tiny_corpus: TinyCorpus) -> None:
    with pytest.raises(ConfigError, match=r"config\.model\.prenet_dropout: 0 with compat 'hf'.* set model\.compat to"):
        tiny_config(tiny_corpus, "tts", model={"compat": "hf", "prenet_dropout": 0.0})


@pytest.mark.parametrize("reduction", [1, 3])
def test_another_number_of_frames_a_step(tiny_corpus: TinyCorpus, source: Path, reduction: int) -> None:
    """What the old model says first in a step of two, the new one says too; a third frame is new."""
    assets = Assets(source / "assets")
    torch.manual_seed(3)
    model = load_task("tts").build(tiny_config(tiny_corpus, "tts", model={"reduction": reduction}), assets)
    drawn, found, old = state(model), inherit(model, assets, source), weights(source)
    assert str(found).endswith(f"frames of a decoder step: {reduction}, were 2")
    for part, rows in (("mel", 80), ("stop", 1)):
        for kind in ("weight", "bias"):
            name, n_kept = f"speech_decoder_postnet.{part}.{kind}", rows * min(2, reduction)
            now = model.state_dict()[name]
            assert len(now) == rows * reduction
            assert torch.equal(now[:n_kept], old[name][:n_kept])
            assert torch.equal(now[n_kept:], drawn[name][n_kept:])


def test_sizes_come_from_the_initial_model(tiny_corpus: TinyCorpus, source: Path) -> None:
    """The file may override what does not change shapes, but not name another size."""
    old = read_model_config(source / "model")["model"]
    task = {"asr": {"vocabulary": str(tiny_corpus.vocabulary)}, "train": {"max_steps": 100_000}}
    cfg = run_config(load_task("asr"), {"model": {"dropout": 0.3}, **task}, model=old)
    assert (cfg.model.d_model, cfg.model.dropout) == (32, 0.3)
    with pytest.raises(
        Exception, match=r"config\.model\.size: the initial model is 'tiny', the configuration says 'base'"
    ):
        run_config(load_task("asr"), {"model": {"size": "base"}, **task}, model=old)


def test_finetuning_takes_the_vocabulary_along(tiny_corpus: TinyCorpus, source: Path, tmp_path: Path) -> None:
    """No vocabulary is given: the initial model's. Without an initial model that is an error."""
    tree = run_tree(tiny_config(tiny_corpus, "asr", *SHORT))
    tree["asr"]["vocabulary"] = None
    cfg, plugin = run_config(load_task("asr"), tree), load_task("asr")
    run(plugin, cfg, tmp_path / "exp", init=source)
    assert (tmp_path / "exp/model/assets/vocab.txt").read_bytes() == (source / "model/assets/vocab.txt").read_bytes()
    assert f"from {source}: " in (tmp_path / "exp" / "train.log").read_text()
    with pytest.raises(CheckpointError, match=r"'vocab\.txt' is not given, and there is no initial model"):
        run(plugin, cfg, tmp_path / "other")


def test_from_scratch_and_from_a_model_differ(tiny_corpus: TinyCorpus, source: Path, tmp_path: Path) -> None:
    cfg = tiny_config(tiny_corpus, "asr", *SHORT)
    run(load_task("asr"), cfg, tmp_path / "scratch")
    run(load_task("asr"), cfg, tmp_path / "tuned", init=source)
    scratch, tuned, old = weights(tmp_path / "scratch"), weights(tmp_path / "tuned"), weights(source)
    name = "encoder.layers.0.ffn.inner.weight"
    assert (tuned[name] - old[name]).abs().max() < 0.02 < (scratch[name] - old[name]).abs().max()


@pytest.mark.parametrize("frozen_for", [2, 8])
def test_freezing(tiny_corpus: TinyCorpus, source: Path, tmp_path: Path, frozen_for: int) -> None:
    """Two updates behind an encoder that rests: it does not move a bit, not even by weight decay."""
    cfg = tiny_config(
        tiny_corpus,
        "asr",
        *SHORT,
        "train.max_steps=4",
        "train.validate_every=4",
        f"asr.freeze_encoder_steps={frozen_for}",
    )
    run(load_task("asr"), cfg, tmp_path / "exp", init=source)
    old, new = weights(source), weights(tmp_path / "exp")
    resting = [name for name in new if name.startswith(("encoder.", "speech_encoder_prenet."))]
    moved = {name for name in resting if not torch.equal(old[name], new[name])}
    assert len(resting) > 30
    assert len(moved) == (0 if frozen_for == 8 else len(resting))
    assert not torch.equal(old["decoder.layers.0.ffn.inner.weight"], new["decoder.layers.0.ffn.inner.weight"])


# --- models from disk ---


def test_restoring(tiny_corpus: TinyCorpus, source: Path) -> None:
    restored = restore(source)
    assert (restored.plugin.name, restored.folder, restored.model.training) == ("pretrain", source / "model", False)
    assert all(torch.equal(tensor, weights(source)[name]) for name, tensor in restored.model.state_dict().items())
    tables = {name: table for name, table in restored.model.named_buffers() if name.endswith("sinusoids.table")}
    assert len(tables) == 4
    assert all(table.isfinite().all() and table.abs().sum() > 0 for table in tables.values())  # computed, not stored
    with pytest.raises(CheckpointError, match="this is a model for 'pretrain', not for 'asr'"):
        restore(source, task="asr")


def test_restoring_needs_no_compiler(source: Path) -> None:
    """Of torch: importing it takes longer than all the rest."""
    program = (
        "import sys; from pathlib import Path; from speecht5_cli.train.restore import restore; "
        "restore(Path(sys.argv[1])); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(source)], stdout=subprocess.PIPE, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "speecht5_cli.models.speecht5" in loaded
    assert not loaded & {"torch._dynamo", "torch._inductor", "sympy", "triton"}


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_a_model_does_not_depend_on_its_file(
    source: Path, tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once restored, whatever of it is rounded or laid out anew."""
    for module in ("linear", "int8"):
        monkeypatch.setattr(f"speecht5_cli.models.{module}.LEAST_WEIGHTS", 1)
    monkeypatch.setattr("speecht5_cli.models.linear.has_onednn_on_amd", torch.backends.mkldnn.is_available)
    folder = tmp_path / "model"
    shutil.copytree(source / "model", folder)
    model = restore(folder, precision=precision)
    before = encoded(model)
    with (folder / MODEL).open("r+b") as file:  # in place: another file under that name would leave this one as it is
        file.seek(-(folder / MODEL).stat().st_size // 2, os.SEEK_END)
        file.write(bytes((folder / MODEL).stat().st_size // 2))
    assert not torch.equal(read_tensors(folder / MODEL)[last := max(weights(source))], weights(source)[last])
    assert torch.equal(encoded(model), before)


def encoded(restored: Restored) -> Tensor:
    wave = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
    with restored.inference():
        return restored.model.encode_speech(wave, torch.tensor([8000])).states


def test_weights_of_half_the_width(source: Path, tmp_path: Path) -> None:
    """A file in half precision makes a model in single precision."""
    folder = tmp_path / "model"
    shutil.copytree(source / "model", folder)
    write_tensors(folder / MODEL, {name: tensor.half() for name, tensor in weights(source).items()})
    assert {weight.dtype for weight in restore(folder).model.parameters()} == {torch.float32}


def test_layers(source: Path, tiny_corpus: TinyCorpus) -> None:
    """Each wave by itself, and the layer that was asked for."""
    rng = torch.Generator().manual_seed(0)
    waves = [(0.1 * torch.randn(n, generator=rng)).numpy() for n in (8000, 3000)]
    first, last = layer_extractor(source, 1), layer_extractor(source, 2)
    assert [row.shape for row in first(waves)] == [(24, 32), (9, 32)]
    assert abs(first(waves)[1] - first(waves[1:])[0]).max() < 1e-4
    assert abs(first(waves)[0] - last(waves)[0]).max() > 1e-2
    with pytest.raises(CheckpointError, match="has encoder layers 1 to 2, not 3"):
        layer_extractor(source, 3)


def test_the_alphabet_of_these_tests() -> None:
    assert len(LETTERS) == 6  # the vocabularies above count on it
