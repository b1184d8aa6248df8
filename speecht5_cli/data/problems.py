"""What `speecht5 validate` finds: one thing that is wrong in a data dir."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """Where, about which utterance, and what. An error breaks a rule; a warning only deserves a look."""

    file: Path
    message: str
    line: int | None = None  # from 1; None: the file as a whole, or a line that is missing
    key: str = ""  # utterance, recording or speaker
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        key = f"{self.key}: " if self.key else ""
        return f"{where}: {'warning: ' if self.severity == 'warning' else ''}{key}{self.message}"
