"""Voices: speaker vectors with a name, ready to be spoken with; `assets/voices/<name>.npy` in a model folder.

A model that was trained to speak brings the voices it was trained on, and one named `default`.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.speaker_vectors import (
    BY_SPEAKER,
    BY_UTTERANCE,
    DIM,
    Side,
    Vectors,
    normalised,
    read_vector,
    read_vectors,
    speaker_means,
    speakers_of,
    write_vectors,
)
from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_write

VOICES = "voices"  # the asset
FOLDER = f"assets/{VOICES}"  # of a model folder
DEFAULT = "default"


def voices_of(model: Path) -> dict[str, Path]:
    """Name -> file of the voices that a model folder holds."""
    return {file.stem: file for file in sorted((model / FOLDER).glob("*.npy"))}


def read_voices(source: Path, *, name: str = "", dim: int = DIM) -> Vectors:
    """Name -> (dim,) float32 vector of length 1, from an .npy file, an .scp, an .ark, or a folder of .npy files.

    `name` renames the voice of an .npy file, and picks one of several. Raises DataError for vectors of another size.
    """
    if source.suffix == ".npy":
        found = {name or source.stem: read_vector(source)}
    else:
        found = read_vectors(source)
    if name and name not in found:
        near = get_close_matches(name, found, 1)
        raise DataError(
            f"{source}: no '{name}' among {len(found)} vectors" + f"; did you mean '{near[0]}'?" * bool(near)
        )
    chosen = {name: found[name]} if name else found
    return {key: normalised(vector, where=f"{source}: '{key}'", dim=dim) for key, vector in chosen.items()}


def write_voices(out: Path, vectors: Mapping[str, np.ndarray]) -> list[Path]:
    """Store the vectors as voices of the model folder `out`, or the only one as the .npy file `out`; returns the files.

    Raises DataError for several vectors and one file, or a name that is no file name.
    """
    if out.suffix == ".npy" and len(vectors) > 1:
        raise DataError(f"{out}: one file for {len(vectors)} vectors; give a folder, or pick one of them with --name")
    for name in vectors:
        if "/" in name or name.startswith("."):
            raise DataError(f"'{name}': a voice's name becomes a file name, so it has no '/' and no '.' in front")
    files = {name: out if out.suffix == ".npy" else out / FOLDER / f"{name}.npy" for name in vectors}
    for name, file in files.items():
        with atomic_write(file, "wb") as open_file:
            np.save(open_file, vectors[name], allow_pickle=False)
    return list(files.values())


def give_voices(data: DataDir, vectors: Mapping[str, np.ndarray], *, side: Side = "source") -> int:
    """Write `xvector.scp` and `spk_xvector.scp` of a data dir from vectors by utterance, by speaker, or from one alone.

    Returns the number of utterances. Raises DataError when some utterance finds no vector.
    """
    utt2spk = speakers_of(data, side)
    if utt2spk.keys() <= vectors.keys():
        chosen = {utterance: vectors[utterance] for utterance in utt2spk}
    elif len(vectors) == 1:
        chosen = dict.fromkeys(utt2spk, *vectors.values())
    elif set(utt2spk.values()) <= vectors.keys():
        chosen = {utterance: vectors[speaker] for utterance, speaker in utt2spk.items()}
    else:
        without = sorted(utt2spk.keys() - vectors.keys())
        raise DataError(
            f"{data.path}: {len(without)} of {len(utt2spk)} utterances have no vector, '{without[0]}' among them; the "
            f"{len(vectors)} vectors are named like '{min(vectors)}', expected utterances or speakers of the dir"
        )
    write_vectors(data.path, BY_UTTERANCE, chosen)
    write_vectors(data.path, BY_SPEAKER, speaker_means(chosen, utt2spk))
    return len(chosen)


def voices_from(dirs: Iterable[Path], *, default: str | None = None) -> Callable[[Path], None]:
    """A function that stores the speakers of data dirs as voices in a folder, and `default`: one of them, or the mean.

    Raises DataError when a dir has no speaker vectors, or none of that name.
    """
    voices: Vectors = {}
    for folder in dirs:
        voices |= read_vectors(folder / f"{BY_SPEAKER}.scp")
    if default is not None and default not in voices:
        near = get_close_matches(default, voices, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {len(voices)} speakers"
        raise DataError(f"no voice '{default}' among the speakers of the training data; {hint}")
    mean = np.mean([voices[name] for name in sorted(voices)], axis=0)
    chosen = normalised(mean, where="the mean of all voices") if default is None else voices[default]

    def write(out: Path) -> None:
        out.mkdir(exist_ok=True)
        for name, vector in {**voices, DEFAULT: chosen}.items():
            with atomic_write(out / f"{name}.npy", "wb") as file:
                np.save(file, vector.astype(np.float32), allow_pickle=False)

    return write


def default_voice(folder: Path) -> np.ndarray:
    """The (dim,) vector of the asset `voices` to speak with where none is named. Raises DataError without one."""
    file = folder / f"{DEFAULT}.npy"
    if not file.exists():
        raise DataError(
            f"{folder}: no default voice, and none is given; add xvector.scp to the data dir (`speecht5 speakers "
            "embed`), or name a voice (`speecht5 speakers import`)"
        )
    return read_vector(file)
