"""Many readers with a recording or two of each: who speaks is learned from its beginning and asked about its end."""

from collections.abc import Iterable

from speecht5_cli.data.audio import AudioRef, duration_s
from speecht5_cli.data.utterance import Utterance
from speecht5_cli.errors import DataError

PARTS = {"train": (0.0, 0.7), "dev": (0.7, 0.85), "test": (0.85, 1.0)}  # of the length of every recording


def cut_readers(recordings: Iterable[Utterance]) -> dict[str, list[Utterance]]:
    """Name of a set -> a segment of each recording, without overlap: `readers_train`, `readers_dev`, `readers_test`.

    A recording whose length cannot be read has no segments; as an utterance of its own it is rejected with the reason.
    """
    sets: dict[str, list[Utterance]] = {f"readers_{split}": [] for split in PARTS}
    for recording in recordings:
        try:
            length = duration_s(AudioRef(recording.audio))
        except DataError:
            continue
        for split, (start, end) in PARTS.items():
            cut = Utterance(
                f"{recording.id}-{split}",
                recording.speaker,
                recording.audio,
                start_s=round(start * length, 3),
                end_s=round(end * length, 3),
            )
            sets[f"readers_{split}"].append(cut)
    return sets
