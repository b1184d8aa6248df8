"""Libri2Mix as LibriMix's scripts generate it; its mix_single is one speaker in WHAM!'s noise."""

import re
from pathlib import Path

from speecht5_cli.corpora.libri_layout import Reading
from speecht5_cli.corpora.librispeech import PUBLISHED as LIBRISPEECH
from speecht5_cli.corpora.noisy_pairs import NoisyPairs, enhanced
from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.corpora.published import Published, compared
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.data.writer import DataDirReport, write_data_dir
from speecht5_cli.errors import DataError

PUBLISHED = {
    "train-100": Published(13_900, items="mixtures"),
    "train-360": Published(50_800, items="mixtures"),
    "dev": Published(3_000, items="mixtures"),
    "test": Published(3_000, items="mixtures"),
}
_SUBSETS = {  # where the first speaker's recordings come from
    "train-100": "train-clean-100",
    "train-360": "train-clean-360",
    "dev": "dev-clean",
    "test": "test-clean",
}
_NAME = re.compile(r"((\d+)-\d+-\d+)_\d+-\d+-\d+")


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    librispeech: Path | None = None,
) -> list[DataDirReport]:
    """Libri2Mix's mix_single: the first speaker in noise, with that speaker alone as the target.

    `source` is Libri2Mix, or the folder wav16k/max in it (or in the folder that holds Libri2Mix). The parts are
    train-100, train-360, dev and test (dash or underscore), by default those that are there; train-100 becomes
    `out`/train_100. A mixture keeps its name as its id, which starts with the first reader. `librispeech`, a folder of
    LibriSpeech, gives the first speaker's text.

    Raises UsageError for an unknown part, DataError for missing folders.
    """
    root = _root(source)
    reports = []
    for part in _chosen(root, parts):
        texts = _texts(librispeech, _SUBSETS[part]) if librispeech else None
        pairs = NoisyPairs(root / part / "mix_single", root / part / "s1")
        utterances = _utterances(pairs, texts)
        report = write_data_dir(
            out / part.replace("-", "_"),
            utterances,
            rejected=pairs.rejected,
            check_audio=check_audio,
            nj=nj,
            aligned=True,
        )
        reports.append(compared(report, PUBLISHED[part], n_items=pairs.n_noisy, n_speakers=report.n_speakers))
    return reports


def _root(source: Path) -> Path:
    for root in (source, source / "Libri2Mix" / "wav16k" / "max", source / "wav16k" / "max", source / "max"):
        if any((root / part).is_dir() for part in PUBLISHED):
            return root
    raise DataError(
        f"{source}: no Libri2Mix/wav16k/max with {', '.join(PUBLISHED)} is in it; LibriMix's scripts make it"
    )


def _chosen(root: Path, parts: list[str] | None) -> list[str]:
    present = [part for part in PUBLISHED if (root / part).is_dir()]
    if parts is None:
        return present
    wanted = chosen_parts([part.replace("_", "-") for part in parts], list(PUBLISHED))
    if missing := [part for part in wanted if part not in present]:
        raise DataError(f"{root}: has no {missing[0]}; it has {', '.join(present)}")
    return wanted


def _texts(librispeech: Path, subset: str) -> dict[str, str]:
    """Utterance of LibriSpeech -> its text."""
    root = librispeech / "LibriSpeech" if (librispeech / "LibriSpeech").is_dir() else librispeech
    if not (root / subset).is_dir():
        known = [name for name in LIBRISPEECH if (root / name).is_dir()]
        raise DataError(f"{root}: no {subset}, which the texts come from; it has {', '.join(known) or 'no subset'}")
    return {one.id: one.text for one in Reading().utterances(root / subset) if one.text is not None}


def _utterances(pairs: NoisyPairs, texts: dict[str, str] | None) -> list[Utterance]:
    found = []
    for stem, noisy, clean in pairs:
        match = _NAME.fullmatch(stem)
        if not match:
            reason = "name of no mixture: expected 84-121123-0001_174-50561-0000 and the like"
            pairs.rejected.append(Rejected(stem, reason))
        elif texts is not None and match[1] not in texts:
            pairs.rejected.append(Rejected(stem, f"no transcript: LibriSpeech has no usable line for {match[1]}"))
        else:
            found.append(enhanced(stem, match[2], noisy, clean, texts[match[1]] if texts else None))
    return found
