"""Vocabularies: ids, round trips, SentencePiece, fairseq's dictionaries, mappings."""

import io
import pickle
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from speecht5_cli.data.vocabulary import Vocabulary, mapping, vocabulary_files
from speecht5_cli.data.vocabulary_build import build, check, extended
from speecht5_cli.errors import DataError, UsageError

TEXTS = ["hello world", "he was the first", "ça va bien", "a b c d"]
WORDS = [f"{a}{b}{c}" for a in "bdfg" for b in ("ee", "oo", "ar", "in") for c in ("t", "lo", "ma")]


@pytest.fixture
def vocabulary() -> Vocabulary:
    return build(TEXTS)[0]


@pytest.fixture(scope="module")
def bpe() -> Vocabulary:
    return build(WORDS * 3, "bpe", size=40)[0]


def sentencepiece_char_model(texts: list[str]) -> "sentencepiece.SentencePieceProcessor":
    """A character model with SentencePiece's own defaults, ids as the released model has them."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts * 20), model_writer=model, model_type="char", vocab_size=100,
        hard_vocab_limit=False, bos_id=0, pad_id=1, eos_id=2, unk_id=3, minloglevel=2,
    )  # fmt: skip
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


CHAR_MODEL = sentencepiece_char_model(TEXTS)


def test_ids_of_a_new_vocabulary(vocabulary: Vocabulary) -> None:
    assert vocabulary.symbols[:7] == ("<s>", "<pad>", "</s>", "<unk>", "▁", "a", "e")
    assert vocabulary.symbols[-2:] == ("<mask>", "<ctc_blank>")
    assert (vocabulary.bos, vocabulary.pad, vocabulary.eos, vocabulary.unk) == (0, 1, 2, 3)
    assert (vocabulary.mask, vocabulary.blank) == (len(vocabulary) - 2, len(vocabulary) - 1)


def test_characters_come_by_frequency_then_code_point() -> None:
    vocabulary, counts = build(["bbb aa cc z"])
    assert "".join(vocabulary.symbols[4:-2]) == "▁bacz"
    assert counts == {"▁": 4, "b": 3, "a": 2, "c": 2, "z": 1}
    assert "".join(build(["bbb aa cc z"], size=9)[0].symbols[4:-2]) == "▁ba"


def test_encode_has_a_blank_in_front(vocabulary: Vocabulary) -> None:
    assert [vocabulary.symbols[id_] for id_ in vocabulary.encode("a  b ")] == ["▁", "a", "▁", "b"]
    assert vocabulary.encode("  ") == []
    assert vocabulary.decode(vocabulary.encode("a  b ")) == "a b"


@given(st.text(alphabet=st.sampled_from("abehlo wrçz<s>ﬁé\u3000\t▁é½"), max_size=30))
def test_same_ids_as_a_sentencepiece_char_model(text: str) -> None:
    processor = CHAR_MODEL
    pieces = [processor.id_to_piece(i) for i in range(4, processor.get_piece_size())]
    assert Vocabulary.of_pieces(pieces).encode(text) == processor.encode(text)


@given(st.lists(st.text(alphabet="abehlowrç", min_size=1), max_size=8).map(" ".join))
def test_round_trip(text: str) -> None:
    vocabulary = build(TEXTS)[0]
    assert vocabulary.decode([0, *vocabulary.encode(text), vocabulary.mask, vocabulary.blank, 2, 1]) == text


def test_unsupported_characters(vocabulary: Vocabulary) -> None:
    assert vocabulary.unsupported("aŋŋ ð") == {"ŋ": 2, "ð": 1}
    assert vocabulary.encode("ŋŋ a").count(vocabulary.unk) == 1
    assert vocabulary.decode(vocabulary.encode("aŋb")) == "ab"


def test_text_cannot_spell_a_special(vocabulary: Vocabulary) -> None:
    digits = build(["0123456789 98 76"] * 5, "bpe", size=20)[0]  # sees "<mask>" as one unknown piece
    for some in (vocabulary, digits):
        assert not set(some.encode("<pad> <s> <mask>")) & {some.bos, some.pad, some.eos, some.mask, some.blank}


def test_decode_refuses_an_id_out_of_range(vocabulary: Vocabulary) -> None:
    for id_ in (-1, len(vocabulary)):
        with pytest.raises(DataError, match=f"id {id_} is not in the vocabulary"):
            vocabulary.decode([id_])


def test_save_and_load(vocabulary: Vocabulary, bpe: Vocabulary, tmp_path: Path) -> None:
    bpe.save(tmp_path / "vocab.txt")
    assert sorted(vocabulary_files(tmp_path)) == ["spm.model", "vocab.txt"]
    assert Vocabulary.load(tmp_path).encode("beet gooma") == bpe.encode("beet gooma")
    vocabulary.save(tmp_path)  # the spm.model of the other must not stay
    assert [file.name for file in tmp_path.iterdir()] == ["vocab.txt"]
    assert Vocabulary.load(tmp_path / "vocab.txt").symbols == vocabulary.symbols
    lines = (tmp_path / "vocab.txt").read_text(encoding="utf-8").split("\n")
    assert lines[:5] == ["<s>", "<pad>", "</s>", "<unk>", "▁"]


def test_a_model_brings_its_vocabulary(vocabulary: Vocabulary, tmp_path: Path) -> None:
    """An experiment, or the model folder in it; a model without one is an error that names the file."""
    model = tmp_path / "exp" / "model"
    vocabulary.save(model / "assets" / "vocab.txt")
    for file in (model / "model.safetensors", model / "config.yaml", tmp_path / "exp" / "config.yaml"):
        file.touch()
    for path in (tmp_path / "exp", model):
        assert Vocabulary.load(path).symbols == vocabulary.symbols
        assert vocabulary_files(path) == {"vocab.txt": model / "assets" / "vocab.txt"}
    (model / "assets" / "vocab.txt").unlink()
    with pytest.raises(DataError, match=r"model/assets/vocab\.txt: no such file"):
        Vocabulary.load(model)


def test_workers_get_a_copy(bpe: Vocabulary) -> None:
    ids = bpe.encode("beet")
    assert pickle.loads(pickle.dumps(bpe)).encode("beet") == ids


def test_bpe(bpe: Vocabulary) -> None:
    assert len(bpe) == 40
    assert bpe.symbols[-2:] == ("<mask>", "<ctc_blank>")
    assert len(bpe.encode("beet")) < len("▁beet")
    assert bpe.decode(bpe.encode("beet gooma")) == "beet gooma"


def test_what_cannot_be_built() -> None:
    with pytest.raises(UsageError, match="needs a size"):
        build(TEXTS, "unigram")
    with pytest.raises(DataError, match=r"cannot make 4998 pieces .* too high"):
        build(TEXTS, "unigram", size=5000)
    for kind in ("char", "bpe"):
        with pytest.raises(DataError, match="no text"):
            build([], kind, size=50)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["<pad>", "<s>", "</s>", "<unk>", "<mask>", "<ctc_blank>"], r":1: expected '<s>' \(id 0\), got '<pad>'"),
        (["<s>", "<pad>", "</s>", "<unk>", "a", "<mask>"], "no symbol '<ctc_blank>'"),
        (["<s>", "<pad>", "</s>", "<unk>", "a", "", "<mask>", "<ctc_blank>"], ":6: an empty line"),
        (["<s>", "<pad>", "</s>", "<unk>", "a", "b", "a", "<mask>", "<ctc_blank>"], ":5: 'a' stands again on line 7"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, lines: list[str], complaint: str) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=complaint):
        Vocabulary.load(path)


def test_an_spm_model_of_another_vocabulary_is_refused(tmp_path: Path, bpe: Vocabulary) -> None:
    build(["0123456789"])[0].save(tmp_path)
    (tmp_path / "spm.model").write_bytes(bpe.spm or b"")
    with pytest.raises(DataError, match="do not belong together"):
        Vocabulary.load(tmp_path)
    (tmp_path / "spm.model").write_bytes(b"junk")
    with pytest.raises(DataError, match="not readable"):
        Vocabulary.load(tmp_path)


def test_fairseq_dictionary(tmp_path: Path) -> None:
    (tmp_path / "dict.txt").write_text("▁ 1000\ne 999\nt 998\n# 3\n", encoding="utf-8")
    vocabulary = Vocabulary.from_fairseq(tmp_path / "dict.txt")
    assert vocabulary.symbols[4:] == ("▁", "e", "t", "#", "<mask>", "<ctc_blank>")
    assert vocabulary.encode("te#") == [4, 6, 5, 7]
    (tmp_path / "dict.txt").write_text("▁ 1000\ne\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"dict\.txt:2: expected 'symbol count', got 'e'"):
        Vocabulary.from_fairseq(tmp_path / "dict.txt")


def test_released_inventory_has_81_symbols(tmp_path: Path) -> None:
    """75 pieces of dict.txt, four specials, <mask> and <ctc_blank>; with the SentencePiece model beside."""
    characters = "▁etaonihsrdlucmfwgypbvk'xjqz" + "".join(map(chr, range(0x41, 0x41 + 26))) + '-.,!?;:"()&é0123456789œ'
    characters = characters[:75]
    processor = sentencepiece_char_model([" ".join(characters[1:])])
    (tmp_path / "dict.txt").write_text("".join(f"{c} 1\n" for c in characters), encoding="utf-8")
    (tmp_path / "spm_char.model").write_bytes(processor.serialized_model_proto())
    vocabulary = Vocabulary.from_fairseq(tmp_path / "dict.txt", tmp_path / "spm_char.model")
    assert len(vocabulary) == 81
    assert (vocabulary.mask, vocabulary.blank) == (79, 80)
    assert vocabulary.encode("tea") == [4, 6, 5, 7]  # ids of dict.txt, not of the SentencePiece model
    assert vocabulary.encode("tea") != processor.encode("tea")


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_extend_keeps_every_id(kind: str, vocabulary: Vocabulary, bpe: Vocabulary) -> None:
    old = vocabulary if kind == "char" else bpe
    new, added = extended(old, ["bŋŋ ðx", "ŋo ž"])
    assert new.symbols[: len(old)] == old.symbols
    assert added["ŋ"] == 3
    assert new.symbols[len(old)] == "ŋ"
    assert (new.mask, new.blank) == (old.mask, old.blank)
    assert new.decode(new.encode("bŋŋ ð")) == "bŋŋ ð"  # no blanks around new characters
    assert not new.unsupported("ŋð bo")
    assert new.encode("boo") == old.encode("boo")


def test_mapping_is_by_symbol() -> None:
    old, new = build(["abc"])[0], build(["cbd"])[0]
    rows = mapping(old, new)
    assert all(new.symbols[new_id] == old.symbols[old_id] for new_id, old_id in rows.kept.items())
    assert rows.kept[new.blank] == old.blank
    assert rows.new == {"d": new.ids["d"]}
    assert rows.dropped == {"a": old.ids["a"]}
    assert str(rows) == "9 symbols kept, 1 new (d), 1 dropped (a)"


def test_check(vocabulary: Vocabulary) -> None:
    result = check(vocabulary, [("u1", "hello  world"), ("u2", "heŋ ŋo"), ("u3", "ﬁrst")])
    assert (result.n_texts, result.n_changed) == (3, 1)
    assert result.unsupported == {"ŋ": 2}
    assert result.where == {"ŋ": ["u2"]}
    assert result.changed == [("u3", "ﬁrst", "first")]
