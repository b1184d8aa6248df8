"""Error rates of speech as a recogniser of ours read it: from folders of its hypotheses beside the waves.

Scoring opens no model, so the reading is done before, into the folder of the waves:

    asr            what the judge read in the hypotheses themselves
    asr_<name>     what it read in something to compare with, such as asr_noisy or asr_copied
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from speecht5_cli.data.hypotheses import read_decoding, read_values
from speecht5_cli.plugins import Scores
from speecht5_cli.score.wer import error_rates

FOLDER = "asr"


@dataclass(frozen=True)
class Reading:
    """What one judge made of one set."""

    suffix: str  # of the values' names: "" or "_noisy"
    judge: str  # the model, as it was named when it decoded
    scores: Scores

    @property
    def values(self) -> dict[str, float]:
        """wer, cer and those under the normaliser, with the suffix."""
        return {f"{name}{self.suffix}": value for name, value in self.scores.values.items() if name != "ser"}

    @property
    def settings(self) -> dict[str, str]:
        """How each value was computed, and by whom the speech was read."""
        return {f"{name}{self.suffix}": f"{self.scores.settings[name]}; read by {self.judge}" for name in self._names}

    @property
    def _names(self) -> list[str]:
        return [name for name in self.scores.values if name != "ser"]


def readings(
    folder: Path, references: Mapping[str, str], utt2spk: Mapping[str, str], *, normalise: str
) -> list[Reading]:
    """All readings in a folder of waves. Raises DataError when one of them is of other utterances."""
    found = []
    for place in sorted(folder.glob(f"{FOLDER}*/text")):
        texts = read_values(place.parent, "text", references)
        record = place.parent / "decode.json"
        judge = read_decoding(place.parent).model if record.exists() else "an unnamed recogniser"
        scores = error_rates(references, texts, utt2spk, normalise=normalise)
        found.append(Reading(place.parent.name.removeprefix(FOLDER), judge, scores))
    return found
