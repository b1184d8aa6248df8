"""House rules that a machine can check."""

import ast
import re

import pytest
from source import ROOT, Module, imports, modules, public

from speecht5_cli.plugins import TASKS, TaskPlugin, installed

MAX_LINES = 450
CORE = ("models", "losses", "train", "data", "decode")
MODULES = modules()
# What stands for a docstring: Typer's help, and the protocol that a method fulfils.
FULFILLED = {
    *(name for name in vars(TaskPlugin) if not name.startswith("_")),
    *("score", "reorder", "keep"),  # decode.scorers.Scorer
    *("row", "id"),  # data.rows.Rows
}


def each(items: list[Module]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("module", items, ids=lambda module: module.name)


def words(text: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", text.lower()))


@each([module for module in MODULES if module.room in CORE])
def test_the_core_names_no_task(module: Module) -> None:
    """Neither as an identifier nor in a string; docstrings may speak of tasks."""
    tasks = set(installed(TASKS)) - {"lm"}  # a language model is also part of a search
    wrong = []
    docstrings = {id(node.body[0].value) for node in ast.walk(module.tree) if _starts_with_text(node)}  # type: ignore
    for node in ast.walk(module.tree):
        texts: list[str] = []
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            texts = [] if "\n" in node.value else [node.value]  # a regular expression over several lines
        elif isinstance(node, ast.Name):
            texts = [node.id]
        elif isinstance(node, ast.arg):
            texts = [node.arg]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            texts = [node.name]
        wrong += [f"{module.path}:{node.lineno}: {text}" for text in texts if words(text) & tasks]  # type: ignore
    assert not wrong


def _starts_with_text(node: ast.AST) -> bool:
    body = getattr(node, "body", None)
    return isinstance(body, list) and bool(body) and isinstance(body[0], ast.Expr)


@each(MODULES)
def test_files_are_short_and_named_after_something(module: Module) -> None:
    assert len(module.path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES
    assert module.path.stem not in ("utils", "util", "common", "helpers", "misc", "base")


@each(MODULES)
def test_no_default_is_hidden_in_a_getattr(module: Module) -> None:
    """A setting's default stands in its dataclass: nobody asks a configuration whether it has a field."""
    wrong = [
        f"{module.path}:{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "hasattr", "setattr")
        and re.search(r"\b(cfg|config|options|settings)\b", ast.unparse(node.args[0]))
        and not (module.name == "speecht5_cli.config" and "field.name" in ast.unparse(node))
    ]
    assert not wrong


@each(MODULES)
def test_everything_public_has_a_docstring(module: Module) -> None:
    missing = [] if ast.get_docstring(module.tree) else [str(module.path)]
    for name, node in public(module.tree):
        explained = module.room == "commands" or (name.split(".")[-1] in FULFILLED and "." in name)
        if not explained and not ast.get_docstring(node):
            missing.append(f"{module.path}:{node.lineno}: {name}")
    assert not missing


@each(MODULES)
def test_no_tower_of_base_classes_and_no_registry(module: Module) -> None:
    names = [node.name for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    assert not [name for name in names if name.startswith(("Base", "Abstract")) or name.endswith(("Base", "Mixin"))]
    assert "abc" not in {name.split(".")[0] for name, _ in imports(module.tree)}


def test_no_path_of_one_machine_stands_in_the_sources() -> None:
    wrong = []
    for folder in ("speecht5_cli", "recipes", "egs", "tools", "docs", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            generated = {"corpus", "data", "dump", "exp", "venv", "__pycache__"} & set(path.relative_to(ROOT).parts[1:])
            if path.suffix in (".py", ".sh", ".md", ".yaml", ".toml") and not (
                generated and folder in ("egs", "tools")
            ):
                text = path.read_text(encoding="utf-8")
                wrong += [f"{path}: {found}" for found in re.findall(r"(?<![\w.])/(?:work|home|Users|root)/\w+", text)]
    assert not wrong
