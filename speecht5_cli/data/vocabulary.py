"""Symbols and their ids: what text is to a model.

`vocab.txt` holds one symbol a line, in the order of the ids:

    <s>          0    never written by us; the original's targets of text pre-training start with it
    <pad>        1
    </s>         2    end, and the decoder's first input
    <unk>        3
    ▁            4    a blank (U+2581), also in front of the first word
    e            5    characters, or pieces of words when an `spm.model` (SentencePiece) lies beside
    ...
    <mask>       79   the last two of a new vocabulary; symbols that `extend` adds come behind them, so that
    <ctc_blank>  80   no id ever changes: find these two by name, never by position

The released models have 81 symbols, 75 of them from fairseq's dict.txt.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from speecht5_cli.data.assets import Initial, Source
from speecht5_cli.data.tables import read_lines, write_lines
from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_write
from speecht5_cli.folders import ASSETS, CONFIG, model_folder

VOCAB_FILE = "vocab.txt"
SPM_FILE = "spm.model"

BOS, PAD, EOS, UNK = FIRST = ("<s>", "<pad>", "</s>", "<unk>")
MASK, BLANK = LAST = ("<mask>", "<ctc_blank>")
SPECIAL = frozenset((*FIRST, *LAST))
SPACE = "▁"


class Vocabulary:
    """Text -> ids -> text. Without a SentencePiece model every character is a symbol."""

    bos, pad, eos, unk = range(4)

    def __init__(self, symbols: Sequence[str], spm: bytes | None = None, *, where: Path | str = "vocabulary") -> None:
        """`spm` is the content of a SentencePiece model. Raises DataError that starts with `where`."""
        self.symbols = tuple(symbols)
        self.spm = spm
        self.ids = {symbol: id_ for id_, symbol in enumerate(self.symbols)}
        _check_symbols(self.symbols, self.ids, where)
        self.mask = self.ids[MASK]
        self.blank = self.ids[BLANK]
        self._text_ids = {symbol: id_ for symbol, id_ in self.ids.items() if symbol not in SPECIAL}
        if spm is not None:
            self._check_pieces(where)

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """From `vocab.txt`, the folder that holds it, or a model; with the `spm.model` beside it, if there is one."""
        files = vocabulary_files(path)
        spm = files[SPM_FILE].read_bytes() if SPM_FILE in files else None
        return cls(read_lines(files[VOCAB_FILE]), spm, where=files[VOCAB_FILE])

    @classmethod
    def from_fairseq(cls, dict_txt: Path, spm: Path | None = None) -> "Vocabulary":
        """From fairseq's `dict.txt` (`symbol count` lines, without specials); every id is the original's."""
        pieces = []
        for number, line in enumerate(read_lines(dict_txt), 1):
            symbol, blank, count = line.rpartition(" ")
            if not blank or not count.isdigit():
                raise DataError(f"{dict_txt}:{number}: expected 'symbol count', got '{line}'")
            pieces.append(symbol)
        missing = [symbol for symbol in LAST if symbol not in pieces]  # the original adds them when it starts
        return cls([*FIRST, *pieces, *missing], spm.read_bytes() if spm else None, where=dict_txt)

    @classmethod
    def of_pieces(cls, pieces: Iterable[str], spm: bytes | None = None) -> "Vocabulary":
        """A new vocabulary: the specials around the pieces."""
        return cls([*FIRST, *pieces, *LAST], spm)

    def save(self, path: Path) -> None:
        """Write `vocab.txt` (or into the folder `path`) and `spm.model` beside it, if there is one."""
        path = _vocab_file(path)
        spm_path = path.with_name(SPM_FILE)
        if self.spm is None:
            spm_path.unlink(missing_ok=True)  # one that is left over would change what the symbols mean
        else:
            with atomic_write(spm_path, "wb") as out:
                out.write(self.spm)
        write_lines(path, self.symbols)

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without <s> and </s>. A run of unsupported characters becomes one <unk>."""
        ids: list[int] = []
        for symbol in self._split(text):
            id_ = self._text_ids.get(symbol, self.unk)
            if id_ != self.unk or not ids or ids[-1] != self.unk:
                ids.append(id_)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; all specials are left out, <unk> among them. Raises DataError for an id out of range."""
        pieces = []
        for id_ in ids:
            if not 0 <= id_ < len(self.symbols):
                raise DataError(f"id {id_} is not in the vocabulary, which has {len(self.symbols)} symbols")
            if self.symbols[id_] not in SPECIAL:
                pieces.append(self.symbols[id_])
        return "".join(pieces).replace(SPACE, " ").strip()

    @property
    def unsayable(self) -> tuple[int, ...]:
        """Ids that a model may never say: <s>, <pad>, <mask> and <ctc_blank>."""
        return (self.bos, self.pad, self.mask, self.blank)

    @property
    def spellings(self) -> tuple[str, ...]:
        """What each id adds to a text: specials nothing."""
        return tuple("" if symbol in SPECIAL else symbol for symbol in self.symbols)

    def unsupported(self, text: str) -> Counter[str]:
        """The characters of a text that would become <unk>, with their counts."""
        return Counter(symbol for symbol in self._split(text) if symbol not in self._text_ids)

    def _split(self, text: str) -> list[str]:
        """Symbols of this vocabulary, and single characters where it has none."""
        if self.spm is None:
            return list(normalised(text))
        symbols: list[str] = []
        for piece in self._pieces.encode(text, out_type=str):
            # What SentencePiece does not know may still be here, added by `extend`.
            symbols += [piece] if piece in self._text_ids else list(piece)
        return symbols

    @cached_property
    def _pieces(self) -> Any:
        import sentencepiece

        return sentencepiece.SentencePieceProcessor(model_proto=self.spm)

    def _check_pieces(self, where: Path | str) -> None:
        """Refuse an spm.model that belongs to another vocabulary; a few pieces may have been pruned."""
        try:
            n_pieces = self._pieces.get_piece_size()
        except RuntimeError as error:
            raise DataError(f"{where}: the {SPM_FILE} beside it is not readable: {error}") from None
        pieces = {self._pieces.id_to_piece(i) for i in range(n_pieces) if not self._pieces.is_control(i)} - SPECIAL
        missing = pieces - self._text_ids.keys()
        if 2 * len(missing) > len(pieces):
            raise DataError(
                f"{where}: {len(missing)} of the {len(pieces)} pieces of its {SPM_FILE} are not in it, such as "
                f"'{min(missing)}'; the two do not belong together"
            )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_pieces"}  # workers load it again


def normalised(text: str) -> str:
    """Text as SentencePiece's default (`nmt_nfkc`) sees it: NFKC, single blanks, each written as ▁, one in front."""
    return _normaliser().normalize(text)


