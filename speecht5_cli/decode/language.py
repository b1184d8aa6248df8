"""A language model as a scorer of searches (shallow fusion), whatever vocabulary it was trained with.

N rows   V symbols of the search
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from speecht5_cli.config import from_tree
from speecht5_cli.errors import CheckpointError, DataError
from speecht5_cli.folders import ASSETS, MODEL, model_folder, read_model_config
from speecht5_cli.models.initialise import Undrawn
from speecht5_cli.models.linear import pack_where_it_pays
from speecht5_cli.models.lm import LanguageModel
from speecht5_cli.models.lm_config import LMConfig
from speecht5_cli.tensors import read_tensors

_SYMBOLS = f"{ASSETS}/vocab.txt"
_UNKNOWN = "<unk>"


class Language(NamedTuple):
    """A net, and the symbols that its ids stand for."""

    net: LanguageModel
    symbols: tuple[str, ...]


@lru_cache(maxsize=2)
def load_language(path: Path, device: str) -> Language:
    """The language model of a folder or experiment. Raises CheckpointError when it is none."""
    folder = model_folder(path)
    tree = read_model_config(folder)
    if not (folder / _SYMBOLS).exists():
        raise CheckpointError(f"{path}: no {_SYMBOLS}, so its symbols are unknown")
    symbols = tuple((folder / _SYMBOLS).read_text(encoding="utf-8").splitlines())
    if "layers" not in tree.get("model", {}):
        raise CheckpointError(f"{path}: a model for '{tree.get('name')}' is no language model")
    with Undrawn():
        net = LanguageModel(from_tree(LMConfig, tree["model"], str(folder)), len(symbols))
    try:
        net.load_state_dict(read_tensors(folder / MODEL))
    except RuntimeError as error:
        raise CheckpointError(f"{folder}: the tensors do not fit the configuration: {error}") from None
    pack_where_it_pays(net, torch.device(device))
    return Language(net.to(device).eval(), symbols[: net.n_symbols])


class LanguageScorer:
    """Log-probability of each next symbol. One that the language model does not know scores 0, as in the original."""

    def __init__(self, language: Language, symbols: Sequence[str], *, n_utterances: int) -> None:
        """`symbols` are those of the search, in the order of their ids. Raises DataError when they share too little."""
        self.net, self.cache = language.net, language.net.start(n_utterances)
        ids = {symbol: number for number, symbol in enumerate(language.symbols)}
        shared = [symbol for symbol in symbols if symbol in ids]
        if 2 * len(shared) < len(symbols):
            raise DataError(
                f"the language model knows {len(shared)} of the {len(symbols)} symbols of the search; train it with "
                "the vocabulary of the recogniser"
            )
        device = language.net.symbols.weight.device
        self.known = torch.tensor([symbol in ids for symbol in symbols], device=device)
        self.own = torch.tensor([ids.get(symbol, ids[_UNKNOWN]) for symbol in symbols], device=device)

    def score(self, tokens: Tensor) -> Tensor:
        """Last symbols (N,) -> (N, V)"""
        log_p = self.net.next(self.own[tokens], self.cache).float().log_softmax(-1)
        return log_p[:, self.own].masked_fill(~self.known, 0.0)

    def reorder(self, rows: Tensor) -> None:
        """Row i goes on as row rows[i]."""
        self.cache.reorder(rows)

    def keep(self, utterances: Tensor, rows: Tensor) -> None:
        """Only these utterances and rows go on."""
        self.cache.keep(utterances, rows)
