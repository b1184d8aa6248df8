"""Pieces that the examples and batches of several tasks are made of."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speecht5_cli.data.assets import Assets, Initial, Source
from speecht5_cli.data.corruption import SpanMask
from speecht5_cli.data.examples import (
    MIN_SAMPLES,
    crops,
    in_pieces,
    long_enough,
    speaking_weights,
    speech_in,
    speech_out,
    speech_to_speech,
    text_out,
    voice_of,
)
from speecht5_cli.data.frames import n_unit_frames
from speecht5_cli.data.rows import Row
from speecht5_cli.errors import CheckpointError, DataError
from speecht5_cli.models.config import ModelConfig

NO_MASK = SpanMask(prob=0.0, length=10)


def test_a_sound_has_at_least_one_frame() -> None:
    assert n_unit_frames(len(long_enough(np.ones(3, np.float32)))) == 1
    assert long_enough(np.ones(3, np.float32)).sum() == 3
    assert len(long_enough(np.ones(MIN_SAMPLES + 5))) == MIN_SAMPLES + 5


def test_speech_in() -> None:
    waves = [np.ones(16_000, np.float32), np.ones(8_000, np.float32)]
    spans = {"time_mask": SpanMask(prob=0.5, length=4, min_spans=1), "channel_mask": SpanMask(prob=0.5, length=4)}
    still = speech_in(waves, **spans, channels=32, rng=None)
    assert still.keys() == {"wav", "wav_lens"}
    assert still["wav_lens"].tolist() == [16_000, 8_000]
    assert still["wav"][1, 8_000:].abs().sum() == 0
    masked = speech_in(waves, **spans, channels=32, rng=np.random.default_rng(0))
    assert (masked["mask"].shape, masked["channel_mask"].shape) == ((2, 49), (2, 32))
    assert not masked["mask"][1, n_unit_frames(8_000) :].any()
    assert "mask" not in speech_in(
        waves, time_mask=NO_MASK, channel_mask=NO_MASK, channels=32, rng=np.random.default_rng(0)
    )


def test_text_out() -> None:
    tensors = text_out([{"tokens": [5, 6]}, {"tokens": []}])
    assert tensors["shifted"].tolist() == [[2, 5, 6], [2, 1, 1]]
    assert tensors["target"].tolist() == [[5, 6, 2], [2, 1, 1]]
    assert tensors["target_lens"].tolist() == [3, 1]


def example(n_samples: int) -> dict[str, np.ndarray]:
    """A ramp: what is at a place says where the place was."""
    n_mels, n_units = 1 + n_samples // 256, n_unit_frames(n_samples)
    return {
        "wav": np.arange(n_samples, dtype=np.float32),
        "mel": np.arange(n_mels, dtype=np.float32)[:, None] * 256,
        "units": np.arange(n_units) * 320,
    }


@pytest.mark.parametrize("longest", [20_000, 1_000_000])
def test_crops_are_the_same_piece_of_all_three(longest: int) -> None:
    rng = np.random.default_rng(0)
    examples = [example(n) for n in (48_000, 32_000, 40_123)]
    starts = set()
    for _ in range(40):
        waves, mels, units = crops(examples, longest=longest, rng=rng)
        assert {len(wave) for wave in waves} == {min(longest, 32_000)}
        assert len({len(row) for row in units}) == 1
        for wave, mel, labels in zip(waves, mels, units):
            assert abs(mel[0, 0] - wave[0]) <= 512
            assert abs(labels[0] - wave[0]) <= 160
            assert abs(len(mel) - len(wave) / 256) <= 2
        starts.add(float(waves[0][0]))
    assert len(starts) > 20


def test_without_a_generator_crops_are_the_beginning() -> None:
    waves, mels, units = crops([example(48_000), example(32_000)], longest=10**6, rng=None)
    assert [wave[0] for wave in waves] == [mel[0, 0] for mel in mels] == [row[0] for row in units] == [0, 0]


def test_labels_that_end_early_shorten_the_batch() -> None:
    short = {**example(32_000), "units": example(32_000)["units"][:-3]}
    _, _, units = crops([example(48_000), short], longest=10**6, rng=None)
    assert [len(row) for row in units] == [n_unit_frames(32_000) - 3] * 2


def test_speech_out_is_cut_to_whole_steps() -> None:
    tensors = speech_out([np.ones((7, 80)), np.ones((4, 80))], [np.ones(8), np.ones(8)], reduction=2)
    assert tensors["mel_lens"].tolist() == [6, 4]
    assert tensors["mel"].shape == (2, 6, 80)
    weights = speaking_weights(tensors, tensors["mel_lens"] * 10, reduction=2)
    assert weights == {"l1": 10.0, "stop": 10.0, "guided": 3 * 60.0 + 2 * 40.0}


def test_pieces_know_their_owner() -> None:
    one, two, three = np.ones(1), np.ones(2), np.ones(3)
    pieces, owners = in_pieces([[one, two], [], [three]])
    assert [len(piece) for piece in pieces] == [1, 2, 3]
    assert owners.tolist() == [0, 0, 2]


def test_speech_to_speech() -> None:
    model = ModelConfig.of_size("tiny", reduction=2)
    waves = [np.ones(n, np.float32) for n in (16_000, 8_000, 12_000)]
    examples: list[dict[str, Any]] = [
        {"id": "a", "pieces": waves[:2], "xvector": np.ones(8, np.float32)},
        {"id": "b", "pieces": waves[2:], "xvector": np.zeros(8, np.float32)},
    ]
    batch = speech_to_speech(examples, model, time_mask=NO_MASK, channel_mask=NO_MASK, rng=None)
    assert (batch.ids, batch["owners"].tolist(), batch.weights) == (["a", "b"], [0, 0, 1], {})
    assert "mel" not in batch
    pairs = [{**item, "pieces": item["pieces"][:1], "mel": np.ones((9, 80), np.float32)} for item in examples]
    batch = speech_to_speech(pairs, model, time_mask=NO_MASK, channel_mask=NO_MASK, rng=None)
    steps = 4 * (n_unit_frames(16_000) + n_unit_frames(12_000))
    assert batch.weights == {"l1": 16.0, "stop": 16.0, "guided": float(steps)}


def test_the_voice_of_an_utterance(tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.array([3.0, 4.0]))
    row = Row("a-1", {"xvector.scp": str(tmp_path / "own.npy")}, {})
    assert voice_of(row, Assets(tmp_path), dim=2) == pytest.approx([0.6, 0.8])
    with pytest.raises(DataError, match=r"utterance a-1: .* 2 values, expected 512"):
        voice_of(row, Assets(tmp_path), dim=512)
    (tmp_path / "voices").mkdir()
    np.save(tmp_path / "voices" / "default.npy", np.array([0.0, 2.0]))
    assert voice_of(Row("a-2", {}, {}), Assets(tmp_path), dim=2).tolist() == [0.0, 1.0]
    with pytest.raises(DataError, match="no default voice"):
        voice_of(Row("a-2", {}, {}), Assets(tmp_path / "none"), dim=2)


# --- assets ---


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_assets_are_gathered_from_files_functions_and_the_initial_model(tmp_path: Path) -> None:
    initial = Assets(write(tmp_path / "old" / "vocab.txt", "old").parent)
    write(tmp_path / "old" / "voices" / "x.npy", "x")
    sources: dict[str, Source] = {
        "a.txt": write(tmp_path / "a", "from a file"),
        "made.txt": lambda place: place.write_text("made"),
        "vocab.txt": Initial.NEEDED,
        "voices": Initial.IF_THERE,
        "spm.model": Initial.IF_THERE,
    }
    for _ in range(2):  # a resumed run gathers them again
        assets = Assets.gather(sources, tmp_path / "new", initial=initial)
    assert assets.read("a.txt", Path.read_text) == "from a file"
    assert assets.read("made.txt", Path.read_text) == "made"
    assert assets.read("vocab.txt", Path.read_text) == "old"
    assert (assets.path("voices") / "x.npy").read_text() == "x"
    assert "nothing" not in assets and "spm.model" not in assets
    with pytest.raises(CheckpointError, match="no 'nothing', which this task needs"):
        assets.path("nothing")


def test_assets_without_an_initial_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"'vocab\.txt' is not given, and there is no initial model"):
        Assets.gather({"vocab.txt": Initial.NEEDED}, tmp_path / "new")
    with pytest.raises(CheckpointError, match="no initial model to take it from"):
        Assets.gather({"vocab.txt": Initial.NEEDED}, tmp_path / "new", initial=Assets(tmp_path))
    assert "vocab.txt" not in Assets.gather({"vocab.txt": Initial.IF_THERE}, tmp_path / "other")


def test_an_asset_is_read_once(tmp_path: Path) -> None:
    assets = Assets(write(tmp_path / "a.txt", "first").parent)
    assert assets.read("a.txt", Path.read_text) == "first"
    (tmp_path / "a.txt").write_text("second")
    assert assets.read("a.txt", Path.read_text) == "first"
