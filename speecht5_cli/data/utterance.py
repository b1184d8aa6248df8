"""What a corpus function finds: utterances, and items that it had to leave out."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Utterance:
    """One item of a corpus, as a corpus function found it.

    `id` starts with `speaker` and `-`, the only joiner with which both of Kaldi's sort rules hold. `tables` holds the
    values of further files, such as {"text.de": "...", "target.scp": "...", "utt2tgtspk": "..."}.
    """

    id: str
    speaker: str
    audio: str  # a source as wav.scp may hold it: a path, or `archive:offset`
    text: str | None = None
    start_s: float | None = None  # both set: a part of the recording `audio`, which goes to `segments`
    end_s: float | None = None
    tables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item that was left out; the lines of rejected.tsv."""

    id: str  # or a path, when there is no id
    reason: str  # `kind` or `kind: details`; the report counts by kind
