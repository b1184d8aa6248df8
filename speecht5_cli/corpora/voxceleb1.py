"""VoxCeleb1 in its own layout: recordings by speaker and video, and the lists that split them."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from speecht5_cli.corpora.listing import files, folders, split_suffix
from speecht5_cli.corpora.names import escaped
from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.corpora.published import Published, compared
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.data.writer import DataDirReport, write_data_dir
from speecht5_cli.errors import DataError

LIST = "iden_split.txt"
TRIALS = "trials.lines"  # of the verification set: pairs of utterances, and whether one person speaks both
PUBLISHED = {
    "train": Published(138_361, 1_251),
    "dev": Published(6_904, 1_251),
    "test": Published(8_251, 1_251),
}
_CODES = {"1": "train", "2": "dev", "3": "test"}
_SPEAKER = re.compile(r"id\d{5}")
_DEPTH = 3  # folders above the speakers': dev/wav, vox1_dev_wav/wav and the like
_SUFFIXES = (".wav", ".flac")


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    trials: str = "veri_test.txt",
) -> list[DataDirReport]:
    """VoxCeleb1 for identification, by iden_split.txt, and the verification trials where their list is there.

    `source` holds iden_split.txt (and vox1_meta.csv, which gives spk2gender) and, anywhere up to three folders below,
    the speakers' folders id10001 and so on; files of each set lie in the dev and in the test archive. The parts are
    `train`, `dev`, `test` and `veri`, the recordings of the list `trials` with the trials in trials.lines. An id is
    <speaker>-<video>-<number>; blanks in a video's name become %20. Left out: paths that the list puts into two sets,
    and dev and test recordings of a speaker with none in train, who is no class.

    Raises UsageError for an unknown part, DataError for a missing list or no recordings.
    """
    recordings = _recordings(source)
    there = [*_CODES.values(), *(["veri"] if (source / trials).is_file() else [])]
    chosen = chosen_parts(parts, there)
    genders = _genders(source / "vox1_meta.csv")
    listed = _read_list(source / LIST) if set(chosen) != {"veri"} else _List()
    unlisted = sorted(recordings.keys() - listed.paths) if listed.paths else []
    reports: list[DataDirReport] = []
    for name in chosen:
        pairs = _read_trials(source / trials) if name == "veri" else []
        wanted = sorted({path for pair in pairs for path in pair[:2]}) if pairs else listed.sets[name]
        rejected = [] if reports or name == "veri" else list(listed.rejected)
        utterances, missing = _utterances(wanted, recordings, listed.classes if name != "veri" else None)
        report = write_data_dir(
            out / name,
            utterances,
            rejected=[*rejected, *missing],
            check_audio=check_audio,
            nj=nj,
            speaker_tables={"spk2gender": genders} if genders else {},
            companions={TRIALS: (" ".join(map(_trial_word, pair)) for pair in pairs)} if pairs else {},
            remarks=_unlisted_remark(unlisted) if not reports and name != "veri" else (),
        )
        found = {"n_items": len(utterances), "n_speakers": len({one.speaker for one in utterances})}
        reports.append(compared(report, PUBLISHED.get(name), **found))
    return reports


def _recordings(source: Path) -> dict[str, str]:
    """Path in the lists (id10001/1zcIwhmdeo4/00001.wav) -> file, for all that lie below the folder."""
    found: dict[str, str] = {}
    for root in _speaker_roots(str(source), _DEPTH):
        for speaker, speaker_path in folders(root):
            if not _SPEAKER.fullmatch(speaker):
                continue
            for video, video_path in folders(speaker_path):
                for name, file in files(video_path):
                    stem, suffix = split_suffix(name)
                    if suffix in _SUFFIXES:
                        found.setdefault(f"{speaker}/{video}/{stem}.wav", file)
    if not found:
        raise DataError(
            f"{source}: no recordings such as wav/id10001/1zcIwhmdeo4/00001.wav; are the archives unpacked?"
        )
    return found


def _speaker_roots(folder: str, depth: int) -> Iterator[str]:
    """The folders that hold speakers' folders."""
    inside = folders(folder)
    if any(_SPEAKER.fullmatch(name) for name, _ in inside):
        yield folder
    elif depth:
        for _, path in inside:
            yield from _speaker_roots(path, depth - 1)


