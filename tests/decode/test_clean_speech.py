"""Enhancement frame by frame: the decoder reads the noisy log-mel at its own place and speaks on top of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from speecht5_recipes import se
from tiny import XVECTOR_DIM, TinyCorpus, tiny_net, tiny_tree
from torch import Tensor

from speecht5_cli.commands.checkpoint import Target, export
from speecht5_cli.data.assets import Assets
from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.data.features import log_mel
from speecht5_cli.data.predicted_mels import LogMelFolder
from speecht5_cli.data.rows import UtteranceRows
from speecht5_cli.decode.options import SpeechGeneration
from speecht5_cli.decode.speech import generate_in_place
from speecht5_cli.errors import CheckpointError, DataError
from speecht5_cli.models.speecht5 import Encoded, SpeechT5
from speecht5_cli.plugins import Hypothesis, load_task
from speecht5_cli.train.config import run_config
from speecht5_cli.train.forced_mels import Request, write_forced_mels
from speecht5_cli.train.restore import restore
from speecht5_cli.train.run import run

LENS = [11, 24, 6]  # mel frames, of 3 a decoder step
IDS = ["a", "b", "c"]


@pytest.fixture(scope="module")
def net() -> SpeechT5:
    return tiny_net(seed=2, reduction=3, prenet_dropout=0.5).double()


@pytest.fixture(scope="module")
def encoded() -> Encoded:
    torch.manual_seed(3)
    pad = torch.arange(20) >= torch.tensor([9, 20, 5])[:, None]
    return Encoded(torch.randn(3, 20, 32).double(), pad)


@pytest.fixture(scope="module")
def noisy() -> Tensor:
    return torch.randn(3, max(LENS), 80, generator=torch.Generator().manual_seed(1)).double()


VOICES = torch.randn(3, XVECTOR_DIM, generator=torch.Generator().manual_seed(4)).double()


@torch.no_grad()
def test_what_is_said_is_added(encoded: Encoded, noisy: Tensor) -> None:
    silent = tiny_net(seed=2, reduction=3).double()
    for weights in silent.speech_decoder_postnet.mel.parameters():
        weights.zero_()
    cut = noisy[:, :-1]  # 23 frames are 7 whole steps
    spoken = silent.decode_speech(torch.zeros_like(cut), torch.tensor(LENS), encoded, VOICES, noisy=cut)
    assert torch.equal(spoken.before, noisy[:, :21])
    assert spoken.after.shape == spoken.before.shape


@torch.no_grad()
def test_a_step_hears_its_own_frame_and_none_behind_it(encoded: Encoded, noisy: Tensor) -> None:
    quiet = tiny_net(seed=2, reduction=3, prenet_dropout=0.0).double()
    lens = torch.tensor([24, 24, 24])
    other = noisy.clone()
    other[:, 14] += 1.0  # the last frame of the fifth step
    first, second = (quiet.decode_speech(mel, lens, encoded, VOICES, noisy=mel).before for mel in (noisy, other))
    assert torch.equal(first[:, :12], second[:, :12])
    beside = [12, 13]  # of the same step: what is said of them has changed, they have not
    assert (first[:, beside] - second[:, beside]).abs().amax((1, 2)).min() > 1e-4


@torch.no_grad()
def test_the_same_whatever_the_batch(net: SpeechT5, encoded: Encoded, noisy: Tensor) -> None:
    lens, options = torch.tensor(LENS), SpeechGeneration(seed=5)
    together = generate_in_place(net, encoded, VOICES, noisy, lens, options, ids=IDS, heads=2)
    for row, n_frames in enumerate(LENS):
        own, heard, whole = slice(row, row + 1), int(encoded.lens[row]), -(-n_frames // 3) * 3
        alone = Encoded(encoded.states[own, :heard], encoded.pad[own, :heard])
        (single,) = generate_in_place(net, alone, VOICES[own], noisy[own, :whole], lens[own], options, ids=[IDS[row]])
        assert len(together[row].mel) == len(single.mel) == n_frames
        torch.testing.assert_close(together[row].mel, single.mel, atol=1e-6, rtol=1e-6)
        assert together[row].stopped == "input length"
        attention = together[row].attention
        assert attention is not None and attention.shape == (1, 2, whole // 3, 20)


# --- the task ---


@pytest.fixture(scope="module")
def pairs(tiny_corpus: TinyCorpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tones and, as what goes in, the tones in noise."""
    root, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for name, source in (("train", tiny_corpus.train), ("dev", tiny_corpus.dev)):
        tables = {table: DataDir(source).table(table) for table in ("utt2spk", "utt2dur", "xvector.scp")}
        tables["target.scp"], tables["wav.scp"] = DataDir(source).table("wav.scp"), {}
        rows = UtteranceRows([source], ["wav.scp"])
        for row in map(rows.row, range(len(rows))):
            wave = row.audio()
            path = root / "noisy" / f"{row.id}.wav"
            write_audio(path, wave + 0.05 * rng.standard_normal(len(wave)).astype(np.float32))
            tables["wav.scp"][row.id] = str(path)
        write_tables(root / name, tables)
    return {"train": root / "train", "dev": root / "dev"}


def settings(corpus: TinyCorpus, pairs: dict[str, Path], *words: str, **task: Any) -> Any:
    own = (f"data.train={pairs['train']}", f"data.dev={pairs['dev']}", "model.prenet_dropout=0.5")
    tree = tiny_tree(corpus, "se", *own, *words) | {"se": task or {"decoder_input": "source"}}
    return run_config(load_task("se"), tree)


