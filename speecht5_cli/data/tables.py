"""Kaldi's text tables: one `key rest-of-line` a line, sorted by the bytes of the key, no key twice.

Sorting a list of str is sorting by UTF-8 bytes (code point order is the same), so no locale takes part.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_write


def read_table(path: Path) -> dict[str, str]:
    """Key -> rest of the line (stripped; empty if there is only a key), in the order of the file.

    Raises DataError, with file and line, for a missing file, bytes that are not UTF-8, an empty line or a double key.
    """
    table: dict[str, str] = {}
    for number, line in enumerate(_text(path).split("\n"), 1):
        parts = line.split(None, 1)
        if not parts:
            raise DataError(f"{path}:{number}: empty line; `speecht5 validate --fix` removes it")
        if parts[0] in table:
            raise DataError(f"{path}:{number}: '{parts[0]}' stands here for the second time; remove one of the lines")
        table[parts[0]] = parts[1].rstrip() if len(parts) > 1 else ""
    return table


def write_table(path: Path, table: Mapping[str, str]) -> None:
    """Write the table sorted, with one blank after the key; in one step, so that no reader sees half of it."""
    with atomic_write(path) as out:
        out.writelines(f"{key} {table[key]}".rstrip() + "\n" for key in sorted(table))


def inverted(utt2spk: Mapping[str, str]) -> dict[str, str]:
    """spk2utt from utt2spk (or the like): speaker -> its utterances, blank separated, in sorted order."""
    spk2utt: dict[str, list[str]] = {}
    for utterance in sorted(utt2spk):
        spk2utt.setdefault(utt2spk[utterance], []).append(utterance)
    return {speaker: " ".join(utterances) for speaker, utterances in spk2utt.items()}


def read_lines(path: Path) -> list[str]:
    """The stripped lines of a text file. Raises DataError for a missing file or bytes that are not UTF-8."""
    return [line.strip() for line in _text(path).split("\n")]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file, a line for each item."""
    with atomic_write(path) as out:
        out.writelines(f"{line}\n" for line in lines)


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: not UTF-8 ({error.reason}); convert the file with iconv") from None
    return text.removesuffix("\n")
