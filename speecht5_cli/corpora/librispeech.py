"""LibriSpeech (openslr.org/12) in its own layout."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from speecht5_cli.corpora.libri_layout import Reading, read_speakers
from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.corpora.published import Published, compared
from speecht5_cli.corpora.written_text import TEXT, TextReport
from speecht5_cli.data.tables import write_lines
from speecht5_cli.data.writer import DataDirReport, write_data_dir
from speecht5_cli.errors import DataError

PUBLISHED = {
    "dev-clean": Published(2_703, 40, 5.4),
    "dev-other": Published(2_864, 33, 5.3),
    "test-clean": Published(2_620, 40, 5.4),
    "test-other": Published(2_939, 33, 5.1),
    "train-clean-100": Published(28_539, 251, 100.6),
    "train-clean-360": Published(104_014, 921, 363.6),
    "train-other-500": Published(148_688, 1_166, 496.7),
}
_DEV = ("dev-clean", "dev-other")  # whose transcripts are the dev text of pre-training and of language models


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    with_text: bool = True,
) -> list[DataDirReport | TextReport]:
    """LibriSpeech's subsets as they are unpacked; a reader is a speaker, the text is lower-cased.

    `source` is the folder LibriSpeech or the one that holds it. The parts are its subsets (dash or underscore) and
    `text`, by default those that are there; train-clean-100 becomes `out`/train_clean_100 and so on, `text` gives
    `out`/text/dev.txt, the transcripts of the dev sets. Utterance ids are the corpus's own, `reader-chapter-number`.
    Texts are lower-cased, as the vocabulary of the released models wants them; a text with anything but letters and the
    apostrophe is left out, and so is one of two lines that disagree. Sound in other formats than FLAC is kept.
    `with_text=false` takes recordings without transcripts, for pre-training. spk2gender comes from SPEAKERS.TXT. The
    report says where a subset differs from the published numbers.

    Raises UsageError for an unknown part, DataError for a folder that holds no subset or not the wanted one.
    """
    root = source / "LibriSpeech" if (source / "LibriSpeech").is_dir() else source
    sexes = read_speakers(root / "SPEAKERS.TXT")
    chosen = _chosen(root, parts, with_text)
    reports: list[DataDirReport | TextReport] = []
    for subset in chosen:
        if subset == TEXT:
            reports.append(_written(root, out / TEXT / "dev.txt"))
            continue
        reading = Reading(with_text=with_text)
        report = write_data_dir(
            out / subset.replace("-", "_"),
            reading.utterances(root / subset),
            rejected=reading.rejected,
            check_audio=check_audio,
            nj=nj,
            speaker_tables={"spk2gender": sexes} if sexes else {},
            remarks=_remarks(reading),
        )
        there = {"n_items": reading.n_recordings, "n_speakers": len(reading.readers)}
        reports.append(compared(report, PUBLISHED[subset], **there))
    return reports


def _remarks(reading: Reading) -> Iterator[str]:
    """What there is to say about a subset once it is read."""
    for suffix, number in sorted(reading.other_formats.items()):
        yield f"{number} recordings are {suffix} where the corpus has .flac; they are kept"


def _written(root: Path, out: Path) -> TextReport:
    """Write the transcripts of the dev sets that are there, a line each."""
    subsets = [subset for subset in _DEV if (root / subset).is_dir()]
    reading = Reading()
    lines = [item.text for subset in subsets for item in reading.utterances(root / subset) if item.text is not None]
    write_lines(out, lines)
    missing = [f"without {subset}, which is not there" for subset in _DEV if subset not in subsets]
    return TextReport(out, len(lines), sum(len(line.split()) for line in lines), remarks=missing)


def _chosen(root: Path, parts: list[str] | None, with_text: bool) -> Sequence[str]:
    """The wanted parts. Raises DataError when one is not there."""
    present = [subset for subset in PUBLISHED if (root / subset).is_dir()]
    if not present:
        raise DataError(f"{root}: none of LibriSpeech's subsets ({', '.join(PUBLISHED)}) is in it")
    if with_text and any(subset in present for subset in _DEV):
        present.append(TEXT)
    if parts is None:
        return present
    wanted = chosen_parts([part.replace("_", "-") for part in parts], [*PUBLISHED, TEXT])
    if missing := [part for part in wanted if part not in present]:
        needed = f"has no {missing[0]}" if missing[0] != TEXT else f"has neither of {' and '.join(_DEV)} for the text"
        raise DataError(f"{root}: {needed}; it has {', '.join(present)}")
    return wanted
