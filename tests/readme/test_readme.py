"""What the README and the pages of docs/ say can be typed: commands and options are known, files and links exist."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
from commandline import leaves, options, understood

from speecht5_cli.decode.options import SpeechGeneration, TextSearch

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("egs/*/README.md"))]
# Commands that a page tells to type somewhere else than in a checkout: in a package that the tutorial makes, say.
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b|\.\.\.|…")
COMMANDS = dict(leaves())


def each_page() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path) -> list[str]:
    """Lines of the code blocks marked as shell, with continued lines joined."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```(?:sh|bash|shell|console)\n(.*?)^```", text, re.M | re.S)
    return [line.strip().removeprefix("$ ") for block in found for line in block.replace("\\\n", " ").splitlines()]


def inline(page: Path) -> list[str]:
    """`speecht5 ...` within the text."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [found.replace("\\|", "|") for found in re.findall(r"`(speecht5 [^`]+)`", text)]


@pytest.mark.parametrize("page", sorted(ROOT.glob("egs/*/README.md")), ids=lambda page: page.parent.name)
def test_a_recipe_says_what_one_has_to_know(page: Path) -> None:
    """What to fetch, how much room and time it takes, what to type, and which scores to reach."""
    text = page.read_text(encoding="utf-8")
    wanted = ("licence", "**Disk.**", "## Run", "## Hours of training", "## Scores to reach", "docs/recipes.md")
    assert [what for what in wanted if page.parent.name not in ("mini", "fsdd") and what not in text] == []


def test_there_is_a_readme() -> None:
    assert PAGES[0].is_file()
    assert blocks(PAGES[0])


@each_page()
def test_commands_in_blocks_are_understood(page: Path) -> None:
    for line in blocks(page):
        command = line.partition(" #")[0].strip()
        if command.startswith("speecht5 ") and not PLACEHOLDER.search(command):
            understood(command.partition(" | ")[0].partition(" && ")[0])


@each_page()
def test_commands_in_the_text_are_known(page: Path) -> None:
    """Placeholders stand for arguments; `fit|label` names two commands."""
    for mention in inline(page):
        words = shlex.split(mention)[1:]
        for name in _named(words):
            assert name in COMMANDS or any(known.startswith(f"{name} ") for known in COMMANDS), mention
            known = options(COMMANDS[name]) if name in COMMANDS else {"--help"}
            given = {word.split("=")[0] for word in words if word.startswith("--")}
            assert given - {"--help", "--debug", "--version"} <= known, mention


def _named(words: list[str]) -> list[str]:
    """The commands that `units fit|label SRC` speaks of."""
    if not words or words[0].startswith("-") or PLACEHOLDER.search(words[0]):
        return []
    found = []
    for first in words[0].split("|"):
        group = [known for known in COMMANDS if known.startswith(f"{first} ")]
        if group and len(words) > 1 and not words[1].startswith("-"):
            found += [f"{first} {second}" for second in words[1].split("|")]
        else:
            found.append(first)
    return found


@each_page()
def test_scripts_and_links_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)[^)]*\)", text):
        assert (page.parent / target).exists(), target
    for script in re.findall(r"(?<![\w/])\.?/?((?:egs|tools)/[\w/]+\.sh)\b", text):
        assert (ROOT / script).is_file(), script


@each_page()
def test_options_of_recipes_are_known(page: Path) -> None:
    """`./egs/mini/run.sh --stage 3`: the recipe itself says whether it takes that."""
    recipes = re.findall(
        r"(?:^|[`\s])(?:\./)?(egs/\w+/run\.sh)((?: +--?[\w-]+(?:[ =](?!-)[\w./-]+)?)*)", page.read_text()
    )
    for script, words in recipes:
        if not (ROOT / script).exists():  # complained about above
            continue
        own = re.search(r"^options=\((.*)\)", (ROOT / script).read_text(), re.M)
        assert own, script
        known = {"stage", "stop-stage", "task", "nj", "ngpu", "iter", "config", "init", "vocab", "force", "dry-run"}
        known |= {"help"}
        known |= {word.replace("_", "-") for word in own[1].partition(")")[0].split()}
        given = {word[2:].split("=")[0].replace("_", "-") for word in words.split() if word.startswith("--")}
        assert given <= known, (script, given - known)


@pytest.mark.parametrize("options_of", [TextSearch, SpeechGeneration])
def test_the_page_on_decoding_has_every_setting(options_of: type[TextSearch | SpeechGeneration]) -> None:
    """With its default."""
    rows = re.findall(r"^\| (`.*?) \| (.*?) \|", (ROOT / "docs" / "decoding.md").read_text(encoding="utf-8"), re.M)
    told = {
        name: value for names, values in rows for name, value in zip(re.findall(r"`(\w+)`", names), values.split(", "))
    }
    own = {field.name: getattr(options_of(), field.name) for field in fields(options_of)}
    assert own.keys() <= told.keys()
    assert {name: told[name] for name in own} == {name: str(value).lower() for name, value in own.items()}
