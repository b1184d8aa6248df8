"""LibriSpeech (openslr.org/12) in its own layout."""

from collections.abc import Iterator
from pathlib import Path

from speecht5_cli.corpora.libri_layout import Reading, read_speakers
from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.data.writer import DataDirReport, write_data_dir
from speecht5_cli.errors import DataError

PUBLISHED = {  # subset -> (utterances, speakers)
    "dev-clean": (2_703, 40),
    "dev-other": (2_864, 33),
    "test-clean": (2_620, 40),
    "test-other": (2_939, 33),
    "train-clean-100": (28_539, 251),
    "train-clean-360": (104_014, 921),
    "train-other-500": (148_688, 1_166),
}


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    with_text: bool = True,
) -> list[DataDirReport]:
    """LibriSpeech's subsets as they are unpacked; a reader is a speaker, the text is lower-cased.

    `source` is the folder LibriSpeech or the one that holds it. The parts are its subsets (dash or underscore), by
    default those that are there; train-clean-100 becomes `out`/train_clean_100 and so on. Utterance ids are the
    corpus's own, `reader-chapter-number`. Texts are lower-cased, as the vocabulary of the released models wants them;
    a text with anything but letters and the apostrophe is left out, and so is one of two lines that disagree. Sound in
    other formats than FLAC is kept. `with_text=false` takes recordings without transcripts, for pre-training.
    spk2gender comes from SPEAKERS.TXT. The report says where a subset differs from the published numbers.

    Raises UsageError for an unknown part, DataError for a folder that holds no subset or not the wanted one.
    """
    root = source / "LibriSpeech" if (source / "LibriSpeech").is_dir() else source
    sexes = read_speakers(root / "SPEAKERS.TXT")
    reports = []
    for subset in _subsets(root, parts):
        reading = Reading(with_text=with_text)
        utterances = reading.utterances(root / subset)
        report = write_data_dir(
            out / subset.replace("-", "_"),
            utterances,
            rejected=reading.rejected,
            check_audio=check_audio,
            nj=nj,
            speaker_tables={"spk2gender": sexes} if sexes else {},
            remarks=_remarks(subset, reading),
        )
        reports.append(report)
    return reports


def _remarks(subset: str, reading: Reading) -> Iterator[str]:
    """What there is to say about a subset once it is read."""
    found = reading.n_recordings, len(reading.readers)
    if found != PUBLISHED[subset]:
        yield (
            f"{subset}: {found[0]} recordings of {found[1]} readers are here, {PUBLISHED[subset][0]} of "
            f"{PUBLISHED[subset][1]} were published; is all of it unpacked?"
        )
    for suffix, number in sorted(reading.other_formats.items()):
        yield f"{number} recordings are {suffix} where the corpus has .flac; they are kept"


def _subsets(root: Path, parts: list[str] | None) -> list[str]:
    present = [subset for subset in PUBLISHED if (root / subset).is_dir()]
    if not present:
        raise DataError(f"{root}: none of LibriSpeech's subsets ({', '.join(PUBLISHED)}) is in it")
    if parts is None:
        return present
    wanted = chosen_parts([part.replace("_", "-") for part in parts], list(PUBLISHED))
    if missing := [subset for subset in wanted if subset not in present]:
        raise DataError(f"{root}: has no {missing[0]}; it has {', '.join(present)}")
    return wanted
