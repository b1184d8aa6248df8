"""How good units are: how they are used, how far frames lie from their centroids, how well they tell phones apart.

The measures with phones are HuBERT's (section IV-A of its paper): a joint count of phones and units over frames gives
the purities, and the phone-normalised mutual information, the share of the phones' entropy that knowing the unit
removes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speecht5_cli.data.feature_shards import ShardItem, feature_shards, read_shard
from speecht5_cli.data.feature_source import FeatureSource
from speecht5_cli.data.kmeans import KMeans, squared_distances
from speecht5_cli.errors import DataError
from speecht5_cli.workers import map_shards

_UTTERANCES_AT_ONCE = 256  # in a shard
_TOLERANCE_S = 0.1  # between the ends of an alignment and of the units


@dataclass(frozen=True)
class Usage:
    """Measures that need features only."""

    n_utterances: int
    n_frames: int
    n_clusters: int
    n_used: int
    entropy: float  # nats
    perplexity: float  # exp(entropy): as many clusters, if all were used equally
    mean_run_frames: float
    mean_run_ms: float
    inertia: float  # mean squared distance of a frame to its centroid


@dataclass(frozen=True)
class PhoneAgreement:
    """Measures against phones, over the aligned frames at the rate of the alignment."""

    n_utterances: int
    n_frames: int
    n_phones: int
    phone_purity: float  # frames that are right if each unit stands for its most frequent phone
    cluster_purity: float  # frames that are right if each phone stands for its most frequent unit
    phone_entropy: float  # nats
    mutual_information: float  # nats
    pnmi: float  # mutual information / phone entropy


@dataclass(frozen=True)
class UnitReport:
    """What `speecht5 units report` writes."""

    usage: Usage
    phones: PhoneAgreement | None


def report(
    kmeans: KMeans,
    source: FeatureSource,
    *,
    alignment: Mapping[str, str] | None = None,
    alignment_rate_hz: float = 100.0,
    where: Path | str = "the features",
    nj: int = 1,
) -> UnitReport:
    """Measure a k-means model on features, best ones that it was not fitted on.

    `alignment` has for (some) utterances one phone a frame, separated by blanks or commas. Raises DataError when the
    features do not fit the model, or the alignment not the features.
    """
    kmeans.check_fits(source.info, where)
    if not source.utterances:
        raise DataError("no features to report on: the source has no utterance")
    count = _CountShard(kmeans, alignment or {}, alignment_rate_hz)
    shards = feature_shards(source, source.utterances, at_once=_UTTERANCES_AT_ONCE, nj=nj)
    usage, joint = count.empty()
    for some_usage, some_joint in map_shards(count, shards, doing="units", nj=nj, audio_s=count.audio_s):
        usage.join(some_usage)
        joint.join(some_joint)
    return UnitReport(usage.result(source.info.rate_hz), joint.result() if alignment is not None else None)


@dataclass(frozen=True)
class _CountShard:
    """The work of one process: `map_shards` sends it there."""

    kmeans: KMeans
    alignment: Mapping[str, str]
    alignment_rate_hz: float

    def __call__(self, shard: Sequence[ShardItem]) -> tuple["_UsageCounts", "_JointCounts"]:
        usage, joint = self.empty()
        for utterance, features in read_shard(shard):
            labels = self.kmeans.assign(features)
            usage.add(labels, squared_distances(features, self.kmeans.centroids, labels))
            if utterance in self.alignment:
                joint.add(utterance, self.alignment[utterance].replace(",", " ").split(), labels)
        return usage, joint

    def empty(self) -> tuple["_UsageCounts", "_JointCounts"]:
        """What counting starts from."""
        rate_hz = self.kmeans.info.features.rate_hz
        return _UsageCounts(self.kmeans.n_clusters), _JointCounts(
            self.kmeans.n_clusters, self.alignment_rate_hz, rate_hz
        )

    def audio_s(self, counts: tuple["_UsageCounts", "_JointCounts"]) -> float:
        """Seconds of sound behind the counts."""
        return counts[0].n_frames / self.kmeans.info.features.rate_hz


class _UsageCounts:
    def __init__(self, n_clusters: int) -> None:
        self._counts = np.zeros(n_clusters, np.int64)
        self._n_runs = 0
        self._distance = 0.0
        self._n_utterances = 0

    def add(self, labels: np.ndarray, distance: float) -> None:
        self._counts += np.bincount(labels, minlength=len(self._counts))
        self._n_runs += int((np.diff(labels) != 0).sum()) + 1
        self._distance += distance
        self._n_utterances += 1

    def join(self, other: "_UsageCounts") -> None:
        self._counts += other._counts
        self._n_runs += other._n_runs
        self._distance += other._distance
        self._n_utterances += other._n_utterances

    @property
    def n_frames(self) -> int:
        return int(self._counts.sum())

    def result(self, rate_hz: float) -> Usage:
        n_frames = self.n_frames
        entropy = _entropy(self._counts)
        run = n_frames / self._n_runs
        return Usage(
            n_utterances=self._n_utterances,
            n_frames=n_frames,
            n_clusters=len(self._counts),
            n_used=int((self._counts > 0).sum()),
            entropy=entropy,
            perplexity=float(np.exp(entropy)),
            mean_run_frames=run,
            mean_run_ms=1000 * run / rate_hz,
            inertia=self._distance / n_frames,
        )


class _JointCounts:
    """How often each phone meets each unit."""

    def __init__(self, n_clusters: int, phone_rate_hz: float, unit_rate_hz: float) -> None:
        self._phone_rate_hz, self._unit_rate_hz = phone_rate_hz, unit_rate_hz
        self._n_clusters = n_clusters
        self._counts: dict[str, np.ndarray] = {}  # phone -> (K,)
        self._n_utterances = 0

    def add(self, utterance: str, phones: list[str], labels: np.ndarray) -> None:
        self._check_lengths(utterance, len(phones), len(labels))
        for phone, unit in self._paired(phones, labels):
            self._of(phone)[unit] += 1
        self._n_utterances += 1

    def join(self, other: "_JointCounts") -> None:
        for phone, counts in other._counts.items():
            self._of(phone)[:] += counts
        self._n_utterances += other._n_utterances

    def _of(self, phone: str) -> np.ndarray:
        if phone not in self._counts:
            self._counts[phone] = np.zeros(self._n_clusters, np.int64)
        return self._counts[phone]

    def _paired(self, phones: list[str], labels: np.ndarray) -> Iterator[tuple[str, int]]:
        """The unit under the start of each phone frame, up to the shorter end."""
        frames = np.floor(np.arange(len(phones)) * self._unit_rate_hz / self._phone_rate_hz).astype(int)
        return zip(phones, labels[frames[frames < len(labels)]].tolist())

    def _check_lengths(self, utterance: str, n_phones: int, n_labels: int) -> None:
        phones_s, labels_s = n_phones / self._phone_rate_hz, n_labels / self._unit_rate_hz
        if abs(phones_s - labels_s) > _TOLERANCE_S:
            raise DataError(
                f"utterance {utterance}: its alignment is {phones_s:.2f} s long ({n_phones} phones at "
                f"{self._phone_rate_hz:g} Hz), its units {labels_s:.2f} s; give the alignment's rate"
            )

    def result(self) -> PhoneAgreement:
        if not self._counts:
            raise DataError("the alignment and the features have no utterance in common")
        joint = np.stack(list(self._counts.values()))  # (phones, units)
        n_frames = int(joint.sum())
        phone_entropy = _entropy(joint.sum(1))
        information = phone_entropy + _entropy(joint.sum(0)) - _entropy(joint.ravel())
        return PhoneAgreement(
            n_utterances=self._n_utterances,
            n_frames=n_frames,
            n_phones=len(joint),
            phone_purity=float(joint.max(0).sum() / n_frames),
            cluster_purity=float(joint.max(1).sum() / n_frames),
            phone_entropy=phone_entropy,
            mutual_information=information,
            pnmi=information / phone_entropy if phone_entropy else 0.0,
        )


def _entropy(counts: np.ndarray) -> float:
    """In nats, of the distribution that the counts have."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
