"""k-means over features, unit labels, their checks, their quality."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from speecht5_cli.data.centroids import Nearest
from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.data.feature_source import FeatureInfo, JoinedFeatures, layer_info, mfcc_info
from speecht5_cli.data.frame_sample import sample
from speecht5_cli.data.frames import n_mfcc_frames, n_unit_frames
from speecht5_cli.data.kmeans import FitSettings, KMeans, fit_kmeans
from speecht5_cli.data.unit_labels import write_labels
from speecht5_cli.data.unit_report import PhoneAgreement, report
from speecht5_cli.data.units import UnitInfo, check_labels, parse_units, read_units
from speecht5_cli.errors import DataError

CENTRES = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], np.float32)


class Features:
    """A FeatureSource in memory."""

    def __init__(self, features: dict[str, np.ndarray], info: FeatureInfo | None = None) -> None:
        self.features = features
        self.info = info or layer_info(2, model="f00", layer=6)

    @property
    def utterances(self) -> list[str]:
        return sorted(self.features)

    def n_frames(self, utterance: str) -> int:
        return len(self.features[utterance])

    def read(self, utterances: Iterable[str]) -> Iterator[tuple[str, np.ndarray]]:
        return ((utterance, self.features[utterance]) for utterance in utterances)

    def part(self, utterances: Iterable[str]) -> "Features":
        return Features({utterance: self.features[utterance] for utterance in utterances}, self.info)


def cloud(n_frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames around four centres, and which one each belongs to."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, 4, n_frames)
    return (CENTRES[which] + rng.normal(0, 0.5, (n_frames, 2))).astype(np.float32), which


@pytest.fixture
def data_dir(tmp_path: Path) -> DataDir:
    durations = {"s-1": "1.0", "s-2": "2.0", "s-3": "0.51"}
    tables = {"utt2spk": dict.fromkeys(durations, "s"), "utt2dur": durations, "wav.scp": dict.fromkeys(durations, "x")}
    return write_tables(tmp_path / "data", tables)


@pytest.fixture
def source(data_dir: DataDir) -> Features:
    lengths = {utterance: n_unit_frames(round(s * 16_000)) for utterance, s in data_dir.durations().items()}
    return Features({utterance: cloud(n, n)[0] for utterance, n in lengths.items()})


@pytest.fixture(scope="module")
def kmeans() -> KMeans:
    return fit_kmeans(Features({f"u{i}": cloud(300, i)[0] for i in range(5)}), FitSettings(4, restarts=3))


def test_fit_finds_the_centres(kmeans: KMeans) -> None:
    for centre in CENTRES:
        assert np.linalg.norm(kmeans.centroids - centre, axis=1).min() < 0.2
    assert (kmeans.info.n_used, kmeans.info.n_frames, kmeans.info.n_utterances) == (4, 1500, 5)
    assert kmeans.info.inertia == pytest.approx(2 * 0.5**2, rel=0.1)


def test_fit_is_repeatable(kmeans: KMeans) -> None:
    source = Features({f"u{i}": cloud(300, i)[0] for i in range(5)})
    assert fit_kmeans(source, FitSettings(4, restarts=3)).info == kmeans.info
    assert fit_kmeans(source, FitSettings(4, restarts=3, seed=1)).info.hash != kmeans.info.hash


def test_assignment_is_the_nearest_centroid(kmeans: KMeans) -> None:
    frames = np.random.default_rng(0).normal(5, 5, (40_000, 2)).astype(np.float32)  # more than one block of rows
    distances = ((frames[:, None] - kmeans.centroids[None]) ** 2).sum(2)
    labels = kmeans.assign(frames)
    np.testing.assert_allclose(distances[np.arange(len(frames)), labels], distances.min(1), atol=1e-4)


def test_assignment_far_from_the_origin() -> None:
    """The squares of such numbers leave nothing of the differences in 32 bits."""
    frames, which = cloud(100, 0)
    np.testing.assert_array_equal(Nearest(CENTRES + 10_000)(frames + 10_000), which)


def numbered(n_utterances: int, n_frames: int) -> Features:
    """Frames that say which utterance they are from, and where in it."""
    places = np.arange(n_frames, dtype=np.float32)
    values = {f"u{i:03}": np.stack([np.full_like(places, i), places], 1) for i in range(n_utterances)}
    return Features(values)


def test_a_sample_is_everything_that_fits() -> None:
    source = numbered(100, 50)
    frames, n_utterances = sample(source, max_frames=5000, percent=None, seed=0)
    assert n_utterances == 100
    np.testing.assert_array_equal(frames, np.concatenate([source.features[id_] for id_ in source.utterances]))


@pytest.mark.parametrize("percent", [None, 40, 100])
def test_a_sample_is_bounded_and_fair(percent: float | None) -> None:
    """Early and late utterances alike, and early and late frames."""
    source = numbered(100, 50)
    drawn = [sample(source, max_frames=510, percent=percent, seed=seed)[0] for seed in range(200)]
    assert all(480 <= len(frames) <= 510 for frames in drawn)
    for values, end in zip(np.concatenate(drawn).T, (100, 50)):
        quarters = np.histogram(values, bins=np.linspace(0, end, 5))[0] / len(values)
        np.testing.assert_allclose(quarters, 0.25, atol=0.03)


def test_a_sample_reads_what_it_needs() -> None:
    source = numbered(100, 50)
    read: list[str] = []
    whole = source.part

    def watched(utterances: Iterable[str]) -> Features:
        read.extend(utterances := list(utterances))
        return whole(utterances)

    source.part = watched  # type: ignore[method-assign]
    frames, n_utterances = sample(source, max_frames=510, percent=None, seed=0)
    assert (len(read), n_utterances, len(frames)) == (41, 41, pytest.approx(510, abs=20))
    np.testing.assert_array_equal(np.unique(frames[:, 0]), [int(id_[1:]) for id_ in read])
    frames, n_utterances = sample(source, max_frames=9999, percent=9.5, seed=0)
    assert (len(frames), n_utterances, len(np.unique(frames[:, 0]))) == (500, 10, 10)


def test_a_sample_does_not_depend_on_shards() -> None:
    source = numbered(30, 50)
    one = sample(source, max_frames=333, percent=None, seed=5)
    two = sample(source, max_frames=333, percent=None, seed=5, nj=2)
    np.testing.assert_array_equal(one[0], two[0])
    assert not np.array_equal(one[0], sample(source, max_frames=333, percent=None, seed=6)[0])


def test_several_sources_are_one(kmeans: KMeans) -> None:
    parts = [Features({f"u{i}": cloud(300, i)[0] for i in some}) for some in ((0, 3), (1, 2, 4))]
    assert fit_kmeans(JoinedFeatures(parts), FitSettings(4, restarts=3)).info == kmeans.info
    with pytest.raises(DataError, match="'u0' is in two of the sources"):
        JoinedFeatures([parts[0], parts[0]])
    other = Features({}, mfcc_info())
    with pytest.raises(DataError, match=r"different features: layer 6 of model f00 \(2 values\), and mfcc"):
        JoinedFeatures([parts[0], other])


def test_save_and_load(kmeans: KMeans, tmp_path: Path) -> None:
    kmeans.save(tmp_path)
    loaded = KMeans.load(tmp_path)
    assert loaded.info == kmeans.info
    np.testing.assert_array_equal(loaded.centroids, kmeans.centroids)
    np.save(tmp_path / "centroids.npy", kmeans.centroids + 1)
    with pytest.raises(DataError, match="is not the file that"):
        KMeans.load(tmp_path)
    with pytest.raises(DataError, match=r"kmeans\.json: no such file; `speecht5 units fit` makes it"):
        KMeans.load(tmp_path / "nowhere")


def test_what_cannot_be_fitted() -> None:
    with pytest.raises(DataError, match="10 frames of 1 utterances are too few for 11 clusters"):
        fit_kmeans(Features({"u": cloud(10, 0)[0]}), FitSettings(11))
    with pytest.raises(DataError, match="all 200 frames fall into one cluster"):
        fit_kmeans(Features({"u": np.ones((200, 2), np.float32)}), FitSettings(2, restarts=1))
    with pytest.raises(DataError, match="no utterance"):
        fit_kmeans(Features({}), FitSettings(2))


def test_labels_are_a_table_with_a_description(kmeans: KMeans, source: Features, data_dir: DataDir) -> None:
    done = write_labels(kmeans, source, data_dir)
    assert (done.n_utterances, done.n_frames, done.n_used) == (3, 49 + 99 + 25, 4)
    table = DataDir(data_dir.path).table("units")
    assert list(table) == ["s-1", "s-2", "s-3"]
    np.testing.assert_array_equal(np.array(table["s-1"].split(), int), kmeans.assign(source.features["s-1"]))
    described = json.loads((data_dir.path / "units.json").read_text())
    assert described == {"rate_hz": 50.0, "n_clusters": 4, "kmeans": kmeans.info.hash}
    assert check_labels(DataDir(data_dir.path)) == done
    write_labels(kmeans, source, data_dir, name="units_it2")
    assert UnitInfo.load(data_dir.path, "units_it2").kmeans == kmeans.info.hash


def test_other_features_than_those_of_the_model(kmeans: KMeans, source: Features, data_dir: DataDir) -> None:
    for change, complaint in (
        ({"rate_hz": 100.0}, "features at 100 Hz, but the k-means model was fitted at 50 Hz"),
        ({"layer": 9}, r"layer 9 of model f00 .* fitted on layer 6 of model f00"),
        ({"model": "abc"}, r"layer 6 of model abc .* fitted on layer 6 of model f00"),
    ):
        source.info = replace(layer_info(2, model="f00", layer=6), **change)
        with pytest.raises(DataError, match=complaint):
            write_labels(kmeans, source, data_dir)
    assert not data_dir.has("units")


def test_other_utterances_than_the_data_dirs(kmeans: KMeans, source: Features, data_dir: DataDir) -> None:
    source.features["s-9"] = source.features.pop("s-2")
    with pytest.raises(DataError, match=r"1 of .*/utt2spk are not there, such as s-2; 1 are not in it, such as s-9"):
        write_labels(kmeans, source, data_dir)


@pytest.mark.parametrize("change", [-2, 2, 99])
def test_labels_that_do_not_fit_the_sound(kmeans: KMeans, source: Features, data_dir: DataDir, change: int) -> None:
    (data_dir.path / "units").write_text("what was there before\n")
    source.features["s-2"] = cloud(99 + change, 0)[0]
    with pytest.raises(DataError, match=rf"utterance s-2: {99 + change} labels at 50 Hz, but its 2\.000 s .* make 99"):
        write_labels(kmeans, source, data_dir)
    assert (data_dir.path / "units").read_text() == "what was there before\n"


def test_one_frame_of_difference_is_allowed(kmeans: KMeans, source: Features, data_dir: DataDir) -> None:
    source.features["s-2"] = cloud(98, 0)[0]
    assert write_labels(kmeans, source, data_dir).n_frames == 49 + 98 + 25


def test_labels_of_one_cluster(kmeans: KMeans, source: Features, data_dir: DataDir) -> None:
    for features in source.features.values():
        features[:] = 0
    with pytest.raises(DataError, match="only 1 of 4 clusters occur"):
        write_labels(kmeans, source, data_dir)


def test_an_interrupted_run_goes_on(kmeans: KMeans, source: Features, data_dir: DataDir) -> None:
    """Where the caller can tell that it is the same work; else everything is done again."""

    class Watched(Features):
        read_ids: ClassVar[list[str]] = []
        stop_at: ClassVar[str] = ""

        def read(self, utterances: Iterable[str]) -> Iterator[tuple[str, np.ndarray]]:
            for utterance in utterances:
                if utterance == self.stop_at:
                    raise DataError("interrupted")
                self.read_ids.append(utterance)
                yield utterance, self.features[utterance]

        def part(self, utterances: Iterable[str]) -> Features:
            return Watched({utterance: self.features[utterance] for utterance in utterances})

    def read(made_from: str | None, stop_at: str = "") -> list[str]:
        Watched.read_ids, Watched.stop_at = [], stop_at
        if stop_at:
            with pytest.raises(DataError, match="interrupted"):
                write_labels(kmeans, Watched(source.features), data_dir, made_from=made_from)
        else:
            write_labels(kmeans, Watched(source.features), data_dir, made_from=made_from)
        return Watched.read_ids

    assert read("a", stop_at="s-3") == ["s-1", "s-2"]
    assert not data_dir.has("units")
    assert read("a") == ["s-3"]
    expected = (data_dir.path / "units").read_text()
    assert read("a") == ["s-1", "s-2", "s-3"]  # nothing is left of a run that ended
    for before, after in (("a", "b"), ("a", None), (None, "a")):
        read(before, stop_at="s-3")
        assert read(after) == ["s-1", "s-2", "s-3"]
    assert (data_dir.path / "units").read_text() == expected
    assert DataDir(data_dir.path).files() == ["spk2utt", "units", "utt2dur", "utt2spk", "wav.scp"]
    assert not list(data_dir.path.glob(".units*"))


def test_check_finds_what_others_wrote_wrong(data_dir: DataDir) -> None:
    UnitInfo(50.0, 4, None).save(data_dir.path)
    good = {"s_1": "0 1 " * 24 + "2", "s_2": "3 " * 99, "s_3": "0 " * 25}

    def checked(**changes: str) -> None:
        lines = [f"{key.replace('_', '-')} {line}\n" for key, line in (good | changes).items() if line != "gone"]
        (data_dir.path / "units").write_text("".join(lines))
        check_labels(DataDir(data_dir.path))

    checked()
    for change, complaint in (
        ({"s_2": "4 " * 99}, "utterance s-2: unit label 4, expected 0 to 3"),
        ({"s_2": "-1 " * 99}, "utterance s-2: unit label -1, expected 0 to 3"),
        ({"s_2": "a " * 99}, "utterance s-2: unit labels must be whole numbers"),
        ({"s_2": ""}, "utterance s-2: no unit labels"),
        ({"s_2": "gone"}, "1 of .* are not there, such as s-2"),
        ({"s_2": "1 " * 50}, "utterance s-2: 50 labels"),
        ({"s_1": "1 " * 49, "s_2": "1 " * 99, "s_3": "1 " * 25}, "only 1 of 4 clusters occur"),
    ):
        with pytest.raises(DataError, match=complaint):
            checked(**change)


@pytest.mark.parametrize("n_samples", [400, 16_000, 16_159, 16_160, 40_001, 250_000])
def test_reading_at_100_hz_takes_every_second_frame(n_samples: int) -> None:
    labels = np.arange(n_mfcc_frames(n_samples)) % 7
    line = " ".join(map(str, labels))
    found = read_units(line, UnitInfo(100.0, 7, None), n_unit_frames(n_samples), utterance="u")
    np.testing.assert_array_equal(found, labels[::2])
    assert len(found) == n_unit_frames(n_samples)


def test_reading_at_50_hz() -> None:
    info = UnitInfo(50.0, 7, None)
    line = " ".join(["3"] * 40)
    assert read_units(line, info, 40, utterance="u").tolist() == [3] * 40
    assert len(read_units(line, info, 38, utterance="u")) == 38
    assert len(read_units(line, info, 45, utterance="u")) == 40  # the encoder is cut to the labels
    for n_frames in (34, 46, 80):
        with pytest.raises(DataError, match=f"utterance u: 40 unit labels at 50 Hz, .* {n_frames} frames"):
            read_units(line, info, n_frames, utterance="u")
    with pytest.raises(DataError, match="utterance u: unit label 7, expected 0 to 6"):
        parse_units("1 7", info, "u")


def test_other_rates_are_refused(tmp_path: Path) -> None:
    UnitInfo(25.0, 7, None).save(tmp_path)
    with pytest.raises(DataError, match=r"units\.json: units at 25 Hz; expected 50 or 100 Hz"):
        UnitInfo.load(tmp_path)
    with pytest.raises(DataError, match=r"units_it2\.json: no such file; `speecht5 units label` makes it"):
        UnitInfo.load(tmp_path, "units_it2")


def test_report_of_usage(kmeans: KMeans) -> None:
    runs = np.repeat(np.array([0, 1, 2, 3, 0, 1]), [4, 2, 4, 4, 2, 4])
    source = Features({"a": CENTRES[runs], "b": CENTRES[runs[::-1]] + np.float32([1, 0])})
    usage = report(kmeans, source).usage
    shares = np.bincount(runs) / len(runs)
    assert usage.entropy == pytest.approx(-(shares * np.log(shares)).sum())
    assert usage.perplexity == pytest.approx(np.exp(usage.entropy))
    assert (usage.n_frames, usage.n_used, usage.n_clusters) == (40, 4, 4)
    assert usage.mean_run_frames == pytest.approx(40 / 12)
    assert usage.mean_run_ms == pytest.approx(20 * 40 / 12)
    assert usage.inertia == pytest.approx(0.5, abs=0.1)  # half of the frames are 1 away


def agreement(kmeans: KMeans, units: list[int], phones: str, rate_hz: float = 50) -> PhoneAgreement:
    source = Features({"u": CENTRES[units]})
    result = report(kmeans, source, alignment={"u": phones, "x": "p"}, alignment_rate_hz=rate_hz).phones
    assert result is not None
    return result


def test_a_report_does_not_depend_on_shards(kmeans: KMeans) -> None:
    source = Features({f"u{i}": cloud(50, i)[0] for i in range(9)})
    phones = {f"u{i}": " ".join("abcd"[(i + place) % 4] for place in range(50)) for i in range(7)}
    one, two = (report(kmeans, source, alignment=phones, alignment_rate_hz=50, nj=nj) for nj in (1, 2))
    assert one.phones == two.phones and one.phones is not None
    assert one.phones.n_frames == 350
    assert (one.usage.n_frames, one.usage.n_utterances) == (450, 9)
    assert one.usage.inertia == pytest.approx(two.usage.inertia, rel=1e-12)
    assert replace(one.usage, inertia=0) == replace(two.usage, inertia=0)


def test_report_against_phones(kmeans: KMeans) -> None:
    perfect = agreement(kmeans, [0, 0, 1, 2, 2, 3], "a a b c c d")
    assert (perfect.phone_purity, perfect.cluster_purity, perfect.pnmi) == pytest.approx((1, 1, 1))
    useless = agreement(kmeans, [0, 1, 0, 1], "a,a,b,b")
    assert (useless.phone_purity, useless.cluster_purity) == pytest.approx((0.5, 0.5))
    assert useless.pnmi == pytest.approx(0, abs=1e-9)
    # two phones share a unit: half of what is to know about them is lost
    shared = agreement(kmeans, [0, 0, 1, 1, 2, 2, 2, 2], "a a b b c c d d")
    assert shared.phone_purity == pytest.approx(0.75)
    assert shared.cluster_purity == pytest.approx(1)
    assert shared.pnmi == pytest.approx(1.5 / 2)


def test_alignment_at_another_rate(kmeans: KMeans) -> None:
    twice = agreement(kmeans, [0, 1, 2, 3], "a a b b c c d d", rate_hz=100)
    assert (twice.pnmi, twice.n_frames) == (pytest.approx(1), 8)
    half = agreement(kmeans, [0, 0, 1, 1, 2, 2], "a b c", rate_hz=25)
    assert (half.pnmi, half.n_frames) == (pytest.approx(1), 3)
    with pytest.raises(DataError, match=r"utterance u: its alignment is 0\.16 s long .*, its units 0\.40 s"):
        agreement(kmeans, [0] * 20, "a a b b c c d d")
    with pytest.raises(DataError, match="no utterance in common"):
        report(kmeans, Features({"u": CENTRES}), alignment={"v": "a"})
