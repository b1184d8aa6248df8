"""From sound to features and batches: how many seconds of sound in a second."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from speecht5_cli.bench.measure import Effort, Row, in_turns
from speecht5_cli.bench.nets import SAMPLE_RATE, transformers, wave
from speecht5_cli.data.audio import write_audio
from speecht5_cli.data.datadir import write_tables
from speecht5_cli.data.features import log_mel, mfcc
from speecht5_cli.data.loading import BatchReader, load
from speecht5_cli.data.rows import UtteranceRows
from speecht5_cli.data.sampling import Budget, MicroBatch, batches_of

SECONDS = 10.0
UTTERANCES = 64


def rows(effort: Effort) -> Iterator[Row]:
    """Log-mels beside transformers', MFCCs, and reading batches of recordings. The unit is a second of sound."""
    sound = wave(SECONDS)[0].numpy()
    extractor = transformers().SpeechT5FeatureExtractor()

    def theirs() -> np.ndarray:
        return extractor(audio_target=sound, sampling_rate=SAMPLE_RATE, return_tensors="np").input_values[0]

    difference = float(np.abs(log_mel(sound) - theirs()).max())
    mine, peer = in_turns(lambda: log_mel(sound), theirs, effort, units=SECONDS)
    yield Row("features", "log-mel", "s of sound", mine, peer, difference=difference)
    mine, _ = in_turns(lambda: mfcc(sound), None, effort, units=SECONDS)
    yield Row("features", "MFCC with deltas", "s of sound", mine)
    with tempfile.TemporaryDirectory() as folder:
        data = recordings(Path(folder))
        for workers in (0, 1):
            mine, _ = in_turns(partial(read, data, workers), None, effort, units=UTTERANCES * SECONDS)
            yield Row("features", f"reading recordings in batches, {workers} workers", "s of sound", mine)


def recordings(folder: Path) -> Path:
    """A data dir of noise."""
    paths = {}
    for number in range(UTTERANCES):
        path = folder / f"a-{number:03d}.wav"
        write_audio(path, wave(SECONDS)[0].numpy())
        paths[path.stem] = str(path)
    write_tables(folder / "data", {"wav.scp": paths, "utt2spk": dict.fromkeys(paths, "a")})
    return folder / "data"


def read(data: Path, workers: int) -> int:
    """Samples in all batches."""
    import torch

    from speecht5_cli.data.batch import Batch, padded

    rows = UtteranceRows([data], ["wav.scp"])
    places = [
        MicroBatch(number, 0, chosen)
        for number, chosen in enumerate(batches_of(rows.costs, np.arange(len(rows)), Budget(80.0), None))
    ]
    reader = BatchReader(
        [rows],
        lambda row, _: {"wav": row.audio()},
        lambda examples, _: Batch(
            [example["id"] for example in examples], {"wav": padded([example["wav"] for example in examples])}, {}
        ),
        seed=None,
    )
    batches = load(reader, places, workers=workers, device=torch.device("cpu"))
    return sum(batch["wav"].numel() for batch in batches)
