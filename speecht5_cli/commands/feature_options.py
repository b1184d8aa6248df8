"""--kind, --model and --layer: which features are computed, for the commands that store them or use them at once."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import typer

from speecht5_cli.data.audio import SAMPLE_RATE
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.feature_source import (
    ComputedFeatures,
    Extract,
    FeatureInfo,
    FeatureSource,
    JoinedFeatures,
    extract_log_mel,
    extract_mfcc,
    layer_info,
    log_mel_info,
    mfcc_info,
)
from speecht5_cli.errors import UsageError
from speecht5_cli.folders import MODEL as WEIGHTS
from speecht5_cli.folders import model_folder
from speecht5_cli.workers import sensible_nj

MODEL = typer.Option(None, "--model", help="For --kind layer: experiment, checkpoint or model folder.")
LAYER = typer.Option(None, "--layer", min=1, help="For --kind layer: which one of the encoder, from 1.")
NJ = typer.Option(0, "--nj", help="Processes; 0: as cores and memory allow, and one for --kind layer.")
PIPES = typer.Option(False, "--allow-pipes", help="Run the shell commands that wav.scp may hold.")


class Kind(str, Enum):
    logmel = "logmel"
    mfcc = "mfcc"
    layer = "layer"


@dataclass(frozen=True)
class FeatureOptions:
    """What is to be computed. A model is named by its folder."""

    kind: Kind
    model: Path | None
    layer: int | None

    @classmethod
    def given(cls, kind: Kind, model: Path | None, layer: int | None) -> "FeatureOptions":
        """Raises UsageError when the options do not go together."""
        if len({kind is Kind.layer, model is not None, layer is not None}) > 1:
            raise UsageError("--kind layer needs --model and --layer, and the other kinds have no use for them")
        return cls(kind, model_folder(model) if model else None, layer)

    @classmethod
    def if_given(cls, kind: Kind | None, model: Path | None, layer: int | None) -> "FeatureOptions | None":
        """None without --kind: features are read from a folder. Raises UsageError as `given` does."""
        if kind is None and (model is not None or layer is not None):
            raise UsageError("--model and --layer need --kind layer")
        return None if kind is None else cls.given(kind, model, layer)

    def record(self) -> dict[str, Any]:
        """What a record of the output says."""
        return {"kind": self.kind, "layer": self.layer}

    def inputs(self, data_dir: Path) -> list[Path]:
        """The files that the features of a data dir depend on."""
        files = [data_dir / name for name in ("utt2spk", "wav.scp", "segments")]
        return files + ([self.model] if self.model else [])

    def nj(self, wanted: int) -> int:
        """Number of processes; a model uses all cores by itself."""
        return wanted or (1 if self.model else sensible_nj())

    def source(self, data_dirs: Sequence[Path], *, allow_pipes: bool) -> FeatureSource:
        """The features of data dirs, computed when they are read."""
        info, make_extract = self.plan()
        audio = [DataDir(data_dir).audio() for data_dir in data_dirs]
        return JoinedFeatures([ComputedFeatures(refs, info, make_extract, allow_pipes=allow_pipes) for refs in audio])

    def plan(self) -> tuple[FeatureInfo, Callable[[], Extract]]:
        """What is computed, and what each process calls to get the function that does it. May load a model."""
        if self.model is None or self.layer is None:
            return (log_mel_info() if self.kind is Kind.logmel else mfcc_info()), partial(_of_sound, self.kind)
        silence = np.zeros(SAMPLE_RATE, np.float32)
        (states,) = _of_layer(self.model, self.layer)([silence])
        info = layer_info(states.shape[1], model=_weights_hash(self.model), layer=self.layer)
        return info, partial(_of_layer, self.model, self.layer)


def _of_sound(kind: Kind) -> Extract:
    return extract_log_mel if kind is Kind.logmel else extract_mfcc


@cache  # one model a process, however many shards
def _of_layer(model: Path, layer: int) -> Extract:
    from speecht5_cli.train.restore import layer_extractor

    return layer_extractor(model, layer)


def _weights_hash(model: Path) -> str:
    """Of the content, so that a copy of a model is the same model."""
    digest = hashlib.sha256()
    with (model / WEIGHTS).open("rb") as weights:
        while block := weights.read(1 << 24):
            digest.update(block)
    return digest.hexdigest()[:16]
