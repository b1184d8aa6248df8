"""docs/tutorial.md as something to be done: its commands are run, its definitions are put where it says.

The page's own rule: a definition takes the place of the one with the same name, in the class where it is indented; one
that is new goes behind the one before it. An import takes the place of that from the same module.
"""

import ast
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
_FENCED = re.compile(r"^## (?P<section>.*?)$|^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_YAML_BLOCK = r"^{key}:\n(?:[ ]+.*\n)+"


@dataclass(frozen=True)
class Block:
    """A fenced block of the page."""

    section: str  # the heading above it
    kind: str  # sh, python or yaml
    text: str


def blocks() -> list[Block]:
    """All of them, in their order."""
    found, section = [], ""
    for match in _FENCED.finditer(PAGE.read_text(encoding="utf-8")):
        if match["section"]:
            section = match["section"]
        else:
            found.append(Block(section, match["kind"], match["text"]))
    return found


def with_definitions(source: str, block: str) -> str:
    """The module `source` with the definitions of a Python block in their places."""
    indent = "    " if block.startswith(" ") else ""
    block = textwrap.dedent(block)
    before = ""
    for node in ast.parse(block).body:
        text = textwrap.indent("".join(block.splitlines(keepends=True)[_first(node) : node.end_lineno]), indent)
        source = _placed(source, node, text, inside=bool(indent), before=before)
        before = _name(node)
    return source


def with_settings(source: str, block: str) -> str:
    """The YAML file `source` with a block of it replaced."""
    key = block.partition(":")[0]
    changed, n = re.subn(_YAML_BLOCK.format(key=re.escape(key)), lambda _: block, source, flags=re.MULTILINE)
    assert n == 1, f"the file has no block '{key}'"
    return changed


def _placed(source: str, node: ast.stmt, text: str, *, inside: bool, before: str) -> str:
    """The module with another definition of `node`'s name, or with a new one behind that of the name `before`."""
    tree = ast.parse(source)
    task = next(item for item in tree.body if isinstance(item, ast.ClassDef) and item.name.endswith("Task"))
    there = {_name(item): item for item in reversed((task if inside else tree).body)}
    lines = source.splitlines(keepends=True)
    if old := there.get(_name(node)):
        return "".join([*lines[: _first(old)], text, *lines[old.end_lineno :]])
    place = there[before].end_lineno
    gap = "\n" if inside else "\n\n" if isinstance(node, ast.FunctionDef | ast.ClassDef) else ""
    return "".join([*lines[:place], gap, text, *lines[place:]])


def _name(node: ast.stmt) -> str:
    """By what a definition is known; a docstring by its quotes."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
    if isinstance(node, ast.ImportFrom):
        return f"from {node.module}"
    return '"' if isinstance(node, ast.Expr) else ""


def _first(node: ast.stmt) -> int:
    """How many lines stand above it and its decorators."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)]) - 1
