"""Speaker vectors of a data dir: `xvector.scp`, one an utterance, and `spk_xvector.scp`, one a speaker.

Every vector that we write has length 1. The scp may point into a Kaldi archive or at `.npy` files.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from speecht5_cli.data.archives import read_archive, read_array, write_archive
from speecht5_cli.data.audio import AudioRef, is_archive
from speecht5_cli.data.datadir import DataDir, resolved
from speecht5_cli.data.tables import inverted, read_table, write_table
from speecht5_cli.errors import DataError

DIM = 512  # of SpeechT5's speaker vectors
BY_UTTERANCE = "xvector"  # .scp and .ark
BY_SPEAKER = "spk_xvector"

Side = Literal["source", "target"]  # whose voice, in a dir of pairs
Vectors = dict[str, np.ndarray]  # key -> (D,) float32


def speakers_of(data: DataDir, side: Side) -> dict[str, str]:
    """Utterance -> its speaker, or the speaker of its target (the same person where utt2tgtspk names no other)."""
    return data.table("utt2tgtspk" if side == "target" and data.has("utt2tgtspk") else "utt2spk")


def sounds_of(data: DataDir, side: Side) -> dict[str, AudioRef]:
    """Utterance -> its own sound, or that of its target. Raises DataError when one has none, or no speaker."""
    name = "target.scp" if side == "target" else "wav.scp"
    if not data.has(name):
        raise DataError(f"{data.path}: no {name}" + ("; only dirs of pairs have targets" if side == "target" else ""))
    refs, speakers = data.audio(name), speakers_of(data, side)
    odd = refs.keys() ^ speakers.keys()
    if odd:
        raise DataError(
            f"{data.path}: '{min(odd)}' stands in only one of {name} and the table of speakers ({len(odd)} such); "
            "`speecht5 validate --fix` keeps what all tables share"
        )
    return refs


def names_speakers(utt2spk: Mapping[str, str]) -> bool:
    """Whether any speaker has two utterances; otherwise utt2spk most likely repeats the utterances."""
    return len(set(utt2spk.values())) < len(utt2spk)


def speaker_means(vectors: Mapping[str, np.ndarray], utt2spk: Mapping[str, str]) -> Vectors:
    """Speaker -> the mean of the speaker's vectors, of length 1."""
    return {
        speaker: normalised(np.mean([vectors[utterance] for utterance in utterances.split()], axis=0), where=speaker)
        for speaker, utterances in inverted({utterance: utt2spk[utterance] for utterance in vectors}).items()
    }


def normalised(vector: np.ndarray, *, where: str, dim: int | None = None) -> np.ndarray:
    """A vector of any shape (its axes of size 1 are dropped) as (D,) float32 of length 1.

    Raises DataError, starting with `where`, for another number of values than `dim`, or values without a direction.
    """
    flat = np.asarray(vector).squeeze()
    if flat.ndim != 1 or flat.dtype.kind not in "fiu":
        raise DataError(f"{where}: expected one vector of numbers, got an array {vector.shape} of {vector.dtype}")
    if dim is not None and len(flat) != dim:
        raise DataError(
            f"{where}: a vector of {len(flat)} values, expected {dim}; vectors of another kind do not fit the model"
        )
    length = np.linalg.norm(flat.astype(np.float64))
    if not np.isfinite(length) or length == 0:
        raise DataError(f"{where}: a vector of length {length} has no direction; it must be finite and not zero")
    return (flat / length).astype(np.float32)


def write_vectors(folder: Path, name: str, vectors: Mapping[str, np.ndarray]) -> None:
    """Write `<name>.ark` and then `<name>.scp`, sorted by key, into `folder`."""
    archive = folder / f"{name}.ark"
    places = write_archive(archive, sorted(vectors.items()))
    write_table(folder / f"{name}.scp", {key: f"{archive}:{offset}" for key, (offset, _) in places.items()})


def read_vectors(path: Path) -> Vectors:
    """Key -> vector, as stored, of an .scp, an .ark, or a folder of .npy files (a file's name is the key).

    Raises DataError for files that are none of these.
    """
    if path.is_dir():
        found = {file.stem: read_vector(file) for file in sorted(path.glob("*.npy"))}
        if not found:
            raise DataError(f"{path}: no .npy file in this folder")
        return found
    if path.suffix == ".ark":
        return dict(read_archive(path))
    table = read_table(path)
    return {key: read_vector(source) for key, source in zip(table, resolved(path, table.values()))}


def read_vector(source: str | Path) -> np.ndarray:
    """One vector, as stored, from where a line of an .scp points: `archive:offset` or an .npy file.

    Raises DataError that names the source.
    """
    if is_archive(str(source)):
        return read_array(str(source))
    try:
        return np.load(source, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{source}: expected archive:offset or an .npy file: {error}") from None
