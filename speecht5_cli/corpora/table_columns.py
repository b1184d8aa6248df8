"""Which column of a table is what: given by the user, or read off the columns' names."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from speecht5_cli.errors import UsageError

# Field -> names of columns that mean it where the user does not say; the first is the field's own.
FIELDS: dict[str, tuple[str, ...]] = {
    "audio": ("audio", "path", "wav", "file", "filename", "file_name", "audio_path", "audio_filepath", "wav_path"),
    "text": ("text", "sentence", "transcript", "transcription", "normalized_text", "normalized", "text_normalized"),
    "speaker": ("speaker", "speaker_id", "spk", "client_id", "label"),
    "id": ("id", "utt_id", "utterance_id", "utterance"),
    "target": ("target", "target_audio", "target_path", "clean"),
    "target_speaker": ("target_speaker", "target_spk"),
    "start": ("start", "start_s", "offset"),
    "end": ("end", "end_s"),
    "set": ("set", "split"),
}
TRANSLATION = "translation."  # field translation.de: the text in German


def given_columns(words: str) -> dict[str, str]:
    """`audio=path,translation.de=german` as field -> column. Raises UsageError for an unknown field."""
    columns: dict[str, str] = {}
    for word in filter(None, (word.strip() for word in words.split(","))):
        name, _, column = (part.strip() for part in word.partition("="))
        column = column or name  # `text` alone stands for text=text
        if name == "label":
            name = "speaker"
        if name not in FIELDS and not (name.startswith(TRANSLATION) and name != TRANSLATION):
            near = get_close_matches(name, [*FIELDS, "translation.de"], 1)
            hint = f"did you mean '{near[0]}'?" if near else f"fields: {', '.join(FIELDS)}, translation.<language>"
            raise UsageError(f"columns={words}: no field '{name}'; {hint}")
        if name in columns:
            raise UsageError(f"columns={words}: the field '{name}' stands there twice")
        columns[name] = column
    return columns


def found_columns(given: Mapping[str, str], names: Sequence[str], where: str) -> dict[str, str]:
    """Field -> column of a table with these columns: those given, or what their names say.

    Raises UsageError when a given column is not there, or none is the audio.
    """
    for name, column in given.items():
        if column not in names:
            near = get_close_matches(column, names, 1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise UsageError(f"{where}: no column '{column}' for {name}; {hint}it has {', '.join(names) or 'none'}")
    found = dict(given) or _guessed(names)
    if "audio" not in found:
        raise UsageError(
            f"{where}: which column is the audio? It has {', '.join(names)}; say so with --columns audio=..., and the "
            "others: text=..., speaker=..., translation.de=..., target=..."
        )
    return found


def _guessed(names: Sequence[str]) -> dict[str, str]:
    plain = {name.lower().replace(" ", "_").replace("-", "_"): name for name in names}
    found = {}
    for field, known in FIELDS.items():
        match = next((plain[name] for name in known if name in plain), None)
        if match is not None:
            found[field] = match
    for name, column in plain.items():
        prefix, dot, language = name.partition(".")
        if dot and language and prefix in ("translation", "text"):
            found[f"{TRANSLATION}{language}"] = column
    return found


def cell(row: Mapping[str, Any], column: str | None) -> str:
    """A cell as text, without blanks around it; "" where there is none."""
    value = row.get(column) if column is not None else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 7.0, which a spreadsheet makes of 7
    return "" if value is None else str(value).strip()
