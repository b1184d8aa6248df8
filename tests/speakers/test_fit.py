"""Training an x-vector net on generated speakers."""

import numpy as np
import pytest

from speecht5_cli.data.audio import AudioRef, read_audio
from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.data.speaker_crops import Crop, Recording, draw_crops, held_out, read_crops, recordings_of
from speecht5_cli.errors import ConfigError, DataError, TrainingError

SIZES = {"channels": [16, 16, 16, 16, 32], "dim": 24}


def config(**settings: object) -> object:
    from speecht5_cli.config import from_tree
    from speecht5_cli.train.xvector import XVectorConfig

    tree = {"net": SIZES, "steps": 120, "batch_size": 16, "crop_min_s": 0.2, "crop_max_s": 0.3, "lr": 5e-3}
    return from_tree(XVectorConfig, {**tree, "held_out": 0.25, **settings})


@pytest.fixture(scope="module")
def recordings(make_dir) -> list[Recording]:
    return recordings_of([make_dir("fit")])


def test_a_net_learns_voices(recordings: list[Recording]) -> None:
    from speecht5_cli.train.xvector import fit

    lines: list[str] = []
    net, scores = fit(recordings, config(), report=lines.append)
    assert (scores.n_speakers, scores.n_train, scores.n_held_out, scores.n_trials) == (4, 24, 8, 28)
    # One of the 8 may be missed, where another processor rounds otherwise; chance is 0.25 and 0.5.
    assert scores.accuracy is not None and scores.accuracy >= 0.8
    assert scores.eer is not None and scores.eer <= 0.15
    assert lines[0] == "4 speakers, 24 utterances to train on, 8 held out"
    assert lines[-1].startswith("step 120 of 120: loss ")
    assert not net.training


def test_the_seed_decides_everything(recordings: list[Recording]) -> None:
    from speecht5_cli.train.xvector import fit

    def losses(seed: int) -> list[str]:
        lines: list[str] = []
        fit(recordings, config(steps=3, seed=seed), report=lines.append)
        return lines[1:]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_without_held_out_utterances_nothing_is_measured(recordings: list[Recording]) -> None:
    from speecht5_cli.train.xvector import fit

    _, scores = fit(recordings, config(steps=1, held_out=0), report=lambda line: None)
    assert (scores.n_held_out, scores.accuracy, scores.eer, scores.n_trials) == (0, None, None, 0)


def test_a_loss_that_is_not_finite_stops(recordings: list[Recording]) -> None:
    from speecht5_cli.train.xvector import fit

    with pytest.raises(TrainingError, match=r"step \d+: the loss is nan; a lower lr"):
        fit(recordings, config(lr=1e30), report=lambda line: None)


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="crop_min_s"):
        config(crop_min_s=0.4)
    with pytest.raises(ConfigError, match=r"crop_min_s 0.02 is too short: the net needs 480 samples"):
        config(crop_min_s=0.02)
    with pytest.raises(ConfigError, match="held_out"):
        config(held_out=1)
    with pytest.raises(ConfigError, match=r"config.net: channels, kernel_sizes"):
        config(net={"channels": [8]})


def test_held_out_is_a_share_of_each_speaker() -> None:
    all_ = [Recording(f"{s}-{i}", s, AudioRef("x"), 1.0) for s, n in (("a", 10), ("b", 2), ("c", 1)) for i in range(n)]
    train, held = held_out(all_, 0.15, np.random.default_rng(0))
    assert [r.speaker for r in held] == ["a", "a", "b"]
    assert sorted(train + held, key=lambda r: r.utterance) == sorted(all_, key=lambda r: r.utterance)
    assert held_out(all_, 0.0, np.random.default_rng(0))[1] == []


def test_crops_lie_inside_and_speakers_are_drawn_alike(recordings: list[Recording]) -> None:
    lonely = [r for r in recordings if r.speaker != "s0"] + [r for r in recordings if r.speaker == "s0"][:1]
    lonely.sort(key=lambda r: r.speaker)
    draws = draw_crops(lonely, np.random.default_rng(0), batch_size=400, min_s=0.2, max_s=0.3)
    batch = next(draws)
    assert len({crop.n_samples for crop in batch}) == 1 and 3200 <= batch[0].n_samples <= 4800
    assert all(crop.start_s + crop.n_samples / 16000 <= crop.recording.duration_s + 1e-4 for crop in batch)
    assert np.bincount([crop.label for crop in batch]).min() > 70  # of 100
    waves, labels = next(iter(read_crops([batch[:3]])))
    whole = read_audio(batch[1].recording.ref)
    start = round(batch[1].start_s * 16000)
    np.testing.assert_array_equal(waves[1], whole[start : start + batch[1].n_samples])
    assert labels.tolist() == [crop.label for crop in batch[:3]]


def test_a_short_recording_is_repeated(recordings: list[Recording]) -> None:
    whole = recordings[0].read()
    crop = Crop(recordings[0], 0.0, 3 * len(whole), 0).read()
    np.testing.assert_array_equal(crop, np.tile(whole, 3))


def test_all_batches_are_read_in_order(recordings: list[Recording]) -> None:
    batches = [[Crop(recordings[0], 0.0, 100, label)] for label in range(7)]
    assert [labels.tolist() for _, labels in read_crops(batches)] == [[i] for i in range(7)]


def test_what_cannot_be_learnt_from_is_refused(make_dir, tmp_path) -> None:
    data = make_dir("refused", n_speakers=2, n_each=2)
    wav = data.table("wav.scp")
    alone = write_tables(tmp_path / "alone", {"wav.scp": wav, "utt2spk": dict.fromkeys(wav, "me")})
    with pytest.raises(DataError, match="one speaker only"):
        recordings_of([alone])
    unnamed = write_tables(tmp_path / "unnamed", {"wav.scp": wav, "utt2spk": {u: u for u in wav}})
    with pytest.raises(DataError, match=r"each of the 4 utterances has a speaker of its own.*embedding works without"):
        recordings_of([unnamed])
    with pytest.raises(DataError, match="'s0-00' is also in another of the dirs"):
        recordings_of([data, DataDir(data.path)])
