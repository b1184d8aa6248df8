"""Folders of large corpora, by os.scandir and plain strings: a Path for each of 300,000 files takes many times longer.

Hidden entries (.DS_Store, ._* of AppleDouble) are skipped everywhere.
"""

import os

SOUND_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".sph", ".wv1")


def folders(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """(name, path) of the folders in a folder, sorted."""
    with os.scandir(path) as entries:
        return sorted((entry.name, entry.path) for entry in entries if entry.name[0] != "." and entry.is_dir())


def files(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """(name, path) of the files in a folder, sorted."""
    with os.scandir(path) as entries:
        return sorted((entry.name, entry.path) for entry in entries if entry.name[0] != "." and not entry.is_dir())


def split_suffix(name: str) -> tuple[str, str]:
    """Name up to its last dot, and the suffix in lower case: ("011a_0.5_20g_-0.5", ".wav")."""
    stem, dot, ending = name.rpartition(".")
    return (stem, dot + ending.lower()) if stem else (name, "")


def sounds(path: str | os.PathLike[str]) -> tuple[dict[str, str], list[str]]:
    """Stem -> path of the sound files in a folder, sorted, and the files whose stem another one has already.

    Of two files with one stem, the one whose suffix comes first in SOUND_SUFFIXES is taken.
    """
    ranked = []
    for name, file in files(path):
        stem, suffix = split_suffix(name)
        if suffix in SOUND_SUFFIXES:
            ranked.append((stem, SOUND_SUFFIXES.index(suffix), file))
    found: dict[str, str] = {}
    second = []
    for stem, _, file in sorted(ranked):
        if stem in found:
            second.append(file)
        else:
            found[stem] = file
    return found, second