@pytest.fixture(scope="module")
def cleaner(tiny_corpus: TinyCorpus, pairs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    exp = tmp_path_factory.mktemp("exp") / "se"
    words = ("train.max_steps=60", "train.validate_every=60", "train.save_every_steps=60", "optim.lr=5e-3")
    mixing = {"share": 0.3, "kinds": ["white", "babble"], "talkers": [str(tiny_corpus.train)]}
    run(load_task("se"), settings(tiny_corpus, pairs, *words, decoder_input="source", mixing=mixing), exp)
    return exp


def enhanced(model: Path, data: Path) -> list[Hypothesis]:
    restored = restore(model)
    _, batches = restored.read(data, batch_seconds=60.0)
    with restored.inference():
        results = [restored.plugin.predict(restored.model, batch, restored.cfg, restored.assets) for batch in batches]
    return [one for some in results for one in some]


def test_it_learns_what_to_take_away(cleaner: Path, pairs: dict[str, Path]) -> None:
    """Nearer to the clean log-mel than the noisy one is, and as long."""
    by_id = {one.id: one for one in enhanced(cleaner, pairs["dev"])}
    rows = UtteranceRows([pairs["dev"]], ["wav.scp", "target.scp"])
    before, after = [], []
    for row in map(rows.row, range(len(rows))):
        noisy, true, cleaned = log_mel(row.audio()), log_mel(row.audio("target.scp")), by_id[row.id].value
        assert cleaned.shape == noisy.shape
        assert by_id[row.id].stopped == "input length"
        before.append(np.abs(noisy - true).mean())
        after.append(np.abs(cleaned - true).mean())
    assert np.mean(after) < 0.7 * np.mean(before)


def test_as_long_as_the_input_step_by_step(tiny_corpus: TinyCorpus, pairs: dict[str, Path], tmp_path: Path) -> None:
    """Going on from what it said, too, whatever a model that learnt nothing thinks of the end."""
    words = ("train.max_steps=1", "train.validate_every=1", "train.decode_dev=0")
    run(load_task("se"), settings(tiny_corpus, pairs, *words, length="input"), tmp_path / "se")
    rows = UtteranceRows([pairs["dev"]], ["wav.scp"])
    n_frames = {row.id: len(log_mel(row.audio())) for row in map(rows.row, range(len(rows)))}
    for one in enhanced(tmp_path / "se", pairs["dev"]):
        assert one.stopped == "input length"
        assert len(one.value) == n_frames[one.id] // 2 * 2


def test_a_vocoder_learns_from_what_comes_out(cleaner: Path, pairs: dict[str, Path], tmp_path: Path) -> None:
    """By teacher forcing there is nothing else to read, so it is what decoding says."""
    write_forced_mels(Request(cleaner, pairs["dev"], 60.0, False), tmp_path / "mels")
    forced = LogMelFolder(tmp_path / "mels")
    for one in enhanced(cleaner, pairs["dev"]):
        mel = forced.read(one.id)
        assert len(one.value) - len(mel) in (0, 1)
        np.testing.assert_allclose(mel[:-8], one.value[: len(mel) - 8], atol=1e-4)  # decoding fills the last step up


@pytest.mark.parametrize("seconds", [0.003, 0.1, 45.0])
def test_any_length(cleaner: Path, pairs: dict[str, Path], tmp_path: Path, seconds: float) -> None:
    rng = np.random.default_rng(1)
    wave = (0.1 * rng.standard_normal(int(16000 * seconds))).astype(np.float32)
    wave[len(wave) // 2 : len(wave) // 2 + 8000] = 0.0
    write_audio(tmp_path / "long.wav", wave)
    vector = DataDir(pairs["dev"]).table("xvector.scp")
    tables = {"wav.scp": {"long": str(tmp_path / "long.wav")}, "utt2spk": {"long": "long"}}
    write_tables(tmp_path / "data", tables | {"xvector.scp": {"long": next(iter(vector.values()))}})
    (said,) = enhanced(cleaner, tmp_path / "data")
    assert said.stopped == "input length"
    assert len(said.value) == 1 + max(len(wave), 400) // 256  # in pieces, too


class _Pair:
    """A row whose sides differ in length."""

    id = "u7"

    def __init__(self, n_noisy: int, n_clean: int) -> None:
        self.sides = {"wav.scp": np.ones(n_noisy, np.float32), "target.scp": np.ones(n_clean, np.float32)}

    def __contains__(self, name: str) -> bool:
        return name == "target.scp"

    def audio(self, name: str = "wav.scp") -> np.ndarray:
        return self.sides[name]


def test_pairs_have_to_be_of_one_length(tiny_corpus: TinyCorpus, pairs: dict[str, Path], monkeypatch: Any) -> None:
    cfg = settings(tiny_corpus, pairs)
    monkeypatch.setattr(se, "voice_of", lambda row, assets, dim: np.ones(dim))
    read = se.task.example
    nearly: Any = _Pair(16000, 15900)
    example = read(nearly, cfg, Assets(Path()), None)
    assert len(example["noisy"][0]) == len(example["mel"]) == 63
    other: Any = _Pair(16000, 12000)
    with pytest.raises(DataError, match="utterance u7: 63 frames of noisy speech, 47 of clean speech"):
        read(other, cfg, Assets(Path()), None)


@pytest.mark.parametrize("toolkit", list(Target))
def test_no_other_toolkit_can_run_it(cleaner: Path, tmp_path: Path, toolkit: Target) -> None:
    with pytest.raises(CheckpointError, match=rf"se\.decoder_input is source, which no decoder of {toolkit.value}"):
        export(cleaner, tmp_path / "out", toolkit)
    assert not (tmp_path / "out").exists()
