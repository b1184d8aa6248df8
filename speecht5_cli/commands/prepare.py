"""`speecht5 prepare`: a corpus as it is shipped becomes data dirs."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

import typer

from speecht5_cli.config import checked, parse_overrides
from speecht5_cli.errors import UsageError
from speecht5_cli.plugins import load_corpus
from speecht5_cli.provenance import listing_fingerprint, made
from speecht5_cli.workers import sensible_nj

# What every corpus function takes, and how it is said on the command line.
_OPTIONS_OF_ALL = {"parts": "--parts", "check_audio": "--no-audio-check", "nj": "--nj"}


def add_to(app: typer.Typer) -> None:
    app.command("prepare", help="Make data dirs from a corpus as it is shipped (`speecht5 tasks` lists the corpora).")(
        prepare
    )


def prepare(
    corpus: str = typer.Argument(..., help="Name of the corpus."),
    source: Path = typer.Argument(..., metavar="SRC", help="Where the corpus lies."),
    out: Path = typer.Argument(..., metavar="OUT", help="Folder for the data dirs, one a set."),
    words: list[str] = typer.Argument(None, metavar="KEY=VALUE", help="The corpus's own options; `help` lists them."),
    columns: str | None = typer.Option(None, help="For 'table': what is what, as in audio=path,text=sentence."),
    parts: str | None = typer.Option(None, help="Only these parts, with commas between them."),
    nj: int | None = typer.Option(None, help="Processes; by default as many as cores and memory allow."),
    audio_check: bool = typer.Option(True, "--audio-check/--no-audio-check", help="Read every sound to its end."),
    force: bool = typer.Option(False, "--force", help="Do it again even if nothing changed."),
) -> None:
    function = load_corpus(corpus)
    if words == ["help"]:
        for name, parameter in own_parameters(function).items():
            print(name if parameter.default is parameter.empty else f"{name}={parameter.default}")
        return
    own = corpus_options(corpus, function, [*(words or []), *([f"columns={columns}"] if columns else [])])
    chosen = [part.strip() for part in parts.split(",") if part.strip()] if parts else None
    options = {"corpus": corpus, "parts": chosen, "check_audio": audio_check, **own}
    with made(
        out,
        "-".join(["prepare", corpus, *([source.stem] if source.is_file() else ()), *(chosen or ())]),
        options=options,
        inputs=(),
        marks={str(source): listing_fingerprint(source, leave_out=out)},
        outputs=[out],
        force=force,
    ) as making:
        if making.done:
            print(f"{out}: up to date ({corpus}, {source})")
            return
        reports = function(source, out, parts=chosen, check_audio=audio_check, nj=nj or sensible_nj(), **own)
        making.outputs += [report.out for report in reports]
        making.inputs[str(source)] = listing_fingerprint(source, leave_out=out)
        for report in reports:
            print(report)


def own_parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Those of a corpus function that not every one has."""
    return {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in _OPTIONS_OF_ALL
    }


def corpus_options(corpus: str, function: Callable[..., Any], words: list[str]) -> dict[str, Any]:
    """`key=value` words as keyword arguments of a corpus function, by its signature. Raises UsageError, ConfigError."""
    known, hints = own_parameters(function), get_type_hints(function)
    options = {}
    for word in words:
        key, _, text = word.partition("=")
        if key in _OPTIONS_OF_ALL:
            raise UsageError(f"'{word}': say it with {_OPTIONS_OF_ALL[key]}")
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"it has {', '.join(known) or 'none of its own'}"
            raise UsageError(f"the corpus '{corpus}' has no option '{key}'; {hint}")
        value = parse_overrides([word])[key]
        if hints.get(key) in (str, str | None) and value is not None:
            value = text  # 007 is a name here, and `no` is no bool
        options[key] = checked(value, hints.get(key, Any), f"{corpus}.{key}")
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in options:
            raise UsageError(f"the corpus '{corpus}' needs {name}=...")
    return options
