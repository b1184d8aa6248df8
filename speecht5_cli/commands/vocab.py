"""`speecht5 vocab`: make, check and extend vocabularies."""

import json
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from speecht5_cli.data.text_sources import all_texts, text_files
from speecht5_cli.data.vocabulary import VOCAB_FILE, Vocabulary, mapping, vocabulary_files
from speecht5_cli.data.vocabulary_build import VocabularyCheck, build, check, extended
from speecht5_cli.errors import DataError
from speecht5_cli.files import atomic_write
from speecht5_cli.provenance import made

REPORT = "report.json"


class KindOption(str, Enum):
    char = "char"
    unigram = "unigram"
    bpe = "bpe"


TEXTS = typer.Argument(help="Data dirs, their text files, or files with one text a line.")
OLD = typer.Argument(help="A vocab.txt, the folder that holds it, or a model.")
FIELD = typer.Option("text", help="The table to read in data dirs, such as text.de.")


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="Characters or SentencePiece: what text is to a model.", no_args_is_help=True)
    group.command("build", help="Make OUT/vocab.txt from texts.")(build_command)
    group.command("check", help="Count the characters of texts that a vocabulary lacks; exit code 3 if any.")(
        check_command
    )
    group.command("extend", help="Add the characters that texts have and a vocabulary lacks; old ids stay.")(
        extend_command
    )
    app.add_typer(group, name="vocab")


def build_command(
    texts: list[Path] = TEXTS,
    out: Path = typer.Argument(help="Folder for vocab.txt (and spm.model)."),
    kind: KindOption = typer.Option(KindOption.char, help="Characters, or SentencePiece's unigram or bpe."),
    size: int | None = typer.Option(None, min=8, help="Number of ids, the six specials included."),
    field: str = FIELD,
) -> None:
    files = text_files(texts, field)
    with made(
        out,
        "vocab",
        options={"kind": kind, "size": size},
        inputs=[file.path for file in files],
        outputs=[out / VOCAB_FILE, out / REPORT],
    ) as making:
        if making.done:
            print(f"{out}: up to date")
            return
        vocabulary, characters = build((text for _, text in all_texts(files)), kind.value, size=size)
        vocabulary.save(out / VOCAB_FILE)
        left_out = Counter({char: count for char, count in characters.items() if char not in vocabulary.ids})
        report = {"kind": kind.value, "n_symbols": len(vocabulary), "characters": characters, "left_out": left_out}
        _write_report(out, report)
    print(f"{out / VOCAB_FILE}: {len(vocabulary)} symbols from {characters.total()} characters")
    if left_out:
        print(f"  left out: {_listed(left_out)}")


def check_command(
    vocabulary: Path = OLD,
    texts: list[Path] = TEXTS,
    field: str = FIELD,
) -> None:
    result = check(Vocabulary.load(vocabulary), all_texts(text_files(texts, field)))
    print(f"{result.n_texts} texts, {result.n_ids} ids, {result.n_changed} texts come back changed")
    for where, text, back in result.changed:
        print(f"  {where}: '{text}' comes back as '{back}'")
    if result.unsupported:
        _print_unsupported(result)
        raise DataError(
            f"{vocabulary}: {result.unsupported.total()} characters of {len(result.unsupported)} kinds become <unk>; "
            "normalise the texts, or add the characters with `speecht5 vocab extend`"
        )


def extend_command(
    vocabulary: Path = OLD,
    out: Path = typer.Argument(help="Folder for the new vocab.txt (and spm.model)."),
    texts: list[Path] = TEXTS,
    field: str = FIELD,
) -> None:
    files = text_files(texts, field)
    with made(
        out,
        "vocab",
        options={"kind": "extend"},
        inputs=[*vocabulary_files(vocabulary).values(), *(file.path for file in files)],
        outputs=[out / VOCAB_FILE, out / REPORT],
    ) as making:
        if making.done:
            print(f"{out}: up to date")
            return
        old = Vocabulary.load(vocabulary)
        new, added = extended(old, (text for _, text in all_texts(files)))
        new.save(out / VOCAB_FILE)
        _write_report(out, {"kind": "extend", "n_symbols": len(new), "added": added})
    print(f"{out / VOCAB_FILE}: {len(new)} symbols; {mapping(old, new)}")


def _write_report(out: Path, report: dict[str, Any]) -> None:
    with atomic_write(out / REPORT) as file:
        json.dump(report, file, ensure_ascii=False, indent=1)


def _print_unsupported(result: VocabularyCheck) -> None:
    print(f"{'character':<12}{'code point':<12}{'count':>8}  first seen in")
    for character, count in result.unsupported.most_common():
        print(f"{character:<12}{f'U+{ord(character):04X}':<12}{count:>8}  {', '.join(result.where[character])}")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{character} (U+{ord(character):04X}) x {count}" for character, count in counts.most_common())
