"""What a task's loss consists of."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class Term:
    """A sum over a batch; it is divided by `batch.weights[name]` (or by that of the whole update) and multiplied."""

    sum: Tensor  # ()
    factor: float = 1.0


@dataclass
class Loss:
    """Named terms, and numbers for the log that are not trained on: name -> (sum, weight)."""

    terms: dict[str, Term]
    stats: dict[str, tuple[Tensor, Tensor | float]] = field(default_factory=dict)

    def total(self, weights: dict[str, float]) -> Tensor:
        """Sum of factor * sum / weight; a term whose weight is 0 counts nothing."""
        parts = [
            term.sum * (term.factor / weights[name] if weights[name] > 0 else 0.0) for name, term in self.terms.items()
        ]
        return sum(parts[1:], parts[0])
