"""`speecht5 score`: compare hypotheses with references, and write the results page of a recipe."""

import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from speecht5_cli.config import Tree, from_tree, merged, parse_overrides, to_tree
from speecht5_cli.data.hypotheses import command_line, read_decoding
from speecht5_cli.errors import SpeechT5Error, UsageError
from speecht5_cli.plugins import load_task
from speecht5_cli.provenance import made
from speecht5_cli.recipe import find_recipe
from speecht5_cli.score.page import write_page
from speecht5_cli.score.results import JSON, TEXT, decoded_sets, names, read_scores, shown, write_scores

# What may hold hypotheses in their folder, or what models found in them.
COMPARED = ("hyp.jsonl", "text", "utt2label", "wav.scp", "wav", "xvector.scp", "asr*/text")


@dataclass(frozen=True)
class Comparison:
    """Hypotheses, what they are compared with, and by which task's rules."""

    folder: Path
    task: str
    reference: Path
    decoded: Tree  # decode.json; empty without one

    @property
    def settings(self) -> Tree:
        """The task's block with which the set was decoded."""
        return self.decoded["settings"] if self.decoded.get("task") == self.task else {}


def add_to(app: typer.Typer) -> None:
    app.command("score", help="Compare hypotheses with references; without --hyp, those of the whole recipe.")(score)


def score(
    overrides: list[str] = typer.Argument(None, metavar="key=value", help="Other settings of the task."),
    task: str = typer.Option("", help="With --hyp: by whose rules (default: who decoded). Without: only this task."),
    hyp: Path = typer.Option(None, help="Folder of hypotheses. Without: exp/*/decode/*, and RESULTS.md is rewritten."),
    ref: Path = typer.Option(None, help="With --hyp: data dir of the references (default: what was decoded)."),
    force: bool = typer.Option(False, "--force", help="Score again what is up to date."),
) -> None:
    settings = parse_overrides(overrides or [])
    if hyp is not None:
        _score(_comparison(hyp, task, ref), settings, force)
        _print_scores([hyp])
        return
    if ref is not None:
        raise UsageError("--ref needs --hyp: the hypotheses to compare with it")
    folders = decoded_sets(_experiments())
    chosen = [comparison for comparison in map(_comparison, folders) if task in ("", comparison.task)]
    if not chosen:
        of_task = f" of the task '{task}'" if task else ""
        raise UsageError(
            f"no hypotheses{of_task} in exp/*/decode/*; run `speecht5 decode` first, or give --hyp and --ref"
        )
    failures = _score_all(chosen, settings, force)
    _print_scores([comparison.folder for comparison in chosen])
    print(f"{write_page(Path(), folders)}: all scores of this recipe")
    if failures:
        raise failures[0]


def _experiments() -> set[Path]:
    """The folders in exp/, and those that the recipe names elsewhere."""
    recipe = find_recipe()
    named = {sets.exp for sets in recipe.tasks.values()} if recipe else set()
    return named | set(Path("exp").glob("*"))


def _comparison(folder: Path, task: str = "", reference: Path | None = None) -> Comparison:
    """What is not given is taken from decode.json. Raises DataError when that is missing."""
    has_record = (folder / "decode.json").exists()
    decoding = read_decoding(folder) if has_record or not (task and reference) else None
    if decoding is None:
        return Comparison(folder, task, reference or Path(), {})
    return Comparison(folder, task or decoding.task, reference or Path(decoding.data), to_tree(decoding))


def _score_all(comparisons: list[Comparison], settings: Tree, force: bool) -> list[SpeechT5Error]:
    """Score what can be scored; a set that cannot be does not keep the others from the page."""
    failures = []
    for comparison in comparisons:
        try:
            _score(comparison, settings, force)
        except SpeechT5Error as error:
            print(f"{comparison.folder}: not scored: {error}", file=sys.stderr)
            failures.append(error)
    return failures


def _score(comparison: Comparison, overrides: Tree, force: bool) -> None:
    folder = comparison.folder
    plugin = load_task(comparison.task)
    cfg: Any = from_tree(plugin.Config, merged(comparison.settings, overrides), comparison.task)
    with made(
        folder,
        "score",
        options={"task": comparison.task, "settings": to_tree(cfg)},
        inputs=[*sorted(file for name in COMPARED for file in folder.glob(name)), comparison.reference],
        outputs=[folder / JSON, folder / TEXT],
        force=force,
    ) as making:
        if making.done:
            print(f"{folder}: up to date")
            return
        if str(comparison.reference) == comparison.decoded.get("data"):  # and not another one, perhaps by mistake
            for old in (JSON, TEXT):  # if this fails, the old scores are not valid either
                (folder / old).unlink(missing_ok=True)
        scores = plugin.score(folder, comparison.reference, cfg)
        write_scores(
            folder,
            scores,
            task=comparison.task,
            reference=str(comparison.reference),
            command=command_line(),
            decoded=comparison.decoded,
        )


def _print_scores(folders: list[Path]) -> None:
    """A table a task, and where the aligned text lies."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    scored = [(folder, read_scores(folder)) for folder in folders if (folder / JSON).exists()]
    console = Console(width=None if sys.stdout.isatty() else 200)  # a pipe has no width of its own
    scored.sort(key=lambda item: (item[1].task, item[0]))
    for task, group in groupby(scored, key=lambda item: item[1].task):
        members = list(group)
        columns = names(result.values for _, result in members)
        table = Table(title=task, title_justify="left")
        table.add_column("hypotheses", overflow="fold")
        for column in columns:
            table.add_column(column, justify="right")
        for folder, result in members:
            table.add_row(escape(str(folder)), *(shown(result.values.get(column)) for column in columns))
        console.print(table)
    for folder, _ in scored:
        print(f"{folder / TEXT}: aligned")
