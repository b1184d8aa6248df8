"""Which sentence goes where: nothing shared between sets, no voice preferred, tests stable when training grows."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest

from speecht5_cli.corpora.mini_plan import MiniPlan, MiniSizes, make_plan
from speecht5_cli.corpora.mini_voices import VOICES, voices_with
from speecht5_cli.errors import UsageError

SIZES = MiniSizes(
    train=132,
    dev=24,
    test_seen=24,
    test_unseen=12,
    pretrain=40,
    pretrain_dev=16,
    text=500,
    text_dev=50,
    voices_per_sentence=2,
)


@pytest.fixture(scope="module")
def plan() -> MiniPlan:
    return make_plan(SIZES, seed=0)


def test_the_voices_are_many_and_different() -> None:
    assert len(voices_with("seen")) >= 12
    assert len(voices_with("unseen")) >= 4
    assert len({voice.id for voice in VOICES}) == len(VOICES) == len({voice.style.voice for voice in VOICES})
    assert all("-" not in voice.id and voice.id[0] == voice.sex for voice in VOICES)
    for role in ("seen", "unseen", "extra"):
        assert {voice.sex for voice in voices_with(role)} == {"f", "m"}


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_no_set_shares_a_sentence(plan: MiniPlan, language: str) -> None:
    texts = {name: {getattr(item.sentence, language) for item in items} for name, items in plan.spoken.items()}
    texts |= {name: {getattr(sentence, language) for sentence in items} for name, items in plan.written.items()}
    assert {name: len(texts[name]) for name in ("train", "text", "dev")} == {"train": 132, "text": 500, "dev": 24}
    for one, two in combinations(texts, 2):
        assert not texts[one] & texts[two], (one, two)


def test_unseen_voices_speak_one_set_only(plan: MiniPlan) -> None:
    heard = {name: {voice for item in items for voice in item.voices} for name, items in plan.spoken.items()}
    unseen = set(voices_with("unseen"))
    assert heard["test_unseen"] == unseen
    assert not unseen & set().union(*(voices for name, voices in heard.items() if name != "test_unseen"))
    assert heard["train"] == heard["test_seen"] == set(voices_with("seen"))
    assert heard["pretrain"] == set(voices_with("extra"))


def test_voices_and_pairs_are_balanced(plan: MiniPlan) -> None:
    pairs = Counter(item.voices for item in plan.spoken["train"])
    assert set(pairs.values()) == {2}  # 132 sentences, 66 pairs
    assert set(Counter(clip.voice for clip in plan.clips("train")).values()) == {22}


def test_numbers_make_unique_ids(plan: MiniPlan) -> None:
    clips = plan.clips()
    assert len({clip.id for clip in clips}) == len(clips)
    assert [clip.id for clip in clips] == sorted(clip.id for clip in clips)


def test_tests_stay_when_training_grows(plan: MiniPlan) -> None:
    larger = make_plan(replace(SIZES, train=500, pretrain=90, text=900), seed=0)
    for name in ("test_seen", "test_unseen", "dev", "pretrain_dev"):
        assert larger.spoken[name] == plan.spoken[name]
    assert make_plan(SIZES, seed=1).spoken["dev"] != plan.spoken["dev"]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (replace(SIZES, dev=0), "dev=0: every set needs"),
        (replace(SIZES, voices_per_sentence=5), "expected 1 to 4"),
    ],
)
def test_impossible_sizes(sizes: MiniSizes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_plan(sizes, seed=0)
