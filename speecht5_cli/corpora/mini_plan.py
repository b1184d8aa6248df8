"""Which sentence of the mini corpus belongs to which set, and who speaks it. A pure function of the sizes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, cycle, islice

import numpy as np

from speecht5_cli.corpora.mini_grammar import Sentence, sentences
from speecht5_cli.corpora.mini_voices import Voice, voices_with
from speecht5_cli.data.noise import named_rng
from speecht5_cli.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class MiniSizes:
    """Numbers of sentences; all of these are different ones."""

    train: int
    dev: int
    test_seen: int
    test_unseen: int
    pretrain: int  # spoken by the extra voices, without a transcript; pre-training hears `train` as well
    pretrain_dev: int
    text: int
    text_dev: int
    voices_per_sentence: int  # of train, dev and the test sets


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence, its number in the corpus, and the voices that speak it."""

    number: int
    sentence: Sentence
    voices: tuple[Voice, ...]


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording."""

    id: str
    voice: Voice
    sentence: Sentence


@dataclass(frozen=True)
class MiniPlan:
    """Set -> its spoken sentences, and set -> its sentences that are only written."""

    spoken: dict[str, list[Spoken]]
    written: dict[str, list[Sentence]]

    def clips(self, *names: str) -> list[Clip]:
        """The recordings of the sets, sorted by id."""
        clips = [
            Clip(clip_id(voice, item.number), voice, item.sentence)
            for name in names or self.spoken
            for item in self.spoken[name]
            for voice in item.voices
        ]
        return sorted(clips, key=lambda clip: clip.id)


def clip_id(voice: Voice, number: int) -> str:
    """Id of the utterance in which a voice says sentence `number`."""
    return f"{voice.id}-{number:05d}"


def make_plan(sizes: MiniSizes, seed: int) -> MiniPlan:
    """Draw all sentences and share them out. Raises UsageError for sizes that make no corpus."""
    _require_sensible(sizes)
    seen, unseen, extra = voices_with("seen"), voices_with("unseen"), voices_with("extra")
    # Test sets come first, so that they stay the same when only the training set grows.
    spoken = {
        "test_seen": (sizes.test_seen, _groups(seen, sizes.voices_per_sentence, seed)),
        "test_unseen": (sizes.test_unseen, _groups(unseen, sizes.voices_per_sentence, seed)),
        "dev": (sizes.dev, _groups(seen, sizes.voices_per_sentence, seed)),
        "pretrain_dev": (sizes.pretrain_dev, _groups(seen + extra, 1, seed)),
        "train": (sizes.train, _groups(seen, sizes.voices_per_sentence, seed)),
        "pretrain": (sizes.pretrain, _groups(extra, 1, seed)),
    }
    written = {"text_dev": sizes.text_dev, "text": sizes.text}
    n_spoken = sum(n for n, _ in spoken.values())
    drawn = iter(sentences(n_spoken + sum(written.values()), named_rng(seed, "sentences")))
    numbers = iter(range(n_spoken))
    return MiniPlan(
        {
            name: [Spoken(next(numbers), sentence, next(groups)) for sentence in islice(drawn, n)]
            for name, (n, groups) in spoken.items()
        },
        {name: list(islice(drawn, n)) for name, n in written.items()},
    )


def _groups(voices: Sequence[Voice], n: int, seed: int) -> Iterator[tuple[Voice, ...]]:
    """All groups of `n` voices, shuffled, over and over: no voice and no pair of voices is preferred."""
    groups = list(combinations(voices, n))
    order = np.random.default_rng(seed).permutation(len(groups))
    return cycle(groups[index] for index in order)


def _require_sensible(sizes: MiniSizes) -> None:
    n_unseen = len(voices_with("unseen"))
    if not 1 <= sizes.voices_per_sentence <= n_unseen:
        raise UsageError(
            f"voices_per_sentence {sizes.voices_per_sentence}: expected 1 to {n_unseen}, the number of unseen voices"
        )
    for name in ("train", "dev", "test_seen", "test_unseen", "pretrain", "pretrain_dev", "text", "text_dev"):
        if getattr(sizes, name) < 1:
            raise UsageError(f"{name}={getattr(sizes, name)}: every set needs a sentence at least")
