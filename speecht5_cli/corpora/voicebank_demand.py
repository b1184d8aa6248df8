"""VoiceBank-DEMAND (doi 10.7488/ds/2117): noisy and clean recordings of 28 (or 56) and 2 speakers, 48 kHz."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from speecht5_cli.corpora.noisy_pairs import NoisyPairs, enhanced
from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.corpora.published import Published, compared
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.data.writer import DataDirReport, write_data_dir
from speecht5_cli.errors import UsageError

SPLITS = ("train", "dev", "test")
HELD_OUT = "p226,p287"
PUBLISHED = {  # of the training set of 28 speakers, with HELD_OUT held out
    "train": Published(10_802, 26, items="pairs"),
    "dev": Published(770, 2, items="pairs"),
    "test": Published(824, 2, items="pairs"),
}
_NAME = re.compile(r"(p\d+)_(\d+)")


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    trainset: str = "28spk",
    held_out: str = HELD_OUT,
) -> list[DataDirReport]:
    """VoiceBank-DEMAND's pairs: noisy speech, with the clean recording as its target.

    `source` holds the unpacked folders clean_trainset_28spk_wav, noisy_trainset_28spk_wav, clean_testset_wav,
    noisy_testset_wav and, where there are texts, trainset_28spk_txt and testset_txt. Logs of the noises
    (log_trainset_28spk.txt, log_testset.txt), there or in `logfiles`, give utt2noise and utt2snr. `dev` is the speakers
    `held_out` (names with commas between; `none` holds nobody out), `train` the others of the training set.

    Raises UsageError for an unknown part or when nobody is left to train on, DataError for missing folders.
    """
    outside = {name.strip() for name in held_out.split(",") if name.strip()} - {"none"}
    reports = []
    for split in chosen_parts(parts, [name for name in SPLITS if outside or name != "dev"]):
        reading = _Reading(source, "testset" if split == "test" else f"trainset_{trainset}")
        pairs = [pair for pair in reading.utterances() if _is_of(split, pair.speaker, outside)]
        if not pairs:
            there = ", ".join(sorted(reading.speakers)) or "none"
            raise UsageError(f"held_out={held_out}: no speaker of {source} is left for {split}; it has {there}")
        report = write_data_dir(
            out / split,
            pairs,
            rejected=[item for item in reading.rejected if _is_of(split, Path(item.id).name.split("_")[0], outside)],
            check_audio=check_audio,
            nj=nj,
            aligned=True,
            remarks=reading.remarks,
        )
        usual = split == "test" or (trainset, held_out) == ("28spk", HELD_OUT)
        found = {"n_items": len(pairs), "n_speakers": len({pair.speaker for pair in pairs})}
        reports.append(compared(report, PUBLISHED[split] if usual else None, **found))
    return reports


def _is_of(split: str, speaker: str, outside: set[str]) -> bool:
    return split == "test" or (speaker in outside) == (split == "dev")


@dataclass
class _Reading:
    """Goes through the training or the test set."""

    root: Path
    name: str  # testset, or trainset_28spk
    rejected: list[Rejected] = field(default_factory=list)
    speakers: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)

    def utterances(self) -> list[Utterance]:
        """All pairs, with text and noise where every one of them has it."""
        pairs = NoisyPairs(self.root / f"noisy_{self.name}_wav", self.root / f"clean_{self.name}_wav", self.rejected)
        named = [(stem, noisy, clean) for stem, noisy, clean in pairs if self._is_named(stem)]
        texts = self._texts()
        noises = self._noises({stem for stem, _, _ in named})
        found = []
        for stem, noisy, clean in named:
            speaker, number = stem.split("_")
            self.speakers.add(speaker)
            if texts is not None and stem not in texts:
                self.rejected.append(Rejected(stem, f"no transcript: there is no {stem}.txt that is UTF-8"))
                continue
            text = None if texts is None else texts[stem]
            found.append(enhanced(f"{speaker}-{number}", speaker, noisy, clean, text, **noises.get(stem, {})))
        return found

    def _is_named(self, stem: str) -> bool:
        if _NAME.fullmatch(stem):
            return True
        self.rejected.append(Rejected(stem, "name of no recording: they are called p226_001 and the like"))
        return False

    def _texts(self) -> dict[str, str] | None:
        """Stem -> transcript; None when there is no folder of them."""
        folder = self.root / f"{self.name}_txt"
        if not folder.is_dir():
            self.remarks.append(f"no {folder.name} is here, so there is no text")
            return None
        return dict(_decoded(folder))

    def _noises(self, stems: set[str]) -> dict[str, dict[str, str]]:
        """Stem -> the tables of its noise; empty when the log does not name all of them."""
        name = f"log_{self.name}.txt"
        file = next((path for path in (self.root / name, self.root / "logfiles" / name) if path.is_file()), None)
        if file is None:
            self.remarks.append(f"no {name} is here, so there are no utt2noise and utt2snr")
            return {}
        rows = [line.split() for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
        noises = {row[0]: {"utt2noise": row[1], "utt2snr": row[2]} for row in rows if len(row) == 3}
        if missing := stems - noises.keys():
            self.remarks.append(f"{name} lacks {len(missing)} of the recordings, so there are no utt2noise and utt2snr")
            return {}
        return noises


def _decoded(folder: Path) -> Iterator[tuple[str, str]]:
    """(stem, text) of the files that are UTF-8."""
    for file in sorted(folder.glob("[!.]*.txt")):
        try:
            yield file.stem, file.read_bytes().decode("utf-8-sig").strip()
        except UnicodeDecodeError:
            continue
