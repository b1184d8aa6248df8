"""The toolkit's source as syntax trees."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {"speecht5_cli": ROOT / "speecht5_cli", "speecht5_recipes": ROOT / "recipes"}


@dataclass(frozen=True)
class Module:
    """A file of the toolkit."""

    name: str  # as it is imported
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        """The folder below the package, or the file itself where it lies at the top; "recipes" for task plug-ins."""
        package, *rest = self.name.split(".")
        return "recipes" if package == "speecht5_recipes" else rest[0] if rest else "__init__"


def modules() -> list[Module]:
    """All files of both packages, sorted by path."""
    found = []
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            name = ".".join(parts).removesuffix(".__init__")
            found.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"))))
    return found


def imports(node: ast.AST, *, inside: bool = True, for_types: bool = True) -> Iterator[tuple[str, int]]:
    """(module, line) of every import below a node.

    `inside` also looks into functions; `for_types` into blocks that only a type checker runs.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: a relative import hides where it goes"
            # `from package import module` names a module, `from module import thing` a thing in one.
            yield from ((f"{child.module}.{alias.name}", child.lineno) for alias in child.names)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING" and not for_types:
            for node_ in child.orelse:
                yield from imports(node_, inside=inside, for_types=for_types)
        elif inside or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(child, inside=inside, for_types=for_types)


def public(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    """Public functions and classes, and public methods of public classes, by their dotted name."""

    def below(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
        for child in node.body:
            if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
                yield prefix + child.name, child
                if isinstance(child, ast.ClassDef):
                    yield from below(child, f"{prefix}{child.name}.")

    yield from below(tree, "")
