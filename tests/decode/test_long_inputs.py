"""A long recording or text goes through a model piece by piece, a few at a time, with the same outcome."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import XVECTOR_DIM, TinyCorpus, random_text, spoken, tiny_tree

from speecht5_cli.config import Tree
from speecht5_cli.data.assets import Assets
from speecht5_cli.data.batch import Batch, parts
from speecht5_cli.data.rows import GivenRow
from speecht5_cli.plugins import load_task
from speecht5_cli.train.config import run_config

SEARCH: Tree = {"longest_s": 1.0, "overlap_s": 0.2, "beam": 2, "min_tokens": 4}
GENERATION: Tree = {"min_ratio": 1.0, "max_ratio": 2.0}
BLOCKS: dict[str, Tree] = {
    "asr": {"decode": {**SEARCH, "timings": True}},
    "st": {"decode": SEARCH},
    "tts": {"longest_text": 8, "decode": GENERATION},
    "vc": {"longest_s": 1.0, "decode": GENERATION},
    "se": {"longest_s": 1.0, "decode": GENERATION},
    "se by length": {"longest_s": 1.0, "length": "input"},
    "se in place": {"longest_s": 1.0, "decoder_input": "source"},
}


def long_row(rng: np.random.Generator, *, text: bool) -> GivenRow:
    """Ten sentences, or five seconds of tones; and a voice."""
    said = " ".join(f"{random_text(rng)}." for _ in range(10))
    wave = np.concatenate([spoken(random_text(rng), pitch=1.0, rng=rng)[0] for _ in range(20)])[:80_000]
    return GivenRow(
        "a",
        {"text": said} if text else {},
        {},
        waves={} if text else {"wav.scp": wave},
        vectors={"xvector.scp": np.ones(XVECTOR_DIM, np.float32)},
    )


@pytest.mark.parametrize("case", BLOCKS)
def test_a_few_at_a_time(tiny_corpus: TinyCorpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    task = case.split()[0]
    plugin = load_task(task)
    vocabulary = {"vocabulary": str(tiny_corpus.vocabulary)} if task in ("asr", "st", "tts") else {}
    cfg = run_config(plugin, tiny_tree(tiny_corpus, task) | {task: {**BLOCKS[case], **vocabulary}})
    assets = Assets.gather(plugin.assets(cfg), tmp_path / "assets")
    torch.manual_seed(3)
    model: Any = plugin.build(cfg, assets).eval()
    for parameter in model.parameters():  # fresh weights say nothing
        parameter.data += 0.1 * torch.randn_like(parameter)
    row = long_row(np.random.default_rng(0), text=task == "tts")
    batch = plugin.collate([plugin.example(row, cfg, assets, None) | {"id": "a"}], cfg, None)
    sizes: list[int] = []
    for name in ("encode_speech", "encode_text"):
        monkeypatch.setattr(model, name, counted(getattr(model, name), sizes))
    said = {}
    for seconds in (100.0, 2.5):
        sizes.clear()
        limited = replace(cfg, data=replace(cfg.data, batch_seconds=seconds))
        with torch.inference_mode():
            (said[seconds],) = plugin.predict(model, batch, limited, assets)
        assert len(sizes) == 1 if seconds == 100.0 else len(sizes) > 1 and max(sizes) <= 5  # of half a second and more
    once, often = said.values()
    assert (once.id, once.stopped, once.details) == (often.id, often.stopped, often.details)
    if plugin.output == "text":
        assert (once.value, once.value != "") == (often.value, True)
    else:
        assert len(once.value) > 20
        np.testing.assert_allclose(once.value, often.value, atol=1e-4, rtol=1e-4)


def counted(encode: Any, sizes: list[int]) -> Any:
    """`encode`, noting how many rows it is given."""

    def wrapped(first: Any = None, **more: Any) -> Any:
        sizes.append(len(more["wav"] if first is None else first))
        return encode(**more) if first is None else encode(first, **more)

    return wrapped


def test_an_ordinary_batch_is_read_as_it_is() -> None:
    """The very tensors, so that tuning knows a batch that it has encoded already."""
    batch = Batch(["a", "b"], {"wav": torch.zeros(2, 32_000), "wav_lens": torch.tensor([32_000, 20_000])})
    (only,) = batch.speech_parts(4.0)
    assert only["wav"] is batch["wav"] and only["mask"] is None
    assert [len(part["wav"]) for part in batch.speech_parts(3.9)] == [2]  # to a row
    assert [len(part["wav"]) for part in batch.speech_parts(2.0)] == [1, 1]


def test_parts() -> None:
    assert [list(range(10)[rows]) for rows in parts(10, 2.0, 7.0)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(parts(0, 2.0, 7.0)) == []
