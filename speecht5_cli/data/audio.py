"""Sound in, in one place: any rate, channel count and format becomes 16 kHz mono float32 in [-1, 1].

A source is what a line of wav.scp may hold: a path, `ark:offset`, or (only where the caller allows it) a shell
pipe that ends in `|`. soundfile reads; ffmpeg, where installed, decodes what soundfile cannot (m4a and the like).
"""

import io
import shutil
import subprocess
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import IO

import numpy as np
import soundfile

from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_write

SAMPLE_RATE = 16_000  # Hz; everything behind this file has this rate
_KNOWN_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".sph"}  # soundfile's own
_UNKNOWN_LENGTH = 1 << 40  # a FLAC without sample count reports 2**63 - 1 frames


@dataclass(frozen=True, slots=True)
class AudioRef:
    """Where the sound of one utterance lies: a source, and the part of it in seconds."""

    source: str
    start_s: float = 0.0
    end_s: float | None = None  # None: to the end


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What the header says."""

    rate: int  # Hz
    channels: int
    n_frames: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_frames / self.rate


def read_audio(ref: AudioRef | str | Path, *, allow_pipes: bool = False) -> np.ndarray:
    """The sound as float32 (n_samples,) at 16 kHz. Raises DataError that names the source."""
    if not isinstance(ref, AudioRef):
        ref = AudioRef(str(ref))
    wave, rate = read_as_recorded(ref, allow_pipes=allow_pipes)
    wave = mono(wave)
    if not len(wave):
        end = "the end" if ref.end_s is None else f"{ref.end_s} s"
        raise DataError(f"{ref.source}: holds no samples between {ref.start_s} s and {end}")
    if not np.isfinite(wave).all():
        raise DataError(f"{ref.source}: holds samples that are not finite numbers")
    return resampled(wave, rate)


def read_as_recorded(ref: AudioRef, *, allow_pipes: bool = False) -> tuple[np.ndarray, int]:
    """Samples in [-1, 1], (n,) or (n, channels) float32, and their rate in Hz. Raises DataError.

    The part is cut at the end of the recording; it may hold no sample at all.
    """
    source = ref.source
    if source.endswith("|"):
        wave, rate = _through_pipe(source, allow_pipes)
    elif is_archive(source):
        wave, rate = _from_archive(source)
    else:
        return _from_file(ref)
    return wave[_frames(ref, rate, len(wave))], rate


def mono(wave: np.ndarray) -> np.ndarray:
    """(n,) or (n, channels) -> (n,), the mean of the channels."""
    return wave if wave.ndim == 1 else wave.mean(axis=1, dtype=np.float32)


def resampled(wave: np.ndarray, rate: int) -> np.ndarray:
    """(n,) at `rate` Hz -> (round up of n * 16000 / rate,) at 16 kHz, by a polyphase filter."""
    if rate == SAMPLE_RATE:
        return np.ascontiguousarray(wave, dtype=np.float32)
    from scipy.signal import resample_poly

    common = gcd(rate, SAMPLE_RATE)
    return resample_poly(wave, SAMPLE_RATE // common, rate // common).astype(np.float32)


def audio_info(source: str | Path, *, allow_pipes: bool = False) -> AudioInfo:
    """Rate, channels and length from the header alone (a pipe or an archive has to be read). Raises DataError."""
    source = str(source)
    if source.endswith("|") or is_archive(source):
        wave, rate = read_as_recorded(AudioRef(source), allow_pipes=allow_pipes)
        return AudioInfo(rate, 1 if wave.ndim == 1 else wave.shape[1], len(wave))
    try:
        info = soundfile.info(source)
    except soundfile.SoundFileError as error:
        if not Path(source).exists():
            raise DataError(f"{source}: no such file") from None
        wave = _through_ffmpeg(source, error)
        return AudioInfo(SAMPLE_RATE, 1, len(wave))
    if info.frames >= _UNKNOWN_LENGTH:
        raise DataError(f"{source}: its header does not say how long it is; write the file again with flac or sox")
    return AudioInfo(info.samplerate, info.channels, info.frames)


def duration_s(ref: AudioRef, *, allow_pipes: bool = False) -> float:
    """Seconds of an utterance, from the header alone where its end is not given. Raises DataError."""
    end_s = audio_info(ref.source, allow_pipes=allow_pipes).duration_s if ref.end_s is None else ref.end_s
    return end_s - ref.start_s


def write_audio(path: Path, wave: np.ndarray) -> None:
    """Write a 16 kHz mono float wave as 16-bit WAV, clipped to [-1, 1]; in one step."""
    pcm = np.round(np.clip(wave, -1.0, 1.0) * 32767).astype(np.int16)
    with atomic_write(path, "wb") as out:
        soundfile.write(out, pcm, SAMPLE_RATE, format="WAV", subtype="PCM_16")


def is_archive(source: str) -> bool:
    """Whether a source is `path:byte-offset`, as Kaldi writes it."""
    head, colon, offset = source.rpartition(":")
    return bool(colon and head) and offset.isdecimal() and not Path(source).exists()


def _frames(ref: AudioRef, rate: int, n_frames: int) -> slice:
    """The part of a recording as frame numbers."""
    stop = n_frames if ref.end_s is None else min(round(ref.end_s * rate), n_frames)
    return slice(round(ref.start_s * rate), stop)


def _from_file(ref: AudioRef) -> tuple[np.ndarray, int]:
    try:
        with soundfile.SoundFile(ref.source) as file:
            if file.frames >= _UNKNOWN_LENGTH:
                raise DataError(f"{ref.source}: its header does not say how long it is")
            part = _frames(ref, file.samplerate, file.frames)
            file.seek(min(part.start, file.frames))
            wave = file.read(max(part.stop - part.start, 0), dtype="float32")
            if len(wave) < part.stop - part.start:
                raise DataError(f"{ref.source}: the header promises {file.frames} frames, the file ends early")
            return wave, file.samplerate
    except MemoryError:
        raise DataError(f"{ref.source}: its header promises more frames than fit into memory") from None
    except soundfile.SoundFileError as error:
        if not Path(ref.source).exists():
            raise DataError(f"{ref.source}: no such file") from None
        if Path(ref.source).is_dir():
            raise DataError(f"{ref.source}: a folder, and not a sound file") from None
        wave = _through_ffmpeg(ref.source, error)
        return wave[_frames(ref, SAMPLE_RATE, len(wave))], SAMPLE_RATE


def _through_ffmpeg(source: str, refusal: Exception) -> np.ndarray:
    """Decode with ffmpeg what soundfile refused. Only for suffixes that soundfile does not know."""
    if Path(source).suffix.lower() in _KNOWN_SUFFIXES or Path(source).stat().st_size == 0:
        raise DataError(f"{source}: not readable as audio: {refusal}") from None
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise DataError(f"{source}: soundfile does not know this format, and ffmpeg, which may, is not installed")
    command = [ffmpeg, "-v", "error", "-i", source, "-f", "f32le", "-ac", "1", "-ar", str(SAMPLE_RATE), "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise DataError(f"{source}: ffmpeg cannot decode it: {done.stderr.decode(errors='replace').strip()}")
    return np.frombuffer(done.stdout, dtype=np.float32)


def _through_pipe(source: str, allow_pipes: bool) -> tuple[np.ndarray, int]:
    if not allow_pipes:
        raise DataError(f"'{source}': wav.scp would run a shell command; allow it with --allow-pipes if you trust it")
    done = subprocess.run(source.rstrip("| "), shell=True, capture_output=True, check=False)
    if done.returncode:
        raise DataError(f"'{source}': exit code {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    try:
        return soundfile.read(io.BytesIO(done.stdout), dtype="float32")
    except soundfile.SoundFileError as error:
        raise DataError(f"'{source}': its output is not readable as audio: {error}") from None


def _from_archive(source: str) -> tuple[np.ndarray, int]:
    """One sound of a Kaldi archive. Not through kaldiio, which would also run a pipe or a pickle found there."""
    path, _, offset = source.rpartition(":")
    try:
        with Path(path).open("rb") as file:
            file.seek(int(offset))
            return soundfile.read(io.BytesIO(_archived(file)), dtype="float32")
    except FileNotFoundError:
        raise DataError(f"{source}: no such file '{path}'") from None
    except (OSError, ValueError, soundfile.SoundFileError) as error:
        raise DataError(f"{source}: not readable as sound in a Kaldi archive: {error}") from None


def _archived(file: IO[bytes]) -> bytes:
    """The sound that starts here. Raises ValueError for anything else, such as a feature matrix."""
    start = file.tell()
    head = file.read(8)
    if head.startswith(b"fLaC"):
        return head + file.read()  # says nowhere where it ends
    if head.startswith(b"RIFF"):
        size = int.from_bytes(head[4:], "little")
        return head + (file.read() if size in (0, 0xFFFFFFFF) else file.read(size))  # 0 and all ones: it was streamed
    if head.startswith(b"AUDIO"):  # kaldiio's own: the length of the length, the length, a file of any format
        file.seek(start + 5)
        return file.read(int.from_bytes(file.read(file.read(1)[0]), "little"))
    raise ValueError("it starts neither as WAV nor as FLAC")
