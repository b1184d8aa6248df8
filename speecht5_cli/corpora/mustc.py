"""MuST-C (English talks with translations) in its own layout: en-XX/data/<split>/{wav,txt}."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from speecht5_cli.corpora.names import SpeakerNames, escaped
from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.corpora.published import Published, compared
from speecht5_cli.corpora.yaml_list import read_mappings
from speecht5_cli.data.untouched import untouched_name, untouched_rows
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.data.writer import DataDirReport, write_data_dir
from speecht5_cli.errors import DataError

SPLITS = ("train", "dev", "tst-COMMON", "tst-HE")
PUBLISHED = {  # of release 1; hours are published for all splits together only
    "de": {"train": 229_703, "dev": 1_423, "tst-COMMON": 2_641, "tst-HE": 600},
    "fr": {"train": 275_085, "dev": 1_412, "tst-COMMON": 2_632, "tst-HE": 600},
}
_STAGE_DIRECTION = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")  # (Laughter)


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    language: str = "de",
) -> list[DataDirReport]:
    """MuST-C from English into one language: segments of talks with `text` and `text.<language>`, case and all.

    `source` is the folder that holds en-<language>, or that one, or its `data`. The parts are train, dev, tst-COMMON
    and tst-HE, by default those that are there; they become `out`/train, dev, tst_COMMON, tst_HE. A segment's id is
    speaker, talk, start and end in ms. Of `train` are left out: a repeated segment, and one where nothing but a stage
    direction such as (Laughter) stands. The other splits bring untouched.text.<language>.tsv, every reference line as
    it is, for scoring (data/untouched.py).

    A split whose files do not fit together is not written; the others are, then DataError names the faulty ones.
    """
    root = _root(source, language)
    reports: list[DataDirReport] = []
    faults: list[str] = []
    for split in _chosen(root, parts):
        try:
            rows = _Rows.of(root / split, split, language)
        except DataError as error:
            faults.append(str(error))
            continue
        report = write_data_dir(
            out / split.replace("-", "_"),
            rows.utterances(),
            rejected=rows.rejected,
            check_audio=check_audio,
            nj=nj,
            companions={} if split == "train" else {untouched_name(rows.table): rows.untouched()},
        )
        number = PUBLISHED.get(language, {}).get(split)
        published = Published(number, items="segments") if number else None
        reports.append(compared(report, published, n_items=len(rows.entries), n_speakers=report.n_speakers))
    if faults:
        written = ", ".join(str(report.out) for report in reports) or "nothing"
        raise DataError(f"{'; '.join(faults)} (written: {written})")
    return reports


def _root(source: Path, language: str) -> Path:
    for root in (source / f"en-{language}" / "data", source / "data", source):
        if any((root / split).is_dir() for split in SPLITS):
            return root
    raise DataError(f"{source}: no en-{language}/data with {', '.join(SPLITS)} is in it")


def _chosen(root: Path, parts: list[str] | None) -> list[str]:
    present = [split for split in SPLITS if (root / split).is_dir()]
    if parts is None:
        return present
    wanted = chosen_parts([part.replace("_", "-") for part in parts], SPLITS)
    if missing := [split for split in wanted if split not in present]:
        raise DataError(f"{root}: has no {missing[0]}; it has {', '.join(present)}")
    return wanted


@dataclass(frozen=True, slots=True)
class _Entry:
    """An item of the YAML file. `fault` says why it is no segment."""

    line: int
    wav: str
    speaker: str
    start_s: float
    end_s: float
    fault: str = ""

    def id(self, speaker: str) -> str:
        """With the speaker's name; times in ms."""
        talk = escaped(self.wav.rpartition(".")[0] or self.wav)
        return f"{speaker}-{talk}-{round(1000 * self.start_s):07d}-{round(1000 * self.end_s):07d}"


