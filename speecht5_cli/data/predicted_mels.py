"""A folder of log-mels: what `speecht5 features` computed, or what a model predicted."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from speecht5_cli.config import differences
from speecht5_cli.data.archives import read_matrix
from speecht5_cli.data.datadir import resolved, without_place
from speecht5_cli.data.feature_source import FeatureInfo, log_mel_info
from speecht5_cli.data.feature_store import FEATS_JSON, FEATS_SCP
from speecht5_cli.data.features import LOG_MEL
from speecht5_cli.data.metadata import read_metadata
from speecht5_cli.data.tables import read_table
from speecht5_cli.errors import ConfigError, DataError


class LogMelFolder:
    """`feats.scp` of a folder. Where feats.json says how the log-mels were made, it must be as ours are.

    Raises DataError when there is no feats.scp, ConfigError (with both values) when they are other features.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / FEATS_SCP).exists():
            raise DataError(f"{path}: no {FEATS_SCP}, so it is no folder of log-mels; `speecht5 features` makes one")
        table = read_table(path / FEATS_SCP)
        self._sources = dict(zip(table, _located(path, table.values())))
        if (path / FEATS_JSON).exists():
            _check(path / FEATS_JSON)

    @property
    def utterances(self) -> list[str]:
        """All ids, sorted."""
        return sorted(self._sources)

    def __contains__(self, utterance: str) -> bool:
        return utterance in self._sources

    def read(self, utterance: str) -> np.ndarray:
        """(L, mels) float32. Raises DataError, with the utterance, for a matrix that is none of our log-mels."""
        try:
            log_mel = read_matrix(self._sources[utterance])
        except DataError as error:
            raise DataError(f"utterance {utterance}: {error}") from None
        if log_mel.shape[1] != LOG_MEL.n_mels:
            raise DataError(f"utterance {utterance}: features of {log_mel.shape[1]} values, expected {LOG_MEL.n_mels}")
        return np.asarray(log_mel, np.float32)


def _located(folder: Path, sources: Iterable[str]) -> list[str]:
    """An archive beside feats.scp is meant wherever the folder was moved to."""
    sources = list(sources)
    found = []
    for source, full in zip(sources, resolved(folder, sources)):
        archive = without_place(source)
        beside = folder / Path(archive).name
        found.append(f"{beside}{source.removeprefix(archive)}" if beside.exists() else full)
    return found


def _check(path: Path) -> None:
    info, ours = read_metadata(FeatureInfo, path, "`speecht5 features` makes it"), log_mel_info()
    if info.kind != ours.kind:
        raise ConfigError(f"{path}: features of the kind '{info.kind}', expected '{ours.kind}'")
    different = differences(info.settings, ours.settings)
    if different:
        pairs = "; ".join(f"{key}: {there}, ours {here}" for key, (there, here) in different.items())
        raise ConfigError(f"{path}: log-mels of other settings ({pairs})")
