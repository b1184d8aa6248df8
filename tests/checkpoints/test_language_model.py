"""The Transformer language model: against an independent implementation, step by step, and from fairseq's files."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_models import run, tensors
from torch import Tensor, nn

from speecht5_cli.data.assets import Assets
from speecht5_cli.data.vocabulary import Vocabulary
from speecht5_cli.decode.beam import Search, Weighted
from speecht5_cli.decode.language import Language, LanguageScorer
from speecht5_cli.errors import CheckpointError
from speecht5_cli.models.keymaps import FAIRSEQ_LANGUAGE, renamed
from speecht5_cli.models.linear import PackedLinear, pack
from speecht5_cli.models.lm import LanguageModel
from speecht5_cli.models.lm_config import LMConfig
from speecht5_cli.models.positions import concatenated_sinusoids
from speecht5_cli.train.checkpoint import write_model_folder
from speecht5_cli.train.fairseq_files import read_fairseq
from speecht5_cli.train.foreign import check

SMALL = LMConfig(d_model=16, layers=3, ffn_dim=40, heads=4)
SYMBOLS = 18  # as the original's, without <mask> and <ctc_blank>


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def model(cfg: LMConfig = SMALL) -> LanguageModel:
    torch.manual_seed(7)
    net = LanguageModel(cfg, SYMBOLS)
    for parameter in net.parameters():
        parameter.copy_(torch.randn(parameter.shape) * (0.5 if parameter.dim() > 1 else 0.2))
    return net.eval()


def test_a_large_vocabulary_of_its_own_is_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where layers are laid out for a processor, the output matrix is one, too."""
    monkeypatch.setattr("speecht5_cli.models.linear.LEAST_WEIGHTS", 1)
    plain, ours = model(), model()
    pack(ours)
    assert isinstance(ours.output, PackedLinear)
    tokens = torch.tensor([[2, 5, 6, 7], [2, 8, 9, 10]])
    torch.testing.assert_close(ours(tokens), plain(tokens), atol=1e-4, rtol=1e-4)


def test_against_torch() -> None:
    """The same weights in torch's own encoder layers, with a causal mask."""
    net, cfg = model(), SMALL
    layer = nn.TransformerEncoderLayer(
        cfg.d_model, cfg.heads, cfg.ffn_dim, 0.0, "gelu", batch_first=True, norm_first=True
    )
    stack = nn.TransformerEncoder(layer, cfg.layers, enable_nested_tensor=False).eval()
    for theirs, ours in zip(stack.layers, net.layers):
        attention = ours.attention
        parts = (attention.query, attention.key, attention.value)
        theirs.self_attn.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.self_attn.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.self_attn.out_proj.load_state_dict(attention.out.state_dict())
        theirs.linear1.load_state_dict(ours.ffn.inner.state_dict())
        theirs.linear2.load_state_dict(ours.ffn.outer.state_dict())
        theirs.norm1.load_state_dict(ours.attention_norm.state_dict())
        theirs.norm2.load_state_dict(ours.ffn_norm.state_dict())
    tokens = torch.tensor([[2, 5, 9, 4, 11], [2, 17, 4, 4, 6]])
    x = net.symbols.weight[tokens] * 4.0 + concatenated_sinusoids(7, cfg.d_model)[2:]
    x = stack(x, mask=nn.Transformer.generate_square_subsequent_mask(5), is_causal=True)
    torch.testing.assert_close(net(tokens), net.norm(x) @ net.output.weight.t(), atol=1e-5, rtol=1e-5)


def test_against_transformers() -> None:
    """XGLM is fairseq's language model in Hugging Face's code."""
    transformers = pytest.importorskip("transformers")
    cfg = LMConfig(d_model=16, layers=2, ffn_dim=40, heads=4, tied=True)
    net = model(cfg)
    other = transformers.XGLMForCausalLM(
        transformers.XGLMConfig(
            vocab_size=SYMBOLS, d_model=16, num_layers=2, ffn_dim=40, attention_heads=4, layerdrop=0.0, pad_token_id=1
        )
    ).eval()
    state = other.state_dict()
    for name, tensor in net.state_dict().items():
        theirs = str(renamed(name, FAIRSEQ_LANGUAGE)).replace("decoder.", "model.")
        assert state[theirs].shape == tensor.shape
        state[theirs].copy_(tensor)
    tokens = torch.tensor([[2, 5, 9, 4, 11, 7]])
    torch.testing.assert_close(net(tokens), other(tokens).logits, atol=1e-5, rtol=1e-5)


def test_step_by_step() -> None:
    """With a memory, and beams that are exchanged and dropped, as with the whole prefix."""
    net = model()
    cache = net.start(1)
    rows = torch.tensor([[2], [2], [2], [2]])
    generator = torch.Generator().manual_seed(1)
    for step in range(70):  # beyond the first room
        torch.testing.assert_close(net.next(rows[:, -1], cache), net(rows)[:, -1], atol=1e-4, rtol=1e-4)
        order = torch.randint(0, len(rows), (3 if step == 40 else len(rows),), generator=generator)
        cache.reorder(order)
        rows = torch.cat([rows[order], torch.randint(3, SYMBOLS, (len(order), 1), generator=generator)], dim=1)


def test_pads_behind_do_not_matter() -> None:
    net = model()
    tokens = torch.tensor([[2, 5, 9, 1, 1]])
    torch.testing.assert_close(net(tokens)[:, :3], net(tokens[:, :3]))


