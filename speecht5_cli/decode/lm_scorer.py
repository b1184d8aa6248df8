"""A language model among the scorers of a search.

N rows   V symbols of the search, which may be more than the model knows
"""

from torch import Tensor

from speecht5_cli.models.lm import LanguageModel, padded_log_p


class LanguageModelScorer:
    """log p of the next symbol after what each row has said; symbols that the model does not know score 0."""

    def __init__(self, model: LanguageModel, n_symbols: int) -> None:
        self.model, self.n_symbols = model, n_symbols
        self.cache = model.start()

    def score(self, tokens: Tensor) -> Tensor:
        """The last symbol of each row (N,) -> (N, V)."""
        return padded_log_p(self.model.next(tokens, self.cache), self.n_symbols)

    def reorder(self, rows: Tensor) -> None:
        """Row i goes on as row rows[i] (N,)."""
        self.cache.reorder(rows)

    def keep(self, utterances: Tensor, rows: Tensor) -> None:
        """Only these rows (N,) go on."""
        self.cache.reorder(rows)