def _entry(line: int, item: Mapping[str, str]) -> _Entry:
    wav, speaker = item.get("wav", ""), item.get("speaker_id", "")
    try:
        start_s, duration_s = float(item["offset"]), float(item["duration"])
    except KeyError as error:
        return _Entry(line, wav, speaker, 0.0, 0.0, f"no {error.args[0]}")
    except ValueError as error:
        return _Entry(line, wav, speaker, 0.0, 0.0, f"offset or duration that is no number: {error}")
    if not (isfinite(start_s) and isfinite(duration_s)):
        return _Entry(line, wav, speaker, 0.0, 0.0, f"offset {start_s} and duration {duration_s}")
    missing = "wav" if not wav else "speaker_id" if not speaker else ""
    return _Entry(line, wav, speaker, start_s, start_s + duration_s, f"no {missing}" if missing else "")


@dataclass
class _Rows:
    """A split: entry i of the YAML file belongs to line i of both texts."""

    split: str
    table: str
    wavs: Path
    entries: list[_Entry]
    english: list[bytes]
    translated: list[bytes]
    names: SpeakerNames = field(default_factory=SpeakerNames)
    rejected: list[Rejected] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path, split: str, language: str) -> "_Rows":
        """Read a split's files. Raises DataError when one is missing, or their numbers of lines differ."""
        entries = [_entry(*item) for item in read_mappings(folder / "txt" / f"{split}.yaml")]
        english = _lines(folder / "txt" / f"{split}.en")
        translated = _lines(folder / "txt" / f"{split}.{language}")
        if not len(entries) == len(english) == len(translated):
            raise DataError(
                f"{folder}/txt: {len(entries)} segments in {split}.yaml, {len(english)} lines in {split}.en, "
                f"{len(translated)} in {split}.{language}; nobody can say which line belongs to which segment"
            )
        return cls(split, f"text.{language}", folder / "wav", entries, english, translated)

    def utterances(self) -> Iterator[Utterance]:
        """The segments; what cannot become one is rejected."""
        seen: set[str] = set()
        for entry, raw, raw_translated in zip(self.entries, self.english, self.translated):
            name = self._id(entry, seen)
            text, translated = _decoded(raw), _decoded(raw_translated)
            where = f"{self.split}.yaml:{entry.line}"
            if entry.fault:
                self.rejected.append(Rejected(name, f"unusable entry: {entry.fault} in {where}"))
            elif text is None or translated is None:
                self.rejected.append(Rejected(name, f"text that is not UTF-8: the line of {where}"))
            elif self.split == "train" and (_is_stage_direction(text) or _is_stage_direction(translated)):
                self.rejected.append(Rejected(name, f"stage direction only: '{text}' of {where}"))
            else:
                yield Utterance(
                    name,
                    self.names[entry.speaker],
                    str(self.wavs / entry.wav),
                    text,
                    entry.start_s,
                    entry.end_s,
                    {self.table: translated},
                )

    def untouched(self) -> Iterator[str]:
        """The reference lines in the order of the corpus, under the ids of their segments."""
        seen: set[str] = set()
        ids = [self._id(entry, seen) for entry in self.entries]
        return untouched_rows((name, raw.decode(errors="replace")) for name, raw in zip(ids, self.translated))

    def _id(self, entry: _Entry, seen: set[str]) -> str:
        """Outside of `train` every line counts in scoring, so that a repeated segment gets an id of its own."""
        name = first = f"{self.split}:{entry.line}" if entry.fault else entry.id(self.names[entry.speaker])
        number = 1
        while self.split != "train" and name in seen:
            number += 1
            name = f"{first}-{number}"
        seen.add(name)
        return name


def _lines(path: Path) -> list[bytes]:
    """The lines without their ends, split at newlines alone: the texts hold U+2028 and the like."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    content = content.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n")
    return [line.removesuffix(b"\r") for line in content.split(b"\n")] if content else []


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _is_stage_direction(text: str) -> bool:
    return bool(_STAGE_DIRECTION.search(text)) and not any(map(str.isalnum, _STAGE_DIRECTION.sub("", text)))
