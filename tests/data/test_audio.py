"""Reading sound: every format becomes 16 kHz mono, every fault names its file."""

from collections.abc import Callable
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile

from speecht5_cli.data.audio import (
    SAMPLE_RATE,
    AudioRef,
    audio_info,
    is_archive,
    read_as_recorded,
    read_audio,
    resampled,
    write_audio,
)
from speecht5_cli.errors import DataError

Speech = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "settings", "tolerance"),
    [
        ("plain.wav", {}, 0),
        ("float.wav", {"subtype": "FLOAT"}, 0),
        ("deep.wav", {"subtype": "PCM_24"}, 0),
        ("bytes.wav", {"subtype": "PCM_U8"}, 0),
        ("lossless.flac", {}, 0),
        ("vorbis.ogg", {}, 0),
        ("lossy.mp3", {}, 2_000),
        ("slow.wav", {"rate": 8_000}, 0),
        ("fast.flac", {"rate": 44_100}, 1),
        ("wide.wav", {"channels": 2}, 0),
        ("all.wav", {"rate": 48_000, "channels": 3, "subtype": "FLOAT"}, 0),
    ],
)
def test_every_format_becomes_16_khz_mono(speech: Speech, name: str, settings: dict, tolerance: int) -> None:
    path = speech(name, 1.25, **settings)
    wave = read_audio(path)
    assert wave.dtype == np.float32
    assert wave.ndim == 1
    assert abs(len(wave) - 20_000) <= tolerance
    assert 0.01 < np.abs(wave).max() < 0.5
    assert audio_info(path).duration_s == pytest.approx(1.25, abs=0.13 if tolerance > 1 else 1e-6)


def test_channels_are_averaged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "two.wav", np.tile([0.5, 0.25], (160, 1)), SAMPLE_RATE)
    assert read_audio(tmp_path / "two.wav") == pytest.approx(0.375)


def test_a_tone_survives_resampling() -> None:
    seconds = np.arange(44_100) / 44_100
    wave = resampled(np.sin(2 * np.pi * 440 * seconds), 44_100)
    wanted = np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    assert len(wave) == SAMPLE_RATE
    assert wave[200:-200] == pytest.approx(wanted[200:-200], abs=2e-3)


def test_a_part_is_cut_in_the_files_own_rate(tmp_path: Path) -> None:
    ramp = np.arange(32_000) / 32_768
    soundfile.write(tmp_path / "ramp.wav", ramp, 8_000, subtype="PCM_16")
    wave, rate = read_as_recorded(AudioRef(str(tmp_path / "ramp.wav"), 0.5, 1.25))
    assert rate == 8_000
    assert wave == pytest.approx(ramp[4_000:10_000])
    assert len(read_as_recorded(AudioRef(str(tmp_path / "ramp.wav"), 3.5, 9.0))[0]) == 4_000  # cut at the end
    with pytest.raises(DataError, match=r"no samples between 5.0 s and 6.0 s"):
        read_audio(AudioRef(str(tmp_path / "ramp.wav"), 5.0, 6.0))


