"""Text without speech, as a corpus gives it to pre-training and to language models."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from speecht5_cli.data.utterance import Rejected
from speecht5_cli.data.writer import write_rejected

TEXT = "text"  # the folder of written text in a recipe's data, and the part that it is
N_LISTED = 10_000  # rejected lines that are listed one by one; all of them are counted


@dataclass
class TextReport:
    """What became of the lines of a text. `str(report)` says it in a few lines."""

    out: Path
    n_lines: int = 0
    n_words: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # kind -> number of lines that were left out
    listed: list[Rejected] = field(default_factory=list)  # the first ones
    remarks: list[str] = field(default_factory=list)

    def reject(self, line: int, kind: str, details: str = "") -> None:
        """Count a line that is left out, and list it while there are few."""
        self.rejected[kind] += 1
        if len(self.listed) < N_LISTED:
            self.listed.append(Rejected(f"line {line}", f"{kind}: {details}" if details else kind))

    @property
    def rejected_file(self) -> Path:
        """Where the lines that were left out are listed."""
        return self.out.with_suffix(".rejected.tsv")

    def write_rejected(self) -> None:
        """List the lines that were left out, or remove a list of earlier ones."""
        if self.listed:
            write_rejected(self.rejected_file, self.listed)
        else:
            self.rejected_file.unlink(missing_ok=True)

    def __str__(self) -> str:
        lines = [f"{self.out}: {self.n_lines} lines, {self.n_words} words"]
        if self.rejected:
            lines.append(f"  {self.rejected.total()} left out (see {self.rejected_file}):")
            lines += [f"    {number} x {kind}" for kind, number in self.rejected.most_common()]
        lines += [f"  {remark}" for remark in self.remarks]
        return "\n".join(lines)
