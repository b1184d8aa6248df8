"""Decoding a data dir with a restored model: sharded, batched by length, written as a hypothesis folder."""

import shutil
import time
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from speecht5_cli.config import Tree, to_tree
from speecht5_cli.data.audio import SAMPLE_RATE
from speecht5_cli.data.datadir import opened
from speecht5_cli.data.hypotheses import Decoding, write_hypotheses
from speecht5_cli.decode.options import GRIFFIN_LIM
from speecht5_cli.decode.waveform import load_vocoder
from speecht5_cli.errors import UsageError
from speecht5_cli.plugins import Hypothesis
from speecht5_cli.train.config import DataConfig
from speecht5_cli.train.pictures import draw_speech
from speecht5_cli.train.restore import Restored, restore
from speecht5_cli.workers import map_shards

PICTURES = "pictures"


@dataclass(frozen=True)
class Request:
    """What is to be decoded, with what; picklable, so that it can go to a worker."""

    model: Path
    data: Path
    out: Path
    task: str | None
    overrides: Tree
    batch_seconds: float = 120.0
    precision: str = "auto"  # auto, fp32, bf16 or int8
    allow_pipes: bool = False
    vocoder: str = GRIFFIN_LIM  # of tasks that speak
    pictures: bool = False  # of what they say, in a folder of the hypotheses'

    def __hash__(self) -> int:
        return hash((self.model, self.data, repr(self.overrides)))

    @property
    def drawn(self) -> Path:
        """Where pictures lie until the folder of hypotheses is in its place."""
        return self.out.with_name(f".{self.out.name}.{PICTURES}")


@dataclass(frozen=True)
class Part:
    """What one shard gives back."""

    hypotheses: list[Hypothesis]
    audio_s: float
    work_s: float


def predict_set(request: Request, *, nj: int = 1) -> Decoding:
    """Decode every utterance of the data dir and write the folder `request.out`."""
    restored = restored_for(request)
    if restored.plugin.output == "none":
        raise UsageError(f"the task '{restored.cfg.name}' decodes nothing")
    data_dir = opened(request.data)
    shutil.rmtree(request.drawn, ignore_errors=True)  # of a run that was interrupted
    parts = map_shards(
        partial(_predict_shard, request),
        data_dir.split(nj),
        doing=f"decode {request.data}",
        nj=nj,
        audio_s=lambda part: part.audio_s,
    )
    decoding = Decoding(
        task=restored.cfg.name,
        output=restored.plugin.output,
        model=str(request.model),
        data=str(request.data),
        data_from_root=str(request.data.resolve()),
        settings=to_tree(restored.cfg.task),
        audio_s=round(sum(part.audio_s for part in parts), 3),
        work_s=round(sum(part.work_s for part in parts), 3),
    )
    hypotheses = (hypothesis for part in parts for hypothesis in part.hypotheses)
    decoding = write_hypotheses(request.out, hypotheses, decoding, utterances=data_dir.utterances)
    if request.drawn.exists():
        request.drawn.rename(request.out / PICTURES)
    return decoding


@lru_cache(maxsize=1)  # a worker gets several shards of one request
def restored_for(request: Request) -> Restored:
    """The model that a request names, with its settings."""
    restored = restore(
        request.model, task=request.task, overrides=request.overrides, device="auto", precision=request.precision
    )
    return replace(restored, cfg=replace(restored.cfg, data=DataConfig(batch_seconds=request.batch_seconds)))


def _predict_shard(request: Request, utterances: list[str]) -> Part:
    restored = restored_for(request)
    rows, batches = restored.read(
        request.data, batch_seconds=request.batch_seconds, allow_pipes=request.allow_pipes, only=utterances
    )
    started, hypotheses = time.perf_counter(), []
    with restored.inference():
        for batch in batches:
            hypotheses += restored.plugin.predict(restored.model, batch, restored.cfg, restored.assets)
    audio_s = float(rows.costs.sum())
    if restored.plugin.output == "speech":
        hypotheses = _vocoded(hypotheses, request)
        audio_s = sum(len(said.value) for said in hypotheses) / SAMPLE_RATE
    return Part(hypotheses, audio_s, time.perf_counter() - started)


def _vocoded(hypotheses: list[Hypothesis], request: Request) -> list[Hypothesis]:
    """Log-mels as waves; pictures of them on the way, where wanted."""
    waves = load_vocoder(request.vocoder, precision=request.precision)([said.value for said in hypotheses])
    if request.pictures:
        for said in hypotheses:
            draw_speech(request.drawn / f"{said.id}.png", said.value, None, said.attention)
    return [replace(said, value=wave, attention=None) for said, wave in zip(hypotheses, waves)]