@cache
def _normaliser() -> Any:
    import sentencepiece

    return sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc", add_dummy_prefix=True, escape_whitespaces=True, remove_extra_whitespaces=True
    )


def vocabulary_files(path: Path) -> dict[str, Path]:
    """Name -> path of the files that make a vocabulary: they must travel together. A model's path means its own one."""
    path = _vocab_file(path)
    spm_path = path.with_name(SPM_FILE)
    return {VOCAB_FILE: path} | ({SPM_FILE: spm_path} if spm_path.exists() else {})


def vocabulary_assets(path: Path | None) -> dict[str, Source]:
    """Name -> where it comes from, of the vocabulary at `path`, or (None) of the initial model's."""
    if path is None:
        return {VOCAB_FILE: Initial.NEEDED, SPM_FILE: Initial.IF_THERE}
    return dict(vocabulary_files(path))


def _vocab_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    is_model = (path / CONFIG).exists() and not (path / VOCAB_FILE).exists()
    return (model_folder(path) / ASSETS if is_model else path) / VOCAB_FILE


def _check_symbols(symbols: tuple[str, ...], ids: dict[str, int], where: Path | str) -> None:
    for id_, (symbol, expected) in enumerate(zip(symbols, FIRST)):
        if symbol != expected:
            raise DataError(f"{where}:{id_ + 1}: expected '{expected}' (id {id_}), got '{symbol}'")
    for symbol in (*FIRST, *LAST):
        if symbol not in ids:
            raise DataError(f"{where}: no symbol '{symbol}', which every model needs")
    for id_, symbol in enumerate(symbols):
        if not symbol:
            raise DataError(f"{where}:{id_ + 1}: an empty line is no symbol (a blank is written as {SPACE})")
        if ids[symbol] != id_:
            raise DataError(f"{where}:{id_ + 1}: '{symbol}' stands again on line {ids[symbol] + 1}")


@dataclass(frozen=True)
class SymbolMapping:
    """How the rows of an embedding move from one vocabulary to another, by symbol."""

    kept: dict[int, int]  # new id -> old id
    new: dict[str, int]  # symbol -> id in the new vocabulary: rows to initialise
    dropped: dict[str, int]  # symbol -> id in the old vocabulary: rows without a use

    def __str__(self) -> str:
        parts = [f"{len(self.kept)} symbols kept"]
        for title, symbols in (("new", self.new), ("dropped", self.dropped)):
            parts.append(f"{len(symbols)} {title}" + (f" ({' '.join(symbols)})" if symbols else ""))
        return ", ".join(parts)


def mapping(old: Vocabulary, new: Vocabulary) -> SymbolMapping:
    """Where every symbol of `new` was in `old`."""
    return SymbolMapping(
        kept={id_: old.ids[symbol] for symbol, id_ in new.ids.items() if symbol in old.ids},
        new={symbol: id_ for symbol, id_ in new.ids.items() if symbol not in old.ids},
        dropped={symbol: id_ for symbol, id_ in old.ids.items() if symbol not in new.ids},
    )