def test_unusable_files_are_named(tmp_path: Path, speech: Speech) -> None:
    truncated = speech("truncated.flac", 3.0)
    truncated.write_bytes(truncated.read_bytes()[:20_000])
    halved = speech("halved.mp3", 5.0)
    halved.write_bytes(halved.read_bytes()[: halved.stat().st_size // 2])
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is no sound")
    soundfile.write(tmp_path / "infinite.wav", np.array([0.1, np.inf, np.nan]), SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), SAMPLE_RATE)
    assert audio_info(truncated).duration_s == 3.0  # the header alone looks well
    for path, message in (
        (truncated, "not readable as audio"),
        (halved, "header promises 80000 frames, the file ends early"),
        (tmp_path / "empty.wav", "not readable as audio"),
        (tmp_path / "text.wav", "not readable as audio"),
        (tmp_path / "infinite.wav", "not finite"),
        (tmp_path / "none.wav", "no samples"),
        (tmp_path / "missing.wav", "no such file"),
        (tmp_path, "a folder, and not a sound file"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            read_audio(path)
        assert path.name in str(caught.value)


def test_a_header_without_length(streamed_flac: Path) -> None:
    for read in (audio_info, read_audio):
        with pytest.raises(DataError, match="header does not say how long"):
            read(streamed_flac)


def test_archives_of_sound(tmp_path: Path) -> None:
    """What kaldiio writes, in each of its forms, and what other tools put into an archive."""
    rng = np.random.default_rng(0)
    waves = {f"u{i}": rng.integers(-9_000, 9_000, 1_000 + i, dtype=np.int16) for i in range(3)}
    stereo = rng.integers(-9_000, 9_000, (500, 2), dtype=np.int16)
    ark, scp = tmp_path / "wav.ark", tmp_path / "wav.scp"
    sounds = {**{key: (8_000, wave) for key, wave in waves.items()}, "wide": (16_000, stereo)}
    kaldiio.save_ark(str(ark), sounds, scp=str(scp))
    table = dict(line.split() for line in scp.read_text().splitlines())
    for key, wave in waves.items():
        assert is_archive(table[key])
        back, rate = read_as_recorded(AudioRef(table[key]))
        assert (rate, len(back)) == (8_000, len(wave))
        assert back == pytest.approx(wave / 32_768)
    assert read_as_recorded(AudioRef(table["wide"]))[0].shape == (500, 2)
    assert audio_info(table["u2"]).n_frames == 1_002
    assert len(read_audio(AudioRef(table["u1"], 0.05, 0.1))) == 800

    as_audio = str(tmp_path / "audio.ark")
    sound = (16_000, waves["u0"] / 32_768)
    kaldiio.save_ark(as_audio, {"f": sound}, write_function="soundfile", write_kwargs={"format": "flac"})
    assert read_audio(f"{as_audio}:2") == pytest.approx(waves["u0"] / 32_768, abs=1e-4)

    flac = tmp_path / "one.flac"
    soundfile.write(flac, waves["u0"], 16_000)
    (tmp_path / "flac.ark").write_bytes(b"key " + flac.read_bytes())
    assert read_audio(f"{tmp_path}/flac.ark:4") == pytest.approx(waves["u0"] / 32_768)


def test_archives_run_and_unpickle_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(DataError, match="no such file"):
        read_audio(f"touch {mark} |:0")
    assert not mark.exists()
    (tmp_path / "pickle.ark").write_bytes(b"k PKL\x80\x04.")
    with pytest.raises(DataError, match="neither as WAV nor as FLAC"):
        read_audio(f"{tmp_path}/pickle.ark:2")
    kaldiio.save_ark(str(tmp_path / "feats.ark"), {"k": np.zeros((3, 2), np.float32)})
    with pytest.raises(DataError, match="neither as WAV nor as FLAC"):
        read_audio(f"{tmp_path}/feats.ark:2")
    with pytest.raises(DataError, match="not readable as sound"):
        read_audio(f"{tmp_path}/feats.ark:99999")


def test_pipes_run_only_when_allowed(tmp_path: Path, speech: Speech) -> None:
    path, mark = speech("plain.wav", 0.5), tmp_path / "mark"
    pipe = f"touch {mark}; cat {path} |"
    for read in (read_audio, audio_info):
        with pytest.raises(DataError, match="--allow-pipes"):
            read(pipe)
    assert not mark.exists()
    assert len(read_audio(pipe, allow_pipes=True)) == 8_000
    assert audio_info(pipe, allow_pipes=True).n_frames == 8_000
    with pytest.raises(DataError, match="exit code 3: gone"):
        read_audio("echo gone >&2; exit 3 |", allow_pipes=True)
    with pytest.raises(DataError, match="not readable as audio"):
        read_audio("echo hello |", allow_pipes=True)


def test_a_colon_in_a_file_name_is_no_archive(speech: Speech) -> None:
    path = speech("12:30", 0.5, format="WAV")
    assert not is_archive(str(path))
    assert len(read_audio(path)) == 8_000


def test_writing_clips_and_comes_back(tmp_path: Path) -> None:
    wave = np.array([0.0, 0.25, -0.25, 1.5, -1.5], dtype=np.float32)
    write_audio(tmp_path / "new" / "out.wav", wave)
    assert read_audio(tmp_path / "new" / "out.wav") == pytest.approx(np.clip(wave, -1, 1), abs=1e-4)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["out.wav"]


def test_what_soundfile_does_not_know_asks_for_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clip.m4a").write_bytes(b"\0\0\0 ftypM4A ")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"ffmpeg.*not installed"):
        read_audio(tmp_path / "clip.m4a")
