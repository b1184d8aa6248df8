"""The mini corpus: embedded, spoken by espeak-ng, small enough to train every task on a laptop.

Sentences come from a grammar (mini_grammar.py), voices from a table (mini_voices.py), noise from a generator. All of it
is repeatable to the byte. No set shares a sentence with another, except those made of the same recordings: `vc_train`,
`se_train`, `sid_train` and `pretrain` of `train`, the `*_dev` ones of `dev`, the `*_test` ones of `test_seen`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

from speecht5_cli.corpora.mini_plan import Clip, MiniPlan, MiniSizes, Spoken, clip_id, make_plan
from speecht5_cli.corpora.mini_speech import clip_path, speak_all
from speecht5_cli.corpora.mini_voices import VOICES
from speecht5_cli.corpora.noisy import NoisyCopy, draw_noisy, make_noisy, noisy_utterances
from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.data.tables import write_lines
from speecht5_cli.data.utterance import Utterance
from speecht5_cli.data.writer import DataDirReport, write_data_dir

TEXT = "text"  # the part, and its folder, that holds sentences which are only written
_CLEAN, _NOISY = "wav", "noisy"  # folders of the corpus
_SPLITS = {"train": "train", "dev": "dev", "test": "test_seen"}  # of a task -> of the corpus
_LICENCE_NOTE = """\
The sentences, the noise and the choice of voices are part of the speecht5 toolkit and carry its licence. The speech was
made by espeak-ng (GPL-3.0-or-later), which the package espeakng-loader brings and which runs as a separate program.
"""


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    n_train: int = 1200,
    n_dev: int = 60,
    n_test_seen: int = 120,
    n_test_unseen: int = 60,
    n_pretrain: int = 600,
    n_pretrain_dev: int = 80,
    n_se_test: int = 80,
    n_text: int = 20_000,
    n_text_dev: int = 500,
    voices_per_sentence: int = 2,
    seed: int = 0,
) -> list[DataDirReport]:
    """Synthetic sentences in English, German and French, 20 voices; the audio is made in SRC (needs espeak-ng).

    The `n_*` are sentences, each spoken by `voices_per_sentence` voices (by one for pre-training), but `n_se_test`,
    which counts recordings, each with noise at three ratios. Audio that is in `source` already is not made again.

    Sets in `out`: `train`, `dev`, `test_seen` (unseen sentences), `test_unseen` (unseen sentences and voices), with
    `text`, `text.de`, `text.fr`; `pretrain`, `pretrain_dev` (speech only); `vc_*` (pairs in both directions), `se_*`
    (noisy and clean), `sid_*` for train, dev, test; and the folder `text` with train.txt and dev.txt.

    Raises UsageError when espeak-ng is missing or for an unknown part.
    """
    sizes = MiniSizes(
        train=n_train,
        dev=n_dev,
        test_seen=n_test_seen,
        test_unseen=n_test_unseen,
        pretrain=n_pretrain,
        pretrain_dev=n_pretrain_dev,
        text=n_text,
        text_dev=n_text_dev,
        voices_per_sentence=voices_per_sentence,
    )
    plan = make_plan(sizes, seed)
    noisy = _noisy_sets(source / _CLEAN, plan, n_se_test, seed)
    sets = _sets(source, plan, noisy)
    chosen = chosen_parts(parts, [*sets, TEXT])
    mark = speak_all(source / _CLEAN, plan.clips(), seed=seed, nj=nj)
    make_noisy(source / _NOISY, noisy, clean_mark=mark, seed=seed, nj=nj)
    _write_tables(source, plan)
    if TEXT in chosen:
        write_lines(out / TEXT / "train.txt", (sentence.en for sentence in plan.written["text"]))
        write_lines(out / TEXT / "dev.txt", (sentence.en for sentence in plan.written["text_dev"]))
    return [
        write_data_dir(out / name, utterances, check_audio=check_audio, nj=nj)
        for name, utterances in sets.items()
        if name in chosen
    ]


def _noisy_sets(root: Path, plan: MiniPlan, n_test: int, seed: int) -> dict[str, list[NoisyCopy]]:
    """Copies of one recording of each sentence."""
    talkers = [_spoken(root, clip) for clip in plan.clips("train")]
    sets = {}
    for split, name in _SPLITS.items():
        clean = [_spoken(root, _one_clip(item)) for item in plan.spoken[name]]
        sets[f"se_{split}"] = draw_noisy(clean[:n_test] if split == "test" else clean, talkers, split, seed=seed)
    return sets


def _one_clip(item: Spoken) -> Clip:
    """One of a sentence's recordings; the voices take turns."""
    voice = item.voices[item.number % len(item.voices)]
    return Clip(clip_id(voice, item.number), voice, item.sentence)


