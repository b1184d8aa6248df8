"""The Free Spoken Digit Dataset: real people who say single digits, and longer sound made from them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from speecht5_cli.corpora.digits import digit_strings, in_words
from speecht5_cli.corpora.fsdd_joined import Joined, draw_pieces, draw_strings, joined_path, write_joined
from speecht5_cli.corpora.fsdd_readers import cut_readers
from speecht5_cli.corpora.fsdd_recordings import SPLITS, Recording, Recordings, find_recordings, same_digit_pairs
from speecht5_cli.corpora.libri_layout import Reading
from speecht5_cli.corpora.librispeech import PUBLISHED
from speecht5_cli.corpora.noisy import draw_noisy, make_noisy, noisy_utterances
from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.data.noise import named_rng
from speecht5_cli.data.tables import write_lines
from speecht5_cli.data.utterance import Utterance
from speecht5_cli.data.writer import DataDirReport, write_data_dir
from speecht5_cli.errors import DataError, UsageError

TEXT = "text"  # the part, and its folder, that holds strings which are only written
_WAV = "wav"  # folder of the generated sound
_LICENCE_NOTE = """\
The sound in this folder was made from the Free Spoken Digit Dataset by Zohar Jackson, Cesar Souza, Jason Flaks, Yuxin
Pan, Hereman Nicolas and Adhish Thite (github.com/Jakobovski/free-spoken-digit-dataset, doi:10.5281/zenodo.1342401):
recordings were levelled, joined and mixed with generated noise. Licence of the original and, by its share-alike clause,
of this folder: Creative Commons Attribution-ShareAlike 4.0 (CC BY-SA 4.0).
"""


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    n_strings_train: int = 1200,
    n_strings_dev: int = 120,
    n_strings_test: int = 240,
    pretrain_shuffles: int = 2,
    n_vc_train: int = 3000,
    n_vc_dev: int = 120,
    n_vc_test: int = 300,
    n_se_train: int = 600,
    n_se_dev: int = 60,
    n_se_test: int = 60,
    n_text: int = 20_000,
    n_text_dev: int = 500,
    extra_speech: Path | None = None,
    seed: int = 0,
) -> list[DataDirReport]:
    """Free Spoken Digit Dataset: single digits and strings of them, with German and French; six speakers.

    `source` is the folder `recordings` or the one that holds it. Official split: index 0 to 4 is test; of the rest 5 to
    9 are dev here, 10 to 49 train. Each of the following comes as `*_train`, `*_dev`, `*_test`: `digits` (the
    recordings as they are) and `strings` (3 to 6 digits of one speaker, no string of digits twice), both with `text`,
    `text.de`, `text.fr`, for recognition, translation and synthesis; `vc` (two speakers, same digit and index); `se`
    (strings with noise; of a test string one copy for each of three ratios); `sid` (the digits without text). `train`
    and `dev` are digits and strings together, `train_10pct` a tenth of each speaker's `train`. `pretrain`,
    `pretrain_dev`: train and dev recordings of one speaker joined to 2 to 8 s, `pretrain_shuffles` times in another
    order. `text/train.txt` and `text/dev.txt`: strings in words that are not in the dev and test sets. `extra_speech`,
    a folder in LibriSpeech's layout without transcripts, gives `pretrain_extra`, and `readers_train`, `readers_dev`,
    `readers_test`: beginning, middle and end of each of its recordings, for identification.

    Generated sound goes to `out`/wav and is not made again when it is there.
    Raises UsageError for an unknown part or an impossible size, DataError when recordings of a whole kind are missing.
    """
    n_strings = {"train": n_strings_train, "dev": n_strings_dev, "test": n_strings_test}
    n_noisy = {"train": n_se_train, "dev": n_se_dev, "test": n_se_test}
    n_pairs = {"train": n_vc_train, "dev": n_vc_dev, "test": n_vc_test}
    n_lines = {"dev": n_text_dev, "train": n_text}
    _require_positive(n_strings=n_strings, n_se=n_noisy, n_vc=n_pairs, n_text=n_lines, pretrain={"": pretrain_shuffles})
    recordings = find_recordings(source)
    strings, texts = _draw_strings(recordings, n_strings, n_lines, seed)
    joined = {f"strings_{split}": items for split, items in strings.items()}
    joined["pretrain"] = draw_pieces(recordings, "train", shuffles=pretrain_shuffles, seed=seed)
    joined["pretrain_dev"] = draw_pieces(recordings, "dev", shuffles=1, seed=seed)
    root = out / _WAV
    spoken = {split: [_string(root, split, one) for one in items] for split, items in strings.items()}
    noisy = {
        f"se_{split}": draw_noisy(spoken[split][: n_noisy[split]], spoken["train"], split, seed=seed)
        for split in SPLITS
    }
    sets: dict[str, Iterable[Utterance]] = _labelled_sets(recordings, spoken, seed)
    for split in SPLITS:
        sets[f"vc_{split}"] = _pairs(recordings.of(split), n_pairs[split], named_rng(seed, f"pairs {split}"))
        sets[f"sid_{split}"] = [replace(_digit(one), text=None, tables={}) for one in recordings.of(split)]
    for name, copies in noisy.items():
        sets[name] = noisy_utterances(root, name, copies)
    for name in ("pretrain", "pretrain_dev"):
        sets[name] = [Utterance(one.id, one.speaker, str(joined_path(root, name, one))) for one in joined[name]]
    if extra_speech is not None:
        read = sets["pretrain_extra"] = _extra(extra_speech)
        sets |= cut_readers(read)
    chosen = chosen_parts(parts, [*sets, TEXT])
    mark = write_joined(root, joined, nj=nj)
    make_noisy(root, noisy, clean_mark=mark, seed=seed, nj=nj)
    write_lines(root / "LICENSE-NOTE.md", _LICENCE_NOTE.splitlines())
    if TEXT in chosen:
        for split, lines in texts.items():
            write_lines(out / TEXT / f"{split}.txt", lines)
    return [
        write_data_dir(out / name, utterances, check_audio=check_audio, nj=nj, remarks=_remarks(recordings, name))
        for name, utterances in sets.items()
        if name in chosen
    ]


def _draw_strings(
    recordings: Recordings, n_strings: Mapping[str, int], n_texts: Mapping[str, int], seed: int
) -> tuple[dict[str, list[Joined]], dict[str, list[str]]]:
    """Split -> spoken strings, and split -> lines of text; no string of digits occurs twice in all of them.

    The test set is drawn first, so that it stays the same when only the others grow, the training text last.
    """
    drawn = iter(digit_strings(sum(n_strings.values()) + sum(n_texts.values()), named_rng(seed, "digits")))
    strings, first = {}, 0
    for split in ("test", "dev", "train"):
        digits = list(islice(drawn, n_strings[split]))
        strings[split] = draw_strings(recordings, split, digits, first=first, seed=seed)
        first += len(digits)
    return strings, {split: [in_words(digits, "en") for digits in islice(drawn, n)] for split, n in n_texts.items()}


def _labelled_sets(
    recordings: Recordings, spoken: Mapping[str, Sequence[Utterance]], seed: int
) -> dict[str, Iterable[Utterance]]:
    digits = {split: [_digit(one) for one in recordings.of(split)] for split in SPLITS}
    train = [*digits["train"], *spoken["train"]]
    sets: dict[str, Iterable[Utterance]] = {f"digits_{split}": digits[split] for split in SPLITS}
    sets |= {f"strings_{split}": spoken[split] for split in SPLITS}
    return sets | {
        "train": train,
        "train_10pct": _share(train, 0.1, named_rng(seed, "train_10pct")),
        "dev": [*digits["dev"], *spoken["dev"]],
    }


def _digit(one: Recording) -> Utterance:
    return _labelled(one.id, one.speaker, one.path, (one.digit,))


def _string(root: Path, split: str, one: Joined) -> Utterance:
    return _labelled(one.id, one.speaker, str(joined_path(root, f"strings_{split}", one)), one.digits)


def _labelled(utterance: str, speaker: str, audio: str, digits: Sequence[int]) -> Utterance:
    translations = {f"text.{language}": in_words(digits, language) for language in ("de", "fr")}
    return Utterance(utterance, speaker, audio, in_words(digits, "en"), tables=translations)


def _share(utterances: Sequence[Utterance], share: float, rng: np.random.Generator) -> list[Utterance]:
    """A random share of each speaker's utterances, at least one."""
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        by_speaker.setdefault(utterance.speaker, []).append(utterance)
    return [
        own[int(index)]
        for own in by_speaker.values()
        for index in rng.permutation(len(own))[: max(1, round(share * len(own)))]
    ]


