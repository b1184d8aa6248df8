"""How costs grow: with the length of a sound, the batch of a search, and the size of a corpus."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from speecht5_cli.bench.encoder import encoders
from speecht5_cli.bench.measure import Effort, Row, in_turns
from speecht5_cli.bench.nets import base_pair
from speecht5_cli.bench.text import encoded, generated, searched
from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.data.validate import validate

LENGTHS_S = (5, 10, 20, 40, 80)
BATCHES = (1, 2, 4, 8, 16)
SIZES = (1_000, 10_000, 100_000, 300_000)
TOKENS = 20
LENGTH, BATCH, SIZE = (
    "encoder: seconds of sound",
    "greedy search: utterances of a batch",
    "validate: lines of a data dir",
)


def rows(effort: Effort) -> Iterator[Row]:
    """Each cost for one unit of work: flat is as good as it gets."""
    pair = base_pair("SpeechT5ForSpeechToText").suited("fp32")
    for seconds in LENGTHS_S[: 2 if effort.quick else None]:
        mine, peer = in_turns(*encoders(pair, seconds), effort, units=seconds)
        yield Row("costs", LENGTH, "s of sound", mine, peer, at=seconds)
    for batch in BATCHES[: 2 if effort.quick else None]:
        ours, states = encoded(pair, batch)
        mine, peer = in_turns(
            lambda ours=ours: searched(pair, ours, 1, TOKENS),  # type: ignore[misc]
            lambda states=states: generated(pair, states, 1, TOKENS),  # type: ignore[misc]
            effort,
            units=batch * TOKENS,
        )
        yield Row("costs", BATCH, "token", mine, peer, at=batch)
    for size in SIZES[: 2 if effort.quick else None]:
        with tempfile.TemporaryDirectory() as folder:
            data = listed(Path(folder), size)
            mine, _ = in_turns(lambda data=data: validate(data.path, audio=False), None, effort, units=size)  # type: ignore[misc]
        yield Row("costs", SIZE, "line", mine, at=size)


def listed(folder: Path, size: int) -> DataDir:
    """A data dir of that many lines without sounds."""
    ids = [f"s{number % 1000:04d}-{number:06d}" for number in range(size)]
    tables = {
        "wav.scp": {name: f"/nowhere/{name}.wav" for name in ids},
        "utt2spk": {name: name.split("-")[0] for name in ids},
        "text": dict.fromkeys(ids, "there is as much text in a line as this"),
    }
    return write_tables(folder / "data", tables)
