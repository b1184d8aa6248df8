"""The audio check: what is a fault, what is a note."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speecht5_cli.data.audio import AudioRef
from speecht5_cli.data.check import AudioLimits, Sound, check_sound, check_sounds, kind_of

Speech = Callable[..., Path]


def heard_of(path: Path | str, text: str | None = None, *, start_s: float = 0.0, end_s: float | None = None, **limits):
    return check_sound(Sound("u", AudioRef(str(path), start_s, end_s), text), AudioLimits(**limits))


def fault_of(*args, **kwargs) -> str:
    heard = heard_of(*args, **kwargs)
    assert not heard.notes or not heard.fault
    return kind_of(heard.fault)


def test_good_sound_has_nothing(speech: Speech) -> None:
    heard = heard_of(speech("good.wav", 1.5), "hello there")
    assert heard.duration_s == 1.5
    assert heard.fault == ""
    assert heard.notes == ()


def test_unreadable_files(tmp_path: Path, speech: Speech, streamed_flac: Path) -> None:
    truncated = speech("truncated.flac", 3.0)
    truncated.write_bytes(truncated.read_bytes()[:20_000])
    garbled = speech("garbled.flac", 3.0)
    content = garbled.read_bytes()
    garbled.write_bytes(content[:9_000] + bytes(len(content) - 9_000))
    (tmp_path / "empty.wav").touch()
    assert fault_of(truncated) == "unreadable audio"
    assert fault_of(garbled) == "unreadable audio"
    assert fault_of(streamed_flac) == "unreadable audio"
    assert fault_of(tmp_path / "empty.wav") == "empty audio file"
    assert fault_of(tmp_path / "missing.wav") == "no such audio file"
    assert fault_of(tmp_path) == "unreadable audio"


@pytest.mark.parametrize(
    ("wave", "fault"),
    [
        (np.zeros(0), "no samples"),
        (np.zeros(16_000), "silent"),
        (np.full(16_000, 0.25), "silent"),  # a constant is no sound
        (np.tile([1e-4, -1e-4], 8_000), "silent"),  # -80 dB
        (np.tile([2e-3, -2e-3], 8_000), ""),  # -54 dB: only faint
        (np.append(np.full(1_599, 0.1), np.nan), "samples that are not finite"),
        (np.random.default_rng(0).uniform(-0.1, 0.1, 1_599), "too short"),
        (np.random.default_rng(0).uniform(-0.1, 0.1, 1_600), ""),
    ],
)
def test_samples(tmp_path: Path, wave: np.ndarray, fault: str) -> None:
    soundfile.write(tmp_path / "x.wav", wave, 16_000, subtype="FLOAT")
    assert fault_of(tmp_path / "x.wav") == fault


def test_channels_that_cancel_out_are_silent(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).uniform(-0.3, 0.3, 16_000)
    soundfile.write(tmp_path / "x.wav", np.stack([wave, -wave], 1), 16_000, subtype="FLOAT")
    assert fault_of(tmp_path / "x.wav") == "silent"


def test_lengths_have_both_numbers(speech: Speech) -> None:
    path = speech("x.wav", 2.0)
    assert heard_of(path, max_seconds=1.5).fault == "too long: 2.00 s, at most 1.5 s are allowed"
    assert heard_of(path, min_seconds=2.5).fault == "too short: 2.000 s, at least 2.5 s are needed"
    assert fault_of(path) == ""  # no upper limit by default


def test_text_must_fit_its_sound(speech: Speech) -> None:
    path = speech("x.wav", 2.0)  # 100 frames
    assert fault_of(path, "a" * 101) == "text too long for its audio"
    assert "101 characters in 2.00 s, which are 100 frames" in heard_of(path, "a" * 101).fault
    assert heard_of(path, "a" * 100).notes == ("fast: 50 characters a second",)
    assert heard_of(path, "a" * 50).notes == ()


def test_notes(speech: Speech) -> None:
    assert heard_of(speech("rate.flac", rate=44_100)).notes == ("resampled from 44100 Hz",)
    assert heard_of(speech("wide.wav", channels=2)).notes == ("down-mixed from 2 channels",)
    assert heard_of(speech("faint.wav", level=0.005)).notes == ("faint: peak -46 dB",)
    clipped = heard_of(speech("loud.wav", level=2.0)).notes
    assert [kind_of(note) for note in clipped] == ["clipped"]
    assert heard_of(speech("full.wav", level=0.99)).notes == ()


def test_segments_and_the_end_of_their_recording(speech: Speech) -> None:
    path = speech("x.wav", 2.0)
    assert heard_of(path, start_s=0.5, end_s=2.0).notes == ()
    slightly = heard_of(path, start_s=0.5, end_s=2.25)
    assert slightly.notes == ("segment cut at the end of its recording: by 0.25 s",)
    assert slightly.duration_s == 1.5
    assert slightly.overshoot_s == pytest.approx(0.25)
    assert "1.20 s more than there is" in heard_of(path, start_s=0.5, end_s=3.2).fault
    assert fault_of(path, start_s=2.0, end_s=2.4) == "no samples"
    assert fault_of(path, start_s=5.0, end_s=6.0) == "segment beyond its recording"


def test_many_at_once_and_in_order(speech: Speech) -> None:
    good, short = speech("good.wav", 1.0), speech("short.wav", 0.05)
    sounds = [Sound(f"u{i}", AudioRef(str(short if i % 3 == 0 else good))) for i in range(450)]  # three shards
    alone = check_sounds(sounds)
    assert [bool(heard.fault) for heard in alone] == [i % 3 == 0 for i in range(450)]
    assert check_sounds(sounds, nj=2) == alone
    assert check_sounds([]) == []


def test_pipes_need_an_allowance(speech: Speech) -> None:
    pipe = Sound("u", AudioRef(f"cat {speech('x.wav')} |"))
    assert "--allow-pipes" in check_sound(pipe).fault
    assert check_sound(pipe, allow_pipes=True).fault == ""


def test_the_real_nasty_files(shared: Path) -> None:
    """Oddities that were met in public corpora."""
    folder = shared / "data/trees/librispeech/nasty/LibriSpeech/dev-other/116/288045"
    faults = {
        "0007": "unreadable audio",  # a header without length
        "0008": "empty audio file",
        "0009": "unreadable audio",  # a good header before a stream that does not decode
        "0015": "too short",
        "0016": "silent",
    }
    for number, fault in faults.items():
        assert fault_of(folder / f"116-288045-{number}.flac") == fault, number
    assert heard_of(folder / "116-288045-0011.flac").notes == ("down-mixed from 2 channels",)
    assert heard_of(folder / "116-288045-0012.flac").notes == ("resampled from 44100 Hz",)
    assert heard_of(folder / "116-288045-0010.wav").notes == ()


def test_an_unreadable_file_is_no_crash_of_the_reader(tmp_path: Path) -> None:
    """Whatever bytes a file holds, the answer is a fault."""
    rng = np.random.default_rng(0)
    for i, head in enumerate([b"RIFF", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"FORM", b".snd", b""]):
        path = tmp_path / f"{i}.wav"
        path.write_bytes(head + rng.bytes(3_000))
        heard = heard_of(path)
        assert heard.fault or heard.duration_s > 0
