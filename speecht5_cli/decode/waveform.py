"""From log-mels to waves: the one door to vocoders, trained or not."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from speecht5_cli.data.features import LOG_MEL, LogMelSettings
from speecht5_cli.decode.griffin_lim import griffin_lim
from speecht5_cli.errors import CheckpointError

GRIFFIN_LIM = "griffin-lim"

Vocoder = Callable[[list[np.ndarray]], list[np.ndarray]]  # (L, mels) log-mels -> (L * hop,) float32 waves at 16 kHz


def load_vocoder(spec: str | Path, *, features: LogMelSettings = LOG_MEL) -> Vocoder:
    """The vocoder that `spec` names: "griffin-lim", or a folder that `speecht5 vocoder train` or an import made.

    `features` are the settings of the log-mels to come. The wave of an utterance does not depend on the others, and
    begins with the first frame's centre. The vocoder raises DataError for log-mels that are none. Raises
    CheckpointError when there is no such vocoder.
    """
    if str(spec) == GRIFFIN_LIM:
        return partial(_each, settings=features)
    raise CheckpointError(f"{spec}: no vocoder; expected '{GRIFFIN_LIM}' or the folder of a vocoder")


def _each(log_mels: list[np.ndarray], *, settings: LogMelSettings) -> list[np.ndarray]:
    return [griffin_lim(log_mel, settings=settings) for log_mel in log_mels]
