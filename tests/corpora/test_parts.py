"""Choosing parts of a corpus by name."""

import pytest

from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.errors import UsageError


def test_parts_come_in_the_corpus_order() -> None:
    assert chosen_parts(None, ["train", "dev"]) == ["train", "dev"]
    assert chosen_parts(["dev", "train"], ["train", "dev", "test"]) == ["train", "dev"]


def test_an_unknown_part_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no part 'tset'; did you mean 'test'\? known: train, test"):
        chosen_parts(["tset"], ["train", "test"])
