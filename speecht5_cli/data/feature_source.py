"""Features by utterance, from wherever they come: computed from the sound on the way, or read from disk.

Whoever uses features (k-means, unit labels, the writer of archives) asks a `FeatureSource` and cannot tell which.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any, Literal, Protocol

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE, AudioRef, duration_s, read_audio
from speecht5_cli.data.features import LOG_MEL, MFCC_DIM, N_CEPSTRA, log_mel, mfcc
from speecht5_cli.data.frames import (
    LOG_MEL_RATE_HZ,
    MFCC_HOP_SAMPLES,
    MFCC_RATE_HZ,
    MFCC_WINDOW_SAMPLES,
    UNIT_RATE_HZ,
    n_log_mel_frames,
    n_mfcc_frames,
    n_unit_frames,
)
from speecht5_cli.errors import DataError

Kind = Literal["logmel", "mfcc", "layer"]
Extract = Callable[[list[np.ndarray]], list[np.ndarray]]  # waves (n_samples,) -> features (T, D), in the same order

_RATES_HZ = {"logmel": LOG_MEL_RATE_HZ, "mfcc": MFCC_RATE_HZ, "layer": UNIT_RATE_HZ}
_N_FRAMES = {"logmel": n_log_mel_frames, "mfcc": n_mfcc_frames, "layer": n_unit_frames}

_BATCH_SAMPLES = 80 * SAMPLE_RATE  # padding included
_SORTED_AT_ONCE = 64  # utterances among which those of similar length share a batch,
_SORTED_SAMPLES = 15 * _BATCH_SAMPLES  # or fewer where they are long: 20 minutes


@dataclass(frozen=True)
class FeatureInfo:
    """What features are: the content of feats.json. Two sources fit together when theirs are equal."""

    kind: Kind
    rate_hz: float
    dim: int
    settings: dict[str, Any] = field(default_factory=dict)  # every number of the computation
    model: str | None = None  # hash of the model, for kind "layer"
    layer: int | None = None  # counted from 1

    def n_frames(self, n_samples: int) -> int:
        """Frames of a wave of so many samples."""
        return _N_FRAMES[self.kind](n_samples)

    def __str__(self) -> str:
        if self.kind == "layer":
            return f"layer {self.layer} of model {self.model} ({self.dim} values)"
        return f"{self.kind} ({self.dim} values, {self.settings})"


def log_mel_info() -> FeatureInfo:
    """What `log_mel` computes."""
    return FeatureInfo("logmel", _RATES_HZ["logmel"], LOG_MEL.n_mels, asdict(LOG_MEL))


def mfcc_info() -> FeatureInfo:
    """What `mfcc` computes."""
    settings = {
        "cepstra": N_CEPSTRA,
        "deltas": 2,
        "window_samples": MFCC_WINDOW_SAMPLES,
        "hop_samples": MFCC_HOP_SAMPLES,
        "audio_scale": "float in [-1, 1]",
    }
    return FeatureInfo("mfcc", _RATES_HZ["mfcc"], MFCC_DIM, settings)


def layer_info(dim: int, *, model: str, layer: int) -> FeatureInfo:
    """What a layer of a speech encoder gives; `model` is its hash."""
    return FeatureInfo("layer", _RATES_HZ["layer"], dim, model=model, layer=layer)


def extract_log_mel(waves: list[np.ndarray]) -> list[np.ndarray]:
    """`log_mel` as an `Extract`."""
    return [log_mel(wave) for wave in waves]


def extract_mfcc(waves: list[np.ndarray]) -> list[np.ndarray]:
    """`mfcc` as an `Extract`."""
    return [mfcc(wave) for wave in waves]


class FeatureSource(Protocol):
    """Utterances and their features."""

    @property
    def info(self) -> FeatureInfo:
        """What the features are."""

    @property
    def utterances(self) -> list[str]:
        """All ids, sorted."""

    def n_frames(self, utterance: str) -> int:
        """Frames of an utterance, without computing them: one more or less than `read` gives, at most."""

    def read(self, utterances: Iterable[str]) -> Iterator[tuple[str, np.ndarray]]:
        """(id, (T, D) float32) for the given ids, in their order, one after the other."""

    def part(self, utterances: Iterable[str]) -> "FeatureSource":
        """The features of these utterances only: small enough to be sent to another process."""


class JoinedFeatures:
    """Several sources of the same features as one. Raises DataError when they differ or share an utterance."""

    def __init__(self, sources: Sequence[FeatureSource]) -> None:
        self.info = sources[0].info
        self._source_of: dict[str, FeatureSource] = {}
        for source in sources:
            if source.info != self.info:
                raise DataError(f"the sources hold different features: {self.info}, and {source.info}")
            for utterance in source.utterances:
                if utterance in self._source_of:
                    raise DataError(f"utterance '{utterance}' is in two of the sources")
                self._source_of[utterance] = source

    @property
    def utterances(self) -> list[str]:
        """The ids of all sources, sorted."""
        return sorted(self._source_of)

    def n_frames(self, utterance: str) -> int:
        """See FeatureSource."""
        return self._source_of[utterance].n_frames(utterance)

    def read(self, utterances: Iterable[str]) -> Iterator[tuple[str, np.ndarray]]:
        """See FeatureSource."""
        for source, some in groupby(utterances, key=self._source_of.__getitem__):
            yield from source.read(some)

    def part(self, utterances: Iterable[str]) -> FeatureSource:
        """See FeatureSource."""
        of_source: dict[FeatureSource, list[str]] = {}
        for utterance in utterances:
            of_source.setdefault(self._source_of[utterance], []).append(utterance)
        return JoinedFeatures([source.part(some) for source, some in of_source.items()])


class ComputedFeatures:
    """Features that are computed from the sound when they are asked for and touch no disk.

    `make_extract` is called once, where the first features are asked for: it may load a model. To be sent to another
    process it must be picklable.
    """

    def __init__(
        self,
        refs: Mapping[str, AudioRef],
        info: FeatureInfo,
        make_extract: Callable[[], Extract],
        *,
        allow_pipes: bool = False,
    ) -> None:
        self.info = info
        self._refs = refs
        self._make_extract = make_extract
        self._allow_pipes = allow_pipes

    @cached_property
    def _extract(self) -> Extract:
        return self._make_extract()

    @property
    def utterances(self) -> list[str]:
        """The ids of the data dir, sorted."""
        return sorted(self._refs)

    def n_frames(self, utterance: str) -> int:
        """See FeatureSource; from the header of the sound."""
        seconds = duration_s(self._refs[utterance], allow_pipes=self._allow_pipes)
        return self.info.n_frames(round(seconds * SAMPLE_RATE))

    def part(self, utterances: Iterable[str]) -> FeatureSource:
        """See FeatureSource."""
        refs = {utterance: self._refs[utterance] for utterance in utterances}
        return ComputedFeatures(refs, self.info, self._make_extract, allow_pipes=self._allow_pipes)

    def read(self, utterances: Iterable[str]) -> Iterator[tuple[str, np.ndarray]]:
        """See FeatureSource. Raises DataError, with the utterance, for sound that is unreadable or too short."""
        for waves in self._windows(utterances):
            features: dict[str, np.ndarray] = {}
            for batch in _batches(waves):
                found = self._extract([waves[utterance] for utterance in batch])
                features.update(zip(batch, found, strict=True))
            for utterance, wave in waves.items():
                self._check(utterance, features[utterance], len(wave))
                yield utterance, features[utterance]

    def _windows(self, utterances: Iterable[str]) -> Iterator[dict[str, np.ndarray]]:
        """Waves in their order, as many as share batches."""
        waves: dict[str, np.ndarray] = {}
        for utterance in utterances:
            waves[utterance] = self._wave(utterance)
            if len(waves) == _SORTED_AT_ONCE or sum(map(len, waves.values())) > _SORTED_SAMPLES:
                yield waves
                waves = {}
        if waves:
            yield waves

    def _wave(self, utterance: str) -> np.ndarray:
        try:
            wave = read_audio(self._refs[utterance], allow_pipes=self._allow_pipes)
        except DataError as error:
            raise DataError(f"utterance {utterance}: {error}") from None
        if not len(wave) or not self.info.n_frames(len(wave)):
            raise DataError(f"utterance {utterance}: {len(wave)} samples are too few for {self.info.kind} features")
        return wave

    def _check(self, utterance: str, features: np.ndarray, n_samples: int) -> None:
        expected = (self.info.n_frames(n_samples), self.info.dim)
        if features.shape != expected:
            raise DataError(
                f"utterance {utterance}: {self.info.kind} features {features.shape}, expected {expected} "
                f"for {n_samples} samples"
            )
        if not np.isfinite(features).all():
            raise DataError(f"utterance {utterance}: its {self.info.kind} features hold values that are not finite")


def _batches(waves: Mapping[str, np.ndarray]) -> Iterator[list[str]]:
    """Utterances of similar length together, as many as fit into the padded size of a batch, the longest first."""
    batch: list[str] = []
    for utterance in sorted(waves, key=lambda utterance: -len(waves[utterance])):
        if batch and (len(batch) + 1) * len(waves[batch[0]]) > _BATCH_SAMPLES:
            yield batch
            batch = []
        batch.append(utterance)
    if batch:
        yield batch
