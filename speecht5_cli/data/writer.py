"""From a corpus's utterances to a valid data dir: one way for all corpora.

A corpus function reads its layout and yields `Utterance`s; this file sorts, checks the audio, drops what is unusable
with its reason, and writes the dir, so that every corpus gets the same rules.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Utterance:
    """One item of a corpus, as a corpus function found it.

    `id` starts with `speaker` and `-`, the only joiner with which both of Kaldi's sort rules hold. `tables` holds the
    values of further files, such as {"text.de": "...", "target.scp": "...", "utt2tgtspk": "..."}.
    """

    id: str
    speaker: str
    audio: str  # a source as wav.scp may hold it
    text: str | None = None
    start_s: float | None = None  # both set: a part of the recording `audio`, which goes to `segments`
    end_s: float | None = None
    tables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item that was left out; the lines of rejected.tsv."""

    id: str  # or a path, when there is no id
    reason: str


def write_data_dir(
    out: Path,
    utterances: Iterable[Utterance],
    *,
    rejected: Iterable[Rejected] = (),
    check_audio: bool = True,
    nj: int = 1,
) -> None:
    """Write `out` in one step. See data/check.py for what the audio check finds."""
    raise NotImplementedError
