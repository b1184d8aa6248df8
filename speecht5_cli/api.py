"""One file or one sentence in, text, sound or a name out: no data dir. What `speecht5 transcribe` and the like call.

    from speecht5_cli.api import Model
    asr = Model("exp/asr")
    asr.transcribe("talk.mp3")                                  # 'the little boy will follow him'
    Model("exp/tts").speak("Hello.", voice="f01")               # (n,) float32 at 16 kHz

Sounds may be paths (any rate and format) or float arrays at 16 kHz. What got lost on the way (characters that the
vocabulary does not have, an end beyond the limit of length) comes as an `InputWarning`.
"""

import warnings
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from speecht5_cli.config import Tree
from speecht5_cli.data.audio import SAMPLE_RATE, read_audio
from speecht5_cli.data.rows import GivenRow
from speecht5_cli.data.speaker_vectors import read_vector
from speecht5_cli.data.voices import voices_of
from speecht5_cli.decode.options import GRIFFIN_LIM
from speecht5_cli.errors import DataError, InputWarning, UsageError
from speecht5_cli.plugins import Hypothesis

Sound = str | Path | np.ndarray
Voice = str | Path | np.ndarray  # the name of a voice of the model, an .npy file, or a vector (512,)
SHORTEST_S = 0.1  # of sound that may say something
_NAME = "input"  # the utterance's id: what dropout is seeded by


class Model:
    """A model folder or experiment, ready to be used on single inputs."""

    def __init__(self, path: str | Path, *, task: str | None = None, precision: str = "auto", **settings: Any) -> None:
        """`settings` override the task's decode block, such as beam=10. Raises CheckpointError for another task."""
        from speecht5_cli.train.restore import restore

        overrides: Tree = {"decode": settings} if settings else {}
        self.restored = restore(Path(path), task=task, overrides=overrides, device="auto", precision=precision)
        self.path, self.precision = Path(path), precision

    def transcribe(self, sound: Sound) -> str:
        """What is said, in its own language."""
        return str(self._predict("asr", sound=sound).value)

    def translate(self, sound: Sound) -> str:
        """What is said, in the language that the model translates into."""
        return str(self._predict("st", sound=sound).value)

    def identify(self, sound: Sound) -> list[tuple[str, float]]:
        """The likeliest speakers with their log-probabilities, best first."""
        return list(self._predict("sid", sound=sound).nbest)

    def speak(self, text: str, *, voice: Voice | None = None, vocoder: str = GRIFFIN_LIM) -> np.ndarray:
        """The text as sound, float32 (n,) at 16 kHz, in the voice (none: the model's default one)."""
        if not text.strip():
            raise DataError("the text is empty: there is nothing to say")
        said = self._predict("tts", text=text, voice=voice)
        if said.stopped == "nothing to say":
            raise DataError(f"the model's vocabulary has no symbol of '{text}'")
        return self._vocoded(said, vocoder)

    def convert(self, sound: Sound, *, voice: Voice | None = None, vocoder: str = GRIFFIN_LIM) -> np.ndarray:
        """The same words in another voice."""
        return self._vocoded(self._predict("vc", sound=sound, voice=voice), vocoder)

    def enhance(self, sound: Sound, *, speaker_net: str | Path, vocoder: str = GRIFFIN_LIM) -> np.ndarray:
        """The speech without its noise; the speaker's voice is measured on it by an x-vector net."""
        from speecht5_cli.train.speaker_encoder import SpeakerEncoder, load_net

        wave = _wave(sound)
        ((_, voice),) = SpeakerEncoder(load_net(Path(speaker_net))).vectors([(_NAME, wave)])
        return self._vocoded(self._predict("se", sound=wave, voice=voice), vocoder)

    # --- how ---

    def _predict(
        self, task: str, *, sound: Sound | None = None, text: str | None = None, voice: Voice | None = None
    ) -> Hypothesis:
        plugin, cfg, assets = self.restored.plugin, self.restored.cfg, self.restored.assets
        if plugin.name != task:
            raise UsageError(f"{self.path}: a model for '{plugin.name}' cannot do '{task}'")
        row = GivenRow(
            _NAME,
            {} if text is None else {"text": text},
            {},
            waves={} if sound is None else {"wav.scp": _wave(sound)},
            vectors={} if voice is None else {"xvector.scp": self._voice(voice)},
        )
        example = plugin.example(row, cfg, assets, None) | {"id": _NAME}
        batch = plugin.collate([example], cfg, None).to(self.restored.device)
        with self.restored.inference():
            said = plugin.predict(self.restored.model, batch, cfg, assets)[0]
        _warn(said)
        return said

    def _voice(self, voice: Voice) -> np.ndarray:
        """Raises DataError with the nearest name for a voice that the model does not have."""
        if isinstance(voice, np.ndarray):
            return voice
        known = voices_of(self.restored.folder)
        if str(voice) in known:
            return read_vector(known[str(voice)])
        if Path(voice).suffix == ".npy":
            return read_vector(voice)
        near = get_close_matches(str(voice), known, 1)
        hint = f"did you mean '{near[0]}'" if near else f"it has {', '.join(known) or 'none'}"
        raise DataError(f"{self.path}: no voice '{voice}'; {hint}; an .npy file will do, too")

    def _vocoded(self, said: Hypothesis, vocoder: str) -> np.ndarray:
        from speecht5_cli.decode.waveform import load_vocoder

        return load_vocoder(vocoder, precision=self.precision)([said.value])[0]


def _warn(said: Hypothesis) -> None:
    """Of what got lost on the way."""
    if said.stopped == "length":
        warnings.warn("the limit of length ended it, and not the model: the end may be missing", InputWarning, 4)
    if unsupported := (said.details or {}).get("unsupported"):
        shown = ", ".join(f"'{character}'" for character in unsupported)
        warnings.warn(f"not in the model's vocabulary, so not spoken: {shown}", InputWarning, 4)


def _wave(sound: Sound) -> np.ndarray:
    """float32 (n,) at 16 kHz. Raises DataError for an empty or unreadable sound, or one of whole numbers."""
    if isinstance(sound, np.ndarray) and not np.issubdtype(sound.dtype, np.floating):
        raise DataError(f"expected samples between -1 and 1 as floats, got {sound.dtype}; divide 16-bit ones by 32768")
    wave = np.asarray(sound, np.float32) if isinstance(sound, np.ndarray) else read_audio(sound)
    if wave.ndim != 1 or not len(wave):
        raise DataError(f"expected the samples of one channel, got an array of shape {wave.shape}")
    if len(wave) < SHORTEST_S * SAMPLE_RATE:
        warnings.warn(f"only {len(wave) / SAMPLE_RATE:.3f} s of sound: is the file cut off?", InputWarning, 4)
    return wave
