"""Training a vocoder: it learns, resumes bit for bit, starts from another one, and refuses what does not fit."""

import os
import signal
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from speecht5_cli.config import from_tree, read_yaml, write_yaml
from speecht5_cli.data.archives import write_archive
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.features import LOG_MEL, LogMelSettings, mel_bank
from speecht5_cli.data.mel_segments import spoken_in
from speecht5_cli.data.tables import write_table
from speecht5_cli.decode.vocoder_folder import CONFIG, read_vocoder, write_vocoder
from speecht5_cli.decode.waveform import load_vocoder
from speecht5_cli.errors import ConfigError, TrainingError
from speecht5_cli.losses.vocoder import LogMelDistance, feature_distance, taken_for_recorded, told_apart
from speecht5_cli.models.discriminators import DiscriminatorConfig, Discriminators, Judgement
from speecht5_cli.models.vocoder import HifiGan, HifiGanConfig
from speecht5_cli.train import vocoder
from speecht5_cli.train.vocoder import VocoderConfig, mel_statistics
from speecht5_cli.train.vocoder_checkpoint import newest
from speecht5_cli.train.vocoder_run import VocoderSources, run_vocoder

TREE: dict = {
    "generator": {"channels": 16, "residual_kernels": [3], "residual_dilations": [[1, 3]]},
    "discriminators": {
        "periods": [2],
        "period_channels": [2, 4],
        "n_scales": 2,
        "scale_channels": [2] * 7,
        "scale_groups": [1] * 7,
    },
    "losses": {"adversarial_from": 2},
    "train": {"steps": 6, "batch_size": 2, "piece_frames": 8, "log_every": 2, "save_every_steps": 3, "held_out": 2},
}


def config(**train: object) -> VocoderConfig:
    return from_tree(VocoderConfig, {**TREE, "train": {**TREE["train"], **train}})


def weights(exp: Path) -> bytes:
    return (exp / "model/model.safetensors").read_bytes()


def test_it_learns(vowels: Path, tmp_path: Path) -> None:
    tree = {**TREE, "generator": {**TREE["generator"], "channels": 64}, "losses": {"adversarial_from": 50}}
    train = {**TREE["train"], "steps": 60, "lr": 4e-3, "save_every_steps": 30, "log_every": 20}
    run_vocoder(from_tree(VocoderConfig, {**tree, "train": train}), VocoderSources(data=(vowels,)), tmp_path)
    net, features = read_vocoder(tmp_path)
    assert features == LOG_MEL
    held = spoken_in([DataDir(vowels)])[:4]
    distance = LogMelDistance(torch.from_numpy(mel_bank(LogMelSettings(low_hz=0, high_hz=8000))), hop_samples=256)
    fresh = HifiGan(net.config)
    fresh.set_statistics(net.mean, net.scale)
    assert vocoder.measure(net, held, distance) < 0.6 * vocoder.measure(fresh, held, distance)
    log = (tmp_path / "train.log").read_text()
    assert "held out: mel" in log
    assert (tmp_path / "metrics.jsonl").read_text().count("dev") == 2


