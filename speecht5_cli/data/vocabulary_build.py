"""Making vocabularies from texts, adding to them, and checking that texts survive them."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from speecht5_cli.data.vocabulary import FIRST, LAST, Vocabulary, normalised
from speecht5_cli.errors import DataError, UsageError

Kind = Literal["char", "unigram", "bpe"]

_LONGEST_LINE_BYTES = 1 << 20  # SentencePiece leaves longer lines out without a word; its own limit is 4192
_MOST_LINES = 2_000_000  # SentencePiece holds its lines in memory; of more, it draws these with a fixed seed
_N_EXAMPLES = 5
_SHOWN = 12  # characters that a message lists


def build(texts: Iterable[str], kind: Kind = "char", *, size: int | None = None) -> tuple[Vocabulary, Counter[str]]:
    """A vocabulary of all ids together `size` symbols, and how often each character was seen.

    `char` takes the most frequent characters (all of them without a size), by frequency, then by code point.
    `unigram` and `bpe` train SentencePiece. Raises DataError when there is no text, or too little for the size.
    """
    counts: Counter[str] = Counter()
    seen = _counted(texts, counts)
    if kind == "char":
        for _ in seen:
            pass
        pieces = _by_frequency(counts)
        n_pieces = None if size is None else max(size - len(FIRST) - len(LAST), 0)
        vocabulary = Vocabulary.of_pieces(pieces[:n_pieces])
    elif size is None:
        raise UsageError(f"a vocabulary of kind '{kind}' needs a size, such as --size 1000")
    else:
        vocabulary = _trained(seen, kind, size)
    if not counts:
        raise DataError("no text to build a vocabulary from: every line is empty")
    return vocabulary, counts


def _counted(texts: Iterable[str], counts: Counter[str]) -> Iterator[str]:
    for text in texts:
        counts.update(normalised(text))
        yield text


def _by_frequency(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda character: (-counts[character], character))


def _trained(texts: Iterable[str], kind: Kind, size: int) -> Vocabulary:
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.set_random_generator_seed(0)
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            model_type=kind,
            vocab_size=size - len(LAST),  # its own four specials count, <mask> and <ctc_blank> it does not know
            character_coverage=1.0,
            max_sentence_length=_LONGEST_LINE_BYTES,
            input_sentence_size=_MOST_LINES,
            bos_id=0,
            pad_id=1,
            eos_id=2,
            unk_id=3,
            minloglevel=2,  # errors only, which come as exceptions as well
        )
    except RuntimeError as error:
        reason = str(error).rpartition("] ")[2] or "no text"
        raise DataError(
            f"SentencePiece cannot make {size - len(LAST)} pieces ({size} less <mask> and <ctc_blank>) of these texts: "
            f"{reason}"
        ) from None
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [processor.id_to_piece(id_) for id_ in range(len(FIRST), processor.get_piece_size())]
    return Vocabulary.of_pieces(pieces, model.getvalue())


def extended(vocabulary: Vocabulary, texts: Iterable[str]) -> tuple[Vocabulary, Counter[str]]:
    """The vocabulary with every unsupported character of the texts added behind its last id, and their counts.

    No id changes, so weights stay valid; <mask> and <ctc_blank> are no longer last.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(vocabulary.unsupported(text))
    return Vocabulary([*vocabulary.symbols, *_by_frequency(counts)], vocabulary.spm), counts


@dataclass
class VocabularyCheck:
    """What became of texts on the way to ids and back."""

    n_texts: int = 0
    n_ids: int = 0
    unsupported: Counter[str] = field(default_factory=Counter)  # character -> how often it becomes <unk>
    where: dict[str, list[str]] = field(default_factory=dict)  # character -> a few places
    n_changed: int = 0  # texts that come back otherwise although all their characters are supported
    changed: list[tuple[str, str, str]] = field(default_factory=list)  # a few of them: (where, text, what came back)


def check(vocabulary: Vocabulary, texts: Iterable[tuple[str, str]]) -> VocabularyCheck:
    """Encode and decode every (where, text); differences of blanks do not count."""
    result = VocabularyCheck()
    for where, text in texts:
        ids = vocabulary.encode(text)
        result.n_texts += 1
        result.n_ids += len(ids)
        if vocabulary.unk in ids:
            _note_unsupported(result, vocabulary.unsupported(text), where)
        elif (back := vocabulary.decode(ids)) != " ".join(text.split()):
            result.n_changed += 1
            if len(result.changed) < _N_EXAMPLES:
                result.changed.append((where, text, back))
    return result


def _note_unsupported(result: VocabularyCheck, counts: Counter[str], where: str) -> None:
    result.unsupported.update(counts)
    for character in counts:
        places = result.where.setdefault(character, [])
        if len(places) < _N_EXAMPLES:
            places.append(where)


def listed(characters: Counter[str]) -> str:
    """The most frequent of the characters, with their code points and counts, in a line."""
    shown = ", ".join(f"{char} (U+{ord(char[0]):04X}) x {n}" for char, n in characters.most_common(_SHOWN))
    more = len(characters) - _SHOWN
    return shown + (f" and {more} others" if more > 0 else "")
