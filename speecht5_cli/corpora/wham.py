"""WHAM! (wham.whisper.ai): WSJ0 in recorded noise; mix_single, one speaker in noise, is what the paper enhances."""

import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Literal

from speecht5_cli.corpora.noisy_pairs import NoisyPairs, enhanced
from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.corpora.published import Published, compared
from speecht5_cli.corpora.wham_mixing import KINDS, mixed_folders, planned
from speecht5_cli.corpora.wsj0 import Wsj0
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.data.writer import DataDirReport, write_data_dir
from speecht5_cli.errors import DataError, UsageError

SPLITS = {"train": "tr", "dev": "cv", "test": "tt"}
PUBLISHED = {"train": 20_000, "dev": 5_000, "test": 3_000}
_NAME = re.compile(r"((\w{3})\w{5})_-?[\d.]+_\w{8}_-?[\d.]+", re.ASCII)


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    length: Literal["max", "min"] = "max",
    wsj0: Path | None = None,
    noise: Path | None = None,
    lists: Path | None = None,
) -> list[DataDirReport]:
    """WHAM!'s mix_single at 16 kHz: one speaker in noise, with that speaker alone as the target.

    `source` holds the generated tree (wav16k/<length>/{tr,cv,tt}/{mix_single,s1}, or `wham` with it). Where there is
    none, the mixtures are made in `out`/wav from `wsj0` (by default `source`/wsj0), `noise` (`source`/wham_noise) and
    `lists`, the folder with mix_2_spk_filenames_{tr,cv,tt}.csv (`source`/wham_scripts/data). The parts are train, dev
    and test. An id is the first speaker and the mixture's name. If WSJ0 is there with its .dot files, they give `text`.

    Raises UsageError for an unknown part or a mixture that cannot be made, DataError for missing folders and tables.
    """
    root = _generated(source, length)
    corpus = _wsj0(wsj0 or source / "wsj0", needed=root is None or wsj0 is not None)
    if root is None and length != "max":
        raise UsageError(f"length={length}: {source} has no wav16k/{length}, and only max is mixed here")
    texts = corpus.texts if corpus else {}
    reports = []
    for part in chosen_parts(parts, list(SPLITS)):
        rejected: list[Rejected] = []
        if root is not None:
            folders = [root / SPLITS[part]]
        else:
            assert corpus is not None  # _wsj0 raised
            mixtures = planned(
                corpus,
                noise or source / "wham_noise",
                lists or source / "wham_scripts" / "data",
                SPLITS[part],
                rejected,
            )
            folders = mixed_folders(out / "wav", SPLITS[part], mixtures, nj=nj)
        pairs = [NoisyPairs(folder / KINDS[0], folder / KINDS[1], rejected) for folder in folders]
        utterances = _utterances(chain.from_iterable(pairs), texts, rejected)
        report = write_data_dir(
            out / part,
            utterances,
            rejected=rejected,
            check_audio=check_audio,
            nj=nj,
            aligned=True,
            remarks=[] if texts else ["no .dot files of WSJ0 are here, so there is no text"],
        )
        published = Published(PUBLISHED[part], items="mixtures")
        n_mixtures = sum(pair.n_noisy for pair in pairs)
        reports.append(compared(report, published, n_items=n_mixtures, n_speakers=report.n_speakers))
    return reports


def _generated(source: Path, length: str) -> Path | None:
    """The folder of tr, cv and tt."""
    for root in (source, *(source / name / f"wav16k/{length}" for name in ("wham", "wham_mixed", "."))):
        if any((root / split / KINDS[0]).is_dir() for split in SPLITS.values()):
            return root
    return None


def _wsj0(folder: Path, *, needed: bool) -> Wsj0 | None:
    try:
        return Wsj0(folder)
    except DataError as error:
        if needed:
            raise DataError(f"no mixtures of WHAM! are here, and to make them WSJ0 is needed: {error}") from None
        return None


def _utterances(
    pairs: Iterable[tuple[str, str, str]], texts: dict[str, str], rejected: list[Rejected]
) -> list[Utterance]:
    found = []
    for stem, noisy, clean in pairs:
        match = _NAME.fullmatch(stem)
        if not match:
            rejected.append(
                Rejected(stem, "name of no mixture: expected 011a0101_0.4975_401c020r_-0.4975 and the like")
            )
        elif texts and not texts.get(match[1].lower()):
            rejected.append(Rejected(stem, f"no transcript: WSJ0's .dot files have none for {match[1]}"))
        else:
            text = texts[match[1].lower()] if texts else None
            found.append(enhanced(f"{match[2]}-{stem}", match[2], noisy, clean, text))
    return found