@dataclass
class _List:
    """What iden_split.txt says."""

    sets: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in _CODES.values()})
    rejected: list[Rejected] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)  # all that it names, usable or not

    @property
    def classes(self) -> set[str]:
        """The speakers of the training set."""
        return {path.partition("/")[0] for path in self.sets["train"]}


def _read_list(file: Path) -> _List:
    """Lines `<1|2|3> <path>`: train, dev, test."""
    listed, sets_of = _List(), Counter[tuple[str, str]]()
    for number, line in _lines(file):
        code, _, raw = line.strip().partition(" ")
        path = _normal(raw)
        if not path:
            listed.rejected.append(Rejected(f"{file.name}:{number}", f"no path: the line is '{line.strip()}'"))
        elif code not in _CODES:
            listed.rejected.append(Rejected(path, f"unknown code of a set: '{code}' in {file.name}:{number}"))
            listed.paths.add(path)
        else:
            sets_of[path, _CODES[code]] += 1
    by_path: dict[str, list[str]] = {}
    for path, name in sets_of:
        by_path.setdefault(path, []).append(name)
    for path, names in by_path.items():
        listed.paths.add(path)
        if len(names) > 1:
            listed.rejected.append(Rejected(path, f"in two sets: {file.name} has it in {' and in '.join(names)}"))
        else:
            listed.sets[names[0]].append(path)
    return listed


def _read_trials(file: Path) -> list[tuple[str, str, str]]:
    """(path, path, target|nontarget) of lines `<1|0> <path> <path>`. Raises DataError for another line."""
    trials = []
    for number, line in _lines(file):
        words = line.split()
        if len(words) != 3 or words[0] not in ("0", "1"):
            raise DataError(f"{file}:{number}: expected '1 path path' or '0 path path', got '{line.strip()}'")
        trials.append((_normal(words[1]), _normal(words[2]), ("nontarget", "target")[int(words[0])]))
    return trials


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Number and line of those that are not empty."""
    try:
        content = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; get it from the VoxCeleb pages") from None
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            yield number, line


def _normal(path: str) -> str:
    """A path of a list, as `_recordings` names it."""
    plain = path.strip().replace("\\", "/")
    return os.path.normpath(plain) if plain else ""


def _utterances(
    paths: list[str], recordings: dict[str, str], classes: set[str] | None
) -> tuple[list[Utterance], list[Rejected]]:
    """Those that lie there, of the speakers in `classes` (None: of all)."""
    found, missing = [], []
    for path in paths:
        speaker = path.partition("/")[0]
        if path not in recordings:
            missing.append(Rejected(path, "no such recording: the list has it, the folders do not"))
        elif classes is not None and speaker not in classes:
            missing.append(Rejected(path, f"speaker without training recordings: {speaker} is no class"))
        else:
            found.append(Utterance(_id(path), speaker, recordings[path]))
    return found, missing


def _id(path: str) -> str:
    """id10001/1zcIwhmdeo4/00001.wav -> id10001-1zcIwhmdeo4-00001."""
    return "-".join(map(escaped, split_suffix(path)[0].split("/")))


def _trial_word(word: str) -> str:
    return _id(word) if "/" in word else word


def _genders(file: Path) -> dict[str, str]:
    """Speaker -> f or m, from vox1_meta.csv; empty without it."""
    if not file.is_file():
        return {}
    rows = [line.split("\t") for _, line in _lines(file)]
    return {row[0].strip(): row[2].strip() for row in rows if len(row) > 2 and row[2].strip() in ("f", "m")}


def _unlisted_remark(unlisted: list[str]) -> list[str]:
    if not unlisted:
        return []
    return [f"{len(unlisted)} recordings are not in {LIST} and not used, such as {unlisted[0]}"]
