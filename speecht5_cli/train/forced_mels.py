"""The log-mels that a model predicts by teacher forcing, in step with the recorded ones: what a vocoder learns from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from speecht5_cli.data.archives import write_archive
from speecht5_cli.data.batch import Batch
from speecht5_cli.data.datadir import opened, shards
from speecht5_cli.data.feature_source import log_mel_info
from speecht5_cli.data.feature_store import FEATS_JSON, FEATS_SCP, NUM_FRAMES
from speecht5_cli.data.metadata import write_metadata
from speecht5_cli.data.tables import write_table
from speecht5_cli.decode.speech import PrenetDropout, named_pieces
from speecht5_cli.errors import UsageError
from speecht5_cli.files import atomic_dir
from speecht5_cli.train.restore import Restored, restore
from speecht5_cli.workers import map_shards

_ARCHIVES_A_PROCESS = 8  # progress moves by archives


@dataclass(frozen=True)
class Request:
    """Whose predictions, of which data; picklable, so that it can go to a worker."""

    model: Path
    data: Path
    batch_seconds: float
    allow_pipes: bool


@dataclass(frozen=True)
class Written:
    """An archive."""

    name: str
    places: dict[str, tuple[int, int]]  # utterance -> (byte offset, number of frames)
    audio_s: float


def write_forced_mels(request: Request, out: Path, *, nj: int = 1) -> int:
    """Write feats.scp, its archives and feats.json into the folder `out`; returns the number of utterances.

    Raises UsageError for a model that does not speak, DataError for a data dir without the speech to be said.
    """
    restored = _restored(request.model)
    if restored.plugin.output != "speech":
        raise UsageError(f"{request.model}: a model for '{restored.plugin.name}', which does not speak")
    utterances = opened(request.data).utterances
    with atomic_dir(out) as folder:
        done = map_shards(
            partial(_write_archive, request, folder),
            shards(utterances, _ARCHIVES_A_PROCESS * nj),
            doing=f"forced log-mels of {request.data}",
            nj=nj,
            audio_s=lambda written: written.audio_s,
        )
        scp = {key: f"{out / one.name}:{at}" for one in done for key, (at, _) in one.places.items()}
        write_table(folder / FEATS_SCP, dict(sorted(scp.items())))
        frames = {key: str(n) for one in done for key, (_, n) in one.places.items()}
        write_table(folder / NUM_FRAMES, dict(sorted(frames.items())))
        write_metadata(folder / FEATS_JSON, log_mel_info())
    return len(scp)


@lru_cache(maxsize=1)  # a worker gets several shards
def _restored(model: Path) -> Restored:
    return restore(model, device="auto")


def _write_archive(request: Request, folder: Path, utterances: Sequence[str]) -> Written:
    """One shard of the utterances."""
    restored = _restored(request.model)
    rows, batches = restored.read(
        request.data,
        batch_seconds=request.batch_seconds,
        targets=True,
        allow_pipes=request.allow_pipes,
        only=utterances,
    )
    name = f"feats.{utterances[0].replace('/', '_')}.ark"
    with restored.inference():
        mels = (pair for batch in batches for pair in forced_mels(restored.model, batch, restored.cfg.task.decode.seed))
        places = write_archive(folder / name, mels)
    return Written(name, places, float(rows.costs.sum()))


def forced_mels(model: Any, batch: Batch, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """(id, (L, M) float32) of each utterance by a SpeechT5, L cut to whole decoder steps; dropout as in generation."""
    mel, lens = batch["mel"], batch["mel_lens"]
    encoded = model.encode_text(batch["tokens"]) if "tokens" in batch.tensors else model.encode_speech(**batch.speech)
    pieces = named_pieces(batch.ids, list(range(len(batch.ids))))  # each in one piece
    kept = PrenetDropout(model, seed, pieces).all_kept(mel.size(1) // model.cfg.reduction)
    spoken = model.decode_speech(mel, lens, encoded, batch["xvector"], noisy=batch.get("noisy"), kept=kept)
    for id_, predicted, n in zip(batch.ids, spoken.after.float().cpu().numpy(), lens.tolist()):
        yield id_, predicted[: n - n % model.cfg.reduction]