def test_in_a_search() -> None:
    """A search with nothing but the model finds the model's own likeliest continuations."""
    net = model()
    symbols = tuple(f"s{i}" if i != 3 else "<unk>" for i in range(SYMBOLS))
    scorer = LanguageScorer(Language(net, symbols), (*symbols, "<mask>", "<ctc_blank>"), n_utterances=2)
    forbidden = (1, SYMBOLS, SYMBOLS + 1)
    search = Search(
        [Weighted(scorer, 1.0)], torch.tensor([6, 4]), beam=3, eos=2, forbidden=forbidden, length_penalty=0.0
    )
    for found in search.run():
        tokens = [*found[0].tokens, 2]
        log_p = net(torch.tensor([[2, *tokens[:-1]]])).log_softmax(-1)[0]
        assert found[0].score == pytest.approx(sum(float(log_p[i, t]) for i, t in enumerate(tokens)), abs=1e-3)


def saved(net: LanguageModel, path: Path, **options: Any) -> dict[str, Tensor]:
    """As fairseq writes it."""
    state = {str(renamed(name, FAIRSEQ_LANGUAGE)): tensor for name, tensor in net.state_dict().items()}
    if net.cfg.tied:
        state["decoder.output_projection.weight"] = state["decoder.embed_tokens.weight"]
    state |= {"decoder.version": torch.tensor([3.0]), "decoder.embed_positions._float_tensor": torch.zeros(1)}
    known = {"decoder_attention_heads": 4, "activation_fn": "gelu", "decoder_normalize_before": True, "dropout": 0.1}
    cfg = {"model": Namespace(**(known | options)), "task": Namespace(task="language_modeling")}
    torch.save({"cfg": cfg, "args": None, "model": state}, path)
    return state


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_from_fairseq(tmp_path: Path, tied: bool, activation: str) -> None:
    cfg = LMConfig(d_model=16, layers=3, ffn_dim=40, heads=4, tied=tied, activation=activation)  # type: ignore[arg-type]
    net = model(cfg)
    saved(net, tmp_path / "lm.pt", activation_fn=activation, no_scale_embedding=False)
    foreign = read_fairseq(tmp_path / "lm.pt")
    check(foreign)
    again = foreign.net()
    again.load_state_dict(foreign.weights)
    tokens = torch.tensor([[2, 5, 9, 4]])
    torch.testing.assert_close(again.eval()(tokens), net(tokens))
    assert isinstance(again, LanguageModel) and again.n_symbols == SYMBOLS and again.cfg.tied == tied
    assert foreign.unused == {
        "never used by the original": ["decoder.version", "decoder.embed_positions._float_tensor"]
    }


def test_info(tmp_path: Path) -> None:
    saved(model(), tmp_path / "lm.pt")
    said = run("info", tmp_path / "lm.pt")
    assert "checkpoint of fairseq's, language_modeling" in said and "layers 3" in said and "symbols 18" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder_normalize_before": False}, "decoder_normalize_before = False"),
        ({"decoder_learned_pos": True}, "decoder_learned_pos = True"),
        ({"adaptive_softmax_cutoff": "10000,50000"}, "adaptive_softmax_cutoff"),
        ({"activation_fn": "swish"}, "activation_fn = 'swish'"),
        ({"decoder_attention_heads": 3}, "decoder_attention_heads is 3"),
    ],
)
def test_other_nets(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    saved(model(), tmp_path / "lm.pt", **options)
    with pytest.raises(CheckpointError, match=message):
        read_fairseq(tmp_path / "lm.pt")


def test_bad_tensors(tmp_path: Path) -> None:
    state = saved(model(), tmp_path / "lm.pt")
    bad = {
        "decoder.layers.1.fc1.bias has shape": {"decoder.layers.1.fc1.bias": torch.ones(3)},
        r"decoder.layers.*: the layers are not numbered": {"decoder.layers.7.fc1.bias": torch.ones(40)},
        "tensors that no": {"decoder.project_in_dim.weight": torch.ones(2)},
    }
    for message, change in bad.items():
        torch.save(
            {"cfg": None, "args": Namespace(decoder_attention_heads=4), "model": state | change}, tmp_path / "a.pt"
        )
        with pytest.raises(CheckpointError, match=message):
            check(read_fairseq(tmp_path / "a.pt"))


@pytest.mark.parametrize("tied", [False, True])
def test_back_to_fairseq(tmp_path: Path, tied: bool) -> None:
    net = model(LMConfig(d_model=16, layers=3, ffn_dim=40, heads=4, tied=tied))
    theirs = saved(net, tmp_path / "lm.pt")
    foreign = read_fairseq(tmp_path / "lm.pt")
    vocabulary = Vocabulary.of_pieces([f"s{i}" for i in range(SYMBOLS - 4)])  # two more than the model has rows
    assert foreign.fits(vocabulary)
    assets = Assets(tmp_path / "assets")
    vocabulary.save(assets.folder / "vocab.txt")
    tree = {"name": "lm", "model": foreign.tree(), "lm": {}}
    write_model_folder(tmp_path / "model", foreign.weights, tree, assets)
    run("export", "--to", "fairseq", tmp_path / "model", tmp_path / "back")
    back = tensors(tmp_path / "back" / "checkpoint.pt")
    assert back.keys() == theirs.keys() and all(torch.equal(back[name], theirs[name]) for name in theirs)
    assert (tmp_path / "back" / "dict.txt").read_text().splitlines() == [f"s{i} 1" for i in range(SYMBOLS - 4)]
    assert read_fairseq(tmp_path / "back" / "checkpoint.pt").tree() == foreign.tree()
