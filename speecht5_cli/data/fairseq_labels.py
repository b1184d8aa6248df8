"""fairseq's manifests and labels, in and out.

    {split}.tsv     first line: a root folder; then `path below it <tab> number of samples`
    {split}.km      one line of clusters for each of the tsv's paths, in its order; no ids
    dict.km.txt     `cluster count` lines; their order numbers the clusters

Nothing but the order ties a line of labels to its sound, so everything that can be counted is.
"""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE, AudioRef, audio_info
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.tables import read_lines, write_lines, write_table
from speecht5_cli.data.units import UNITS, LabelChecks, Labelled, UnitInfo, check_labels, check_same_utterances
from speecht5_cli.errors import DataError

T = TypeVar("T")

DICTIONARY = "dict.km.txt"


def export_labels(data_dir: DataDir, out: Path, split: str, *, name: str = UNITS) -> Labelled:
    """Write `split`.tsv, `split`.km and dict.km.txt for a data dir that keeps all rules.

    Raises DataError where fairseq has no way to say it: segments, archives, pipes, other rates than 16 kHz.
    """
    result = check_labels(data_dir, name)
    info = UnitInfo.load(data_dir.path, name)
    refs, labels = data_dir.audio(), data_dir.table(name)
    n_samples = {utterance: _n_samples(utterance, refs[utterance]) for utterance in data_dir.utterances}
    paths = {utterance: os.path.abspath(refs[utterance].source) for utterance in n_samples}  # noqa: PTH100 - links stay
    root = os.path.commonpath([os.path.dirname(path) for path in paths.values()])  # noqa: PTH120
    lines = [f"{os.path.relpath(paths[utterance], root)}\t{n}" for utterance, n in n_samples.items()]
    write_lines(out / f"{split}.tsv", [root, *lines])
    write_lines(out / f"{split}.km", [labels[utterance] for utterance in n_samples])
    write_lines(out / DICTIONARY, [f"{cluster} 1" for cluster in range(info.n_clusters)])
    return result


def _n_samples(utterance: str, ref: AudioRef) -> int:
    if ref.end_s is not None or not Path(ref.source).is_file():
        raise DataError(f"utterance {utterance}: fairseq's manifests name whole files only, not '{ref.source}'")
    header = audio_info(ref.source)
    if header.rate != SAMPLE_RATE:
        raise DataError(
            f"utterance {utterance}: {ref.source} has {header.rate} Hz; fairseq reads {SAMPLE_RATE} Hz only"
        )
    return header.n_frames


def import_labels(
    manifest: Path, labels: Path, dictionary: Path, data_dir: DataDir, *, rate_hz: float, name: str = UNITS
) -> Labelled:
    """Write labels in fairseq's form as a table of a data dir, and leave out lines of sound that the dir lacks.

    A line belongs to the utterance whose wav.scp names the same file, else to the one whose file has the same name
    without suffix, if only one on each side has that name. Raises DataError when counts do not match, an utterance has
    no line, or labels do not fit the sound.
    """
    clusters = _clusters(dictionary)
    paths, rows = _manifest(manifest), read_lines(labels)
    if len(rows) != len(paths):
        raise DataError(f"{labels}: {len(rows)} lines, but {manifest} lists {len(paths)} files")
    numbers = _lines_of(data_dir, paths)
    check_same_utterances(numbers, data_dir, manifest)
    info = UnitInfo(rate_hz, len(clusters), kmeans=None)
    checks = LabelChecks(data_dir, info, name)
    table = {}
    for utterance, number in numbers.items():
        try:
            row = [clusters[symbol] for symbol in rows[number].split()]
        except KeyError as error:
            raise DataError(f"{labels}:{number + 1}: label {error} is not in {dictionary}") from None
        checks.add(utterance, np.array(row, np.int64))
        table[utterance] = " ".join(map(str, row))
    result = checks.result()
    write_table(data_dir.path / name, table)
    info.save(data_dir.path, name)
    return result


def _clusters(dictionary: Path) -> dict[str, int]:
    """Label -> number, as fairseq numbers them: by the order of the lines."""
    symbols = [line.rpartition(" ")[0] for line in read_lines(dictionary)]
    if len(symbols) < 2 or "" in symbols or len(set(symbols)) < len(symbols):
        raise DataError(f"{dictionary}: expected at least two 'cluster count' lines, each cluster once")
    return {symbol: number for number, symbol in enumerate(symbols)}


def _manifest(path: Path) -> list[Path]:
    """The files of a manifest; further columns, such as SpeechT5's speaker vectors, are left alone."""
    root, *lines = read_lines(path)
    files = []
    for number, line in enumerate(lines, 2):
        name, tab, _ = line.partition("\t")
        if not tab:
            raise DataError(f"{path}:{number}: expected 'path<tab>number of samples', got '{line}'")
        files.append(Path(root) / name)
    return files


def _lines_of(data_dir: DataDir, paths: list[Path]) -> dict[str, int]:
    """Utterance -> number of its line, for the utterances whose sound the manifest lists."""
    refs = data_dir.audio()
    if any(ref.end_s is not None for ref in refs.values()):
        raise DataError(f"{data_dir.path}: has segments, which fairseq's manifests do not know")
    sources = {utterance: Path(ref.source) for utterance, ref in refs.items()}
    by_path = {path.resolve(): number for number, path in enumerate(paths)}
    by_name = _without_doubles((path.stem, number) for number, path in enumerate(paths))
    names = _without_doubles((source.stem, utterance) for utterance, source in sources.items())
    found = {}
    for utterance, source in sources.items():
        number = by_path.get(source.resolve(), by_name.get(source.stem) if source.stem in names else None)
        if number is not None:
            found[utterance] = number
    return found


def _without_doubles(pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """The pairs whose key occurs once."""
    pairs = list(pairs)
    counts = Counter(key for key, _ in pairs)
    return {key: value for key, value in pairs if counts[key] == 1}
