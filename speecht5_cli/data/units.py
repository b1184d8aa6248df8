"""Unit labels: the k-means cluster of every frame, a table of the data dir with its description beside it.

    units        utterance 12 12 5 ...
    units.json   rate, number of clusters, hash of the k-means model

Labels of the second iteration lie beside those of the first, as `units_it2`. They are at 50 Hz, the rate of the speech
encoder, or at 100 Hz (MFCC), of which the encoder's frames are every second one.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.frames import MFCC_RATE_HZ, UNIT_RATE_HZ, n_mfcc_frames, n_unit_frames
from speecht5_cli.data.metadata import read_metadata, write_metadata
from speecht5_cli.errors import DataError

UNITS = "units"

# Labels and sound may differ by this many frames: utt2dur is often rounded to 10 ms, or counted in frames.
_TOLERANCE_FRAMES = 1
# The encoder and the labels may differ by this many 50 Hz frames (0.1 s, where the original code warns).
_TOLERANCE_TRAINING = 5

_N_FRAMES = {UNIT_RATE_HZ: n_unit_frames, MFCC_RATE_HZ: n_mfcc_frames}


@dataclass(frozen=True)
class UnitInfo:
    """The content of units.json."""

    rate_hz: float
    n_clusters: int
    kmeans: str | None  # hash of the k-means model; None for labels from elsewhere

    @classmethod
    def load(cls, data_dir: Path, name: str = UNITS) -> "UnitInfo":
        """Raises DataError when a table of units has no description, or one with another rate than 50 or 100 Hz."""
        path = data_dir / f"{name}.json"
        info = read_metadata(cls, path, "`speecht5 units label` makes it")
        if info.rate_hz not in _N_FRAMES:
            rates = " or ".join(f"{rate:g}" for rate in _N_FRAMES)
            raise DataError(f"{path}: units at {info.rate_hz:g} Hz; expected {rates} Hz")
        return info

    def save(self, data_dir: Path, name: str = UNITS) -> None:
        """Write it beside the table."""
        write_metadata(data_dir / f"{name}.json", self)

    def n_frames(self, duration_s: float) -> int:
        """Labels of so many seconds of sound."""
        return _N_FRAMES[self.rate_hz](round(duration_s * SAMPLE_RATE))


def read_units(line: str, info: UnitInfo, n_frames: int, *, utterance: str) -> np.ndarray:
    """One line of the table -> (min(n_frames, labels),) int64 in [0, K) at 50 Hz, for an encoder with `n_frames`.

    Of 100 Hz labels every second one is taken. Raises DataError, with the utterance, for values that are no cluster
    and for labels that are longer or shorter than the sound by more than 5 frames (0.1 s).
    """
    labels = parse_units(line, info, utterance)
    labels = labels[:: round(info.rate_hz / UNIT_RATE_HZ)]
    if abs(len(labels) - n_frames) > _TOLERANCE_TRAINING:
        raise DataError(
            f"utterance {utterance}: {len(labels)} unit labels at {UNIT_RATE_HZ:g} Hz, but the speech encoder has "
            f"{n_frames} frames; the labels are of other sound, or at another rate than {info.rate_hz:g} Hz"
        )
    return labels[:n_frames]


def parse_units(line: str, info: UnitInfo, utterance: str) -> np.ndarray:
    """One line of the table -> (T,) int64 at the table's own rate. Raises DataError, with the utterance."""
    try:
        labels = np.array(line.split(), dtype=np.int64)
    except ValueError as error:
        raise DataError(f"utterance {utterance}: unit labels must be whole numbers: {error}") from None
    if not len(labels):
        raise DataError(f"utterance {utterance}: no unit labels")
    wrong = labels[(labels < 0) | (labels >= info.n_clusters)]
    if len(wrong):
        raise DataError(f"utterance {utterance}: unit label {wrong[0]}, expected 0 to {info.n_clusters - 1}")
    return labels


@dataclass(frozen=True)
class Labelled:
    """What was written or checked."""

    n_utterances: int
    n_frames: int
    n_used: int  # clusters that occur


class LabelChecks:
    """The rules that all unit labels of a data dir must keep, utterance by utterance and then as a whole."""

    def __init__(self, data_dir: DataDir, info: UnitInfo, name: str, *, allow_pipes: bool = False) -> None:
        self._where = data_dir.path / name
        self._info = info
        self._durations = data_dir.durations(allow_pipes=allow_pipes)
        self._counts = np.zeros(info.n_clusters, np.int64)
        self._n_utterances = 0

    def check_length(self, utterance: str, n_labels: int) -> None:
        """Raises DataError when the number of labels does not fit the sound."""
        expected = self._info.n_frames(self._durations[utterance])
        if abs(n_labels - expected) > _TOLERANCE_FRAMES:
            raise DataError(
                f"{self._where}: utterance {utterance}: {n_labels} labels at {self._info.rate_hz:g} Hz, but its "
                f"{self._durations[utterance]:.3f} s of sound make {expected}; do the features belong to this sound?"
            )

    def add(self, utterance: str, labels: np.ndarray) -> None:
        """Count the labels (T,). Raises DataError when their number does not fit the sound."""
        self.check_length(utterance, len(labels))
        self._counts += np.bincount(labels, minlength=len(self._counts))
        self._n_utterances += 1

    def result(self) -> Labelled:
        """Raises DataError when fewer than two clusters occur: a model would learn to predict a constant."""
        n_used = int((self._counts > 0).sum())
        if n_used < 2:
            raise DataError(
                f"{self._where}: only {n_used} of {self._info.n_clusters} clusters occur; "
                "there is nothing to learn from such labels"
            )
        return Labelled(self._n_utterances, int(self._counts.sum()), n_used)


def check_same_utterances(found: Collection[str], data_dir: DataDir, where: Path | str) -> None:
    """Raises DataError, with examples, unless `found` are exactly the utterances of the data dir."""
    lacking, unknown = set(data_dir.utterances) - set(found), set(found) - set(data_dir.utterances)
    if lacking or unknown:
        parts = [
            f"{len(some)} {how}, such as {min(some)}"
            for some, how in ((lacking, f"of {data_dir.path}/utt2spk are not there"), (unknown, "are not in it"))
            if some
        ]
        raise DataError(f"{where}: other utterances than the data dir's: {'; '.join(parts)}")


def check_labels(data_dir: DataDir, name: str = UNITS) -> Labelled:
    """Whether a table of units keeps all rules. Raises DataError that names the file and the utterance."""
    info = UnitInfo.load(data_dir.path, name)
    table = data_dir.table(name)
    check_same_utterances(table, data_dir, data_dir.path / name)
    checks = LabelChecks(data_dir, info, name)
    for utterance, line in table.items():
        checks.add(utterance, parse_units(line, info, utterance))
    return checks.result()
