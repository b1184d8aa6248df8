"""Noisy and clean versions of the same recordings, in two folders under the same names."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from speecht5_cli.corpora.listing import sounds
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.errors import DataError


@dataclass
class NoisyPairs:
    """Two folders side by side; what lies in only one of them goes to `rejected`."""

    noisy: Path
    clean: Path
    rejected: list[Rejected] = field(default_factory=list)
    n_noisy: int = 0  # recordings in the folder of noisy ones, once they were gone through

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        """(stem, noisy path, clean path), sorted. Raises DataError when one of the folders is missing."""
        found = []
        for folder in (self.noisy, self.clean):
            if not folder.is_dir():
                raise DataError(f"{folder}: no such folder; is the corpus unpacked as a whole?")
            files, second = sounds(folder)
            found.append(files)
            self.rejected += [Rejected(file, "second audio file: another one has the same name") for file in second]
        noisy, clean = found
        self.n_noisy = len(noisy)
        for stem in sorted(noisy.keys() ^ clean.keys()):
            missing = self.clean if stem in noisy else self.noisy
            self.rejected.append(Rejected(stem, f"only one of the two sounds: {missing} has none of this name"))
        for stem, path in noisy.items():
            if stem in clean:
                yield stem, path, clean[stem]


def enhanced(name: str, speaker: str, noisy: str, clean: str, text: str | None = None, **tables: str) -> Utterance:
    """The noisy sound, with the clean one, of the same speaker, as its target."""
    return Utterance(name, speaker, noisy, text, tables={"target.scp": clean, "utt2tgtspk": speaker, **tables})
