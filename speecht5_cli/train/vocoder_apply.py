"""Waves for a whole folder: of log-mels, of hypotheses that hold log-mels, or of sounds to be copied.

What comes out of a data dir (or a folder with its tables) is a data dir again; what comes out of a folder of
hypotheses is a folder of hypotheses again, with what was said about each utterance.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from speecht5_cli.data.audio import SAMPLE_RATE, read_audio, write_audio
from speecht5_cli.data.datadir import opened, shards
from speecht5_cli.data.feature_store import FEATS_SCP
from speecht5_cli.data.features import log_mel
from speecht5_cli.data.hypotheses import (
    check_ids,
    command_line,
    read_decoding,
    read_hypotheses,
    sound_file,
    write_hypotheses,
)
from speecht5_cli.data.predicted_mels import LogMelFolder
from speecht5_cli.data.tables import write_table
from speecht5_cli.data.writer import seconds_text
from speecht5_cli.decode.waveform import Vocoder, load_vocoder
from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_dir
from speecht5_cli.plugins import Hypothesis
from speecht5_cli.workers import map_shards

_AT_ONCE = 8  # utterances that a vocoder gets
_SHARDS_A_PROCESS = 8
_KEPT = ("utt2spk", "spk2utt", "text", "utt2tgtspk")  # tables that are true of a copy


def apply_vocoder(
    spec: str, source: Path, out: Path, *, precision: str = "auto", nj: int = 1, allow_pipes: bool = False
) -> int:
    """Write the folder `out` in one step; returns the number of utterances.

    `source` holds feats.scp (log-mels), or else wav.scp: then its sounds are copied through their log-mels. Raises
    DataError when it holds neither, or the utterance whose log-mel is unusable.
    """
    utterances = LogMelFolder(source).utterances if (source / FEATS_SCP).exists() else opened(source).utterances
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as name:
        waves = Path(name)
        work = partial(_speak_shard, spec, precision, source, waves, allow_pipes)
        pieces = shards(list(enumerate(utterances)), _SHARDS_A_PROCESS * nj)
        parts = map_shards(work, pieces, doing=f"{out}: waves", nj=nj, audio_s=lambda part: sum(part.values()))
        durations = {utterance: seconds for part in parts for utterance, seconds in part.items()}
        files = {utterance: waves / _file(number) for number, utterance in enumerate(utterances)}
        if (source / "decode.json").exists():
            _write_hypotheses(source, out, files)
        else:
            _write_tables(source, out, files, durations)
    return len(utterances)


def _speak_shard(
    spec: str, precision: str, source: Path, waves: Path, allow_pipes: bool, shard: Sequence[tuple[int, str]]
) -> dict[str, float]:
    """Write the waves of some utterances; utterance -> seconds."""
    vocode, read = _vocoder(spec, precision), _reader(source, allow_pipes)
    durations = {}
    for start in range(0, len(shard), _AT_ONCE):
        some = shard[start : start + _AT_ONCE]
        for (number, utterance), wave in zip(some, _spoken(vocode, read, [name for _, name in some]), strict=True):
            write_audio(waves / _file(number), wave)
            durations[utterance] = len(wave) / SAMPLE_RATE
    return durations


def _spoken(vocode: Vocoder, read: Callable[[str], np.ndarray], utterances: list[str]) -> list[np.ndarray]:
    log_mels = [read(utterance) for utterance in utterances]
    try:
        return vocode(log_mels)
    except DataError as error:
        raise DataError(f"utterances {', '.join(utterances)}: {error}") from None


def _file(number: int) -> str:
    return f"{number}.wav"


@lru_cache(maxsize=1)  # a worker gets several shards
def _vocoder(spec: str, precision: str) -> Vocoder:
    return load_vocoder(spec, precision=precision)


def _reader(source: Path, allow_pipes: bool) -> Callable[[str], np.ndarray]:
    """What gives the log-mel of an utterance."""
    if (source / FEATS_SCP).exists():
        return LogMelFolder(source).read
    refs = opened(source).audio()
    return lambda utterance: log_mel(read_audio(refs[utterance], allow_pipes=allow_pipes))


def _write_hypotheses(source: Path, out: Path, files: dict[str, Path]) -> None:
    """A folder of hypotheses as the source, with these waves."""
    said = read_hypotheses(source)
    check_ids(files, said, source)
    hypotheses = (replace(said[utterance], value=file) for utterance, file in files.items())
    decoding = replace(read_decoding(source), command=command_line(), n_utterances=0, stopped={})
    write_hypotheses(out, hypotheses, decoding, utterances=said, write_speech=_move)


def _move(hypothesis: Hypothesis, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    hypothesis.value.rename(path)


def _write_tables(source: Path, out: Path, files: dict[str, Path], durations: dict[str, float]) -> None:
    """A folder with wav.scp, and with those tables of the source that hold for a copy."""
    names = {utterance: sound_file(utterance) for utterance in files}
    with atomic_dir(out) as folder:
        (folder / "wav").mkdir()
        for utterance, file in files.items():
            file.rename(folder / "wav" / names[utterance])
        write_table(folder / "wav.scp", {utterance: str(out / "wav" / name) for utterance, name in names.items()})
        write_table(folder / "utt2dur", {utterance: seconds_text(value) for utterance, value in durations.items()})
        for table in _KEPT:
            if (source / table).exists():
                shutil.copyfile(source / table, folder / table)
        for text in source.glob("text.*"):
            shutil.copyfile(text, folder / text.name)
