"""The vocabulary that belongs to another toolkit's checkpoint: dict.txt, a SentencePiece model, or ours."""

import json
from collections.abc import Sequence
from pathlib import Path

from speecht5_cli.data.vocabulary import LAST, VOCAB_FILE, Vocabulary
from speecht5_cli.errors import CheckpointError, UsageError

DICTIONARY = "dict.txt"
PIECES, ADDED = "spm_char.model", "added_tokens.json"  # of Hugging Face's tokenizer


def find_vocabulary(given: Sequence[Path], *, beside: Path) -> Vocabulary | None:
    """The vocabulary of the given files or folders, else of those in the folder `beside`; None when there is none.

    Raises UsageError for files that are neither a dictionary nor a SentencePiece model, DataError for bad ones.
    """
    files = [file for path in given for file in (_in_folder(path) if path.is_dir() else [path])]
    if given and not files:
        raise UsageError(f"{given[0]}: no {VOCAB_FILE}, {DICTIONARY} or SentencePiece model in it")
    files = files or _in_folder(beside)
    for path in files:
        if not path.exists():
            raise CheckpointError(f"{path}: no such file")
    ours = [path for path in files if path.name == VOCAB_FILE]
    if ours:
        return Vocabulary.load(ours[0])
    models = [path for path in files if path.suffix == ".model"]
    dictionaries = [path for path in files if path.suffix != ".model"]
    if len(models) > 1 or len(dictionaries) > 1:
        raise UsageError(f"more than one dictionary or SentencePiece model: {', '.join(map(str, files))}; give --vocab")
    if not dictionaries:
        return _of_pieces(models[0], None) if given else None
    return Vocabulary.from_fairseq(dictionaries[0], models[0] if models else None)


def _in_folder(folder: Path) -> list[Path]:
    if (folder / VOCAB_FILE).exists():
        return [folder / VOCAB_FILE]
    return [path for path in (folder / DICTIONARY, *sorted(folder.glob("*.model"))) if path.exists()]


def read_tokenizer(folder: Path) -> Vocabulary | None:
    """The symbols of spm_char.model and added_tokens.json by their ids; None without the former."""
    return _of_pieces(folder / PIECES, folder / ADDED) if (folder / PIECES).exists() else None


def _of_pieces(model: Path, added: Path | None) -> Vocabulary:
    """Symbols as a SentencePiece model numbers them, and added ones behind; the last two, where nobody adds them."""
    import sentencepiece

    spm = model.read_bytes()
    try:
        pieces = sentencepiece.SentencePieceProcessor(model_proto=spm)
        ids = {pieces.id_to_piece(i): i for i in range(pieces.get_piece_size())}
        if added is not None and added.exists():
            ids |= json.loads(added.read_text(encoding="utf-8"))
        for symbol in LAST:
            ids.setdefault(symbol, len(ids))
        symbols = sorted(ids, key=lambda symbol: ids[symbol])
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(f"{model}: not readable, or not with {ADDED} beside it: {error}") from None
    if [ids[symbol] for symbol in symbols] != list(range(len(symbols))):
        raise CheckpointError(f"{model}: the ids of it and of {ADDED} are not 0 to {len(symbols) - 1}")
    return Vocabulary(symbols, spm, where=model)