def _sets(corpus: Path, plan: MiniPlan, noisy: Mapping[str, Sequence[NoisyCopy]]) -> dict[str, Iterable[Utterance]]:
    """Name of a data dir -> its utterances."""
    root = corpus / _CLEAN
    sets: dict[str, Iterable[Utterance]] = {}
    for name in ("train", "dev", "test_seen", "test_unseen"):
        sets[name] = _translated(root, plan.clips(name))
    sets["pretrain"] = _speech_only(root, plan.clips("train", "pretrain"))
    sets["pretrain_dev"] = _speech_only(root, plan.clips("pretrain_dev"))
    for split, name in _SPLITS.items():
        sets[f"vc_{split}"] = _pairs(root, plan.spoken[name])
    for name, copies in noisy.items():
        sets[name] = noisy_utterances(corpus / _NOISY, name, copies)
    for split, name in _SPLITS.items():
        sets[f"sid_{split}"] = _speech_only(root, plan.clips(name))
    return sets


def _spoken(root: Path, clip: Clip) -> Utterance:
    return Utterance(clip.id, clip.voice.id, str(clip_path(root, clip)), clip.sentence.en)


def _translated(root: Path, clips: Sequence[Clip]) -> Iterator[Utterance]:
    for clip in clips:
        yield replace(_spoken(root, clip), tables={"text.de": clip.sentence.de, "text.fr": clip.sentence.fr})


def _speech_only(root: Path, clips: Sequence[Clip]) -> Iterator[Utterance]:
    for clip in clips:
        yield replace(_spoken(root, clip), text=None)


def _pairs(root: Path, items: Sequence[Spoken]) -> Iterator[Utterance]:
    """Every ordered pair of voices that speak the same sentence."""
    for item in items:
        for voice, target in permutations(item.voices, 2):
            said, wanted = (Clip(clip_id(one, item.number), one, item.sentence) for one in (voice, target))
            tables = {"target.scp": str(clip_path(root, wanted)), "utt2tgtspk": target.id}
            yield replace(_spoken(root, said), id=f"{voice.id}-{target.id}-{item.number:05d}", tables=tables)


def _write_tables(corpus: Path, plan: MiniPlan) -> None:
    """What people may want to know about the corpus: sentences.tsv, voices.tsv and the licence."""
    write_lines(corpus / "sentences.tsv", _sentence_lines(plan))
    header = "id\tsex\trole\tf0_hz\tespeak\trate\tpitch\trange"
    lines = (
        f"{voice.id}\t{voice.sex}\t{voice.role}\t{voice.f0_hz}\t{voice.style.voice}\t{voice.style.rate}"
        f"\t{voice.style.pitch}\t{voice.style.range}"
        for voice in VOICES
    )
    write_lines(corpus / "voices.tsv", [header, *lines])
    write_lines(corpus / "LICENSE-NOTE.md", _LICENCE_NOTE.splitlines())


def _sentence_lines(plan: MiniPlan) -> Iterator[str]:
    yield "number\tset\tvoices\ten\tde\tfr"
    for name, items in plan.spoken.items():
        for item in items:
            voices = " ".join(voice.id for voice in item.voices)
            sentence = item.sentence
            yield f"{item.number:05d}\t{name}\t{voices}\t{sentence.en}\t{sentence.de}\t{sentence.fr}"