def _pairs(recordings: Sequence[Recording], n: int, rng: np.random.Generator) -> Iterator[Utterance]:
    """At most `n` of the pairs, drawn at random."""
    pairs = same_digit_pairs(recordings)
    for index in rng.permutation(len(pairs))[:n]:
        one, other = pairs[int(index)]
        tables = {"target.scp": other.path, "utt2tgtspk": other.speaker}
        name = f"{one.speaker}-{other.speaker}-{one.digit}-{one.index:02d}"
        yield Utterance(name, one.speaker, one.path, in_words((one.digit,), "en"), tables=tables)


def _extra(folder: Path) -> list[Utterance]:
    """Recordings without transcripts in LibriSpeech's layout."""
    subsets = [folder / subset for subset in PUBLISHED if (folder / subset).is_dir()]
    if not subsets:
        raise DataError(f"{folder}: none of LibriSpeech's subsets is in it; expected folders such as train-clean-100")
    reading = Reading(with_text=False)
    return [utterance for subset in subsets for utterance in reading.utterances(subset)]


def _remarks(recordings: Recordings, name: str) -> Iterator[str]:
    kind, _, split = name.partition("_")
    if kind == "digits":
        yield from recordings.remarks(split)


def _require_positive(**sizes: Mapping[str, int]) -> None:
    for what, by_split in sizes.items():
        for split, number in by_split.items():
            if number < 1:
                raise UsageError(f"{what} {split}: {number}; expected 1 at least")