def test_an_interrupted_run_goes_on_bit_for_bit(vowels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = VocoderSources(data=(vowels,))
    run_vocoder(config(), sources, tmp_path / "whole")
    update, calls = vocoder._update, []

    def failing(*args: object) -> object:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return update(*args)

    monkeypatch.setattr(vocoder, "_update", failing)
    with pytest.raises(KeyboardInterrupt):
        run_vocoder(config(), sources, tmp_path / "cut")
    assert newest(tmp_path / "cut") == 3
    assert weights(tmp_path / "cut") != weights(tmp_path / "whole")
    run_vocoder(config(), sources, tmp_path / "cut")
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert len(calls) == 5 + 3
    assert "nothing to do" in run_vocoder(config(log_every=1), sources, tmp_path / "cut")
    assert (tmp_path / "cut/metrics.jsonl").read_text().count('"train"') == 3


def test_a_run_that_was_told_to_stop_ends_like_one(
    vowels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved, and with an exit code by which a chain of commands ends, unless it was at its end anyway."""
    update, calls = vocoder._update, []

    def told(*args: object) -> object:
        calls.append(1)
        if len(calls) in (2, 6):
            os.kill(os.getpid(), signal.SIGTERM)
        return update(*args)

    monkeypatch.setattr(vocoder, "_update", told)
    with pytest.raises(KeyboardInterrupt):
        run_vocoder(config(), VocoderSources(data=(vowels,)), tmp_path)
    assert newest(tmp_path) == 2
    assert run_vocoder(config(), VocoderSources(data=(vowels,)), tmp_path).endswith("a vocoder after 6 steps")
    assert len(calls) == 6


def test_a_setting_that_the_training_did_not_know_has_its_default(vowels: Path, tmp_path: Path) -> None:
    sources = VocoderSources(data=(vowels,))
    run_vocoder(config(steps=3), sources, tmp_path / "v")
    tree = read_yaml(tmp_path / "v" / CONFIG)
    del tree["train"]["lr"], tree["sources"]["side"]
    write_yaml(tmp_path / "v" / CONFIG, tree)
    assert "nothing to do" in run_vocoder(config(steps=3), sources, tmp_path / "v")
    assert "train.lr: 0.0002 -> 0.0001" in run_vocoder(config(steps=3, lr=1e-4), sources, tmp_path / "v")


def test_another_configuration_sets_the_old_experiment_aside(vowels: Path, tmp_path: Path) -> None:
    sources = VocoderSources(data=(vowels,))
    run_vocoder(config(steps=3), sources, tmp_path / "v")
    said = run_vocoder(config(steps=3, lr=1e-4), sources, tmp_path / "v")
    assert "train.lr: 0.0002 -> 0.0001" in said
    assert newest(tmp_path / ".old/v-1") == 3


def test_checkpoints_that_are_not_needed_go(vowels: Path, tmp_path: Path) -> None:
    run_vocoder(config(steps=4, save_every_steps=1, keep_last=2), VocoderSources(data=(vowels,)), tmp_path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["3", "4"]


def test_it_starts_from_another_vocoder(vowels: Path, tmp_path: Path) -> None:
    run_vocoder(config(), VocoderSources(data=(vowels,)), tmp_path / "first")
    sources = VocoderSources(data=(vowels,), init=tmp_path / "first")
    bare = from_tree(VocoderConfig, {key: value for key, value in TREE.items() if key != "generator"})
    run_vocoder(replace(bare, train=replace(config(lr=1e-9, final_lr=1e-9).train)), sources, tmp_path / "second")
    first, second = read_vocoder(tmp_path / "first")[0], read_vocoder(tmp_path / "second")[0]
    assert second.config == first.config
    for name, tensor in second.state_dict().items():
        torch.testing.assert_close(tensor, first.state_dict()[name], atol=1e-5, rtol=1e-4)
    assert "with its discriminators" in (tmp_path / "second/train.log").read_text()
    mel = np.full((5, 80), -2.0, np.float32)
    assert load_vocoder(tmp_path / "second", device="cpu")([mel])[0].shape == (5 * 256,)


def test_a_start_that_reads_other_log_mels_is_refused(vowels: Path, tmp_path: Path) -> None:
    net = HifiGan(HifiGanConfig(channels=16))
    write_vocoder(tmp_path / "other", net, net.state_dict(), LogMelSettings(low_hz=0.0))
    with pytest.raises(ConfigError, match=r"'low_hz': 0\.0.*'low_hz': 80\.0"):
        run_vocoder(config(), VocoderSources(data=(vowels,), init=tmp_path / "other"), tmp_path / "v")


def test_a_diverging_run_stops(vowels: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"lower train\.lr"):
        run_vocoder(config(steps=40, lr=1e18, final_lr=1e18), VocoderSources(data=(vowels,)), tmp_path)


def test_statistics_are_those_of_the_log_mels(vowels: Path) -> None:
    spoken = spoken_in([DataDir(vowels)])
    frames = np.concatenate([one.whole()[0] for one in spoken])
    mean, scale, sound_s = mel_statistics(spoken, 1e9, seed=0)
    np.testing.assert_allclose(mean, frames.mean(0), atol=1e-4)
    np.testing.assert_allclose(scale, frames.std(0), atol=1e-3)
    assert sound_s == pytest.approx(sum(one.duration_s for one in spoken))
    assert mel_statistics(spoken, 1.0, seed=0)[2] < 2.5


@pytest.mark.parametrize(
    ("block", "settings", "what"),
    [
        ("train", {"steps": 0}, "steps must be at least 1"),
        ("train", {"final_lr": 1.0}, r"final_lr 1\.0 .* lr 0\.0002"),
        ("generator", {"upsample_rates": [4, 4, 4, 5], "upsample_kernels": [8, 8, 8, 9]}, "320 samples .* 256"),
        ("discriminators", {"periods": [], "n_scales": 0}, "no discriminator"),
        ("discriminators", {"scale_groups": [1, 2]}, "needs 7 entries, got 2"),
        ("discriminators", {"scale_groups": [1, 4, 16, 16, 16, 16, 3]}, "do not divide"),
    ],
)
def test_settings_that_cannot_be_are_refused(block: str, settings: dict, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        from_tree(VocoderConfig, {block: settings})


def test_discriminators_have_the_published_sizes() -> None:
    with torch.device("meta"):
        judges = Discriminators(DiscriminatorConfig())
    assert sum(tensor.numel() for tensor in judges.periods.parameters()) == 41_105_770
    assert sum(tensor.numel() for tensor in judges.scales.parameters()) == 29_618_821


def test_losses_by_hand() -> None:
    def judged(score: float, value: float) -> list[Judgement]:
        return [Judgement(torch.full((2, 3), score), [torch.full((2, 4), value), torch.full((2, 5), 2 * value)])] * 2

    assert told_apart(judged(0.75, 0), judged(0.5, 0)).item() == pytest.approx(2 * (0.0625 + 0.25))
    assert taken_for_recorded(judged(0.25, 0)).item() == pytest.approx(2 * 0.5625)
    assert feature_distance(judged(0, 1.0), judged(0, 1.5)).item() == pytest.approx(2 * (0.5 + 1.0))


def test_log_mel_distance_of_a_louder_wave_is_its_gain() -> None:
    distance = LogMelDistance(torch.from_numpy(mel_bank(LOG_MEL)), hop_samples=256)
    wave = torch.randn(2, 4096)
    assert distance(wave, wave).item() == 0
    assert distance(2 * wave, wave).item() == pytest.approx(np.log(2), abs=1e-4)
    silent = torch.zeros(1, 4096, requires_grad=True)
    distance(silent, wave[:1]).backward()
    assert silent.grad is not None
    assert silent.grad.isfinite().all()


def test_it_learns_from_predicted_log_mels(vowels: Path, tmp_path: Path) -> None:
    """Statistics and batches are those of the prediction; utterances without one are left out."""
    spoken = spoken_in([DataDir(vowels)])[:12]
    mels = {one.id: one.whole()[0][:-1] + 1.0 for one in spoken}
    places = write_archive(tmp_path / "mels/feats.1.ark", mels.items())
    scp = {name: f"{tmp_path}/mels/feats.1.ark:{at}" for name, (at, _) in places.items()}
    write_table(tmp_path / "mels/feats.scp", scp)
    sources = VocoderSources(data=(vowels,), mels=tmp_path / "mels")
    run_vocoder(config(steps=2, held_out=0), sources, tmp_path / "v")
    expected = np.concatenate(list(mels.values())).mean(0)
    np.testing.assert_allclose(read_vocoder(tmp_path / "v")[0].mean.numpy(), expected, atol=1e-4)
    assert "12 utterances to train on" in (tmp_path / "v/train.log").read_text()


def test_the_generator_hears_its_judges(vowels: Path) -> None:
    """With the other losses off, it moves by the adversarial one alone; the judges by theirs alone."""
    settings = from_tree(VocoderConfig, {**TREE, "losses": {"mel": 0.0, "features": 0.0, "adversarial_from": 0}})
    nets = vocoder._adversaries(settings, None)
    distance = LogMelDistance(torch.from_numpy(mel_bank(LOG_MEL)), hop_samples=256)
    ((mels, waves),) = islice(vocoder._batches(0, settings.train, spoken_in([DataDir(vowels)])), 1)
    before = {name: tensor.clone() for name, tensor in nets.generator.named_parameters()}
    losses = vocoder._update(nets, settings.losses, distance, mels, waves)
    assert set(losses) == {"mel", "discriminators", "adversarial", "features"}
    still = [name for name, tensor in nets.generator.named_parameters() if torch.equal(tensor, before[name])]
    assert not still
    assert all(tensor.grad is None and tensor.requires_grad for tensor in nets.judges.parameters())


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "egs").glob("*/conf/vocoder.yaml")), ids=lambda path: path.parts[-3]
)
def test_shipped_configurations_load(path: Path) -> None:
    shipped = from_tree(VocoderConfig, read_yaml(path), str(path))
    Discriminators(shipped.discriminators)
    assert HifiGan(shipped.generator).config.hop_samples == LOG_MEL.hop_samples
