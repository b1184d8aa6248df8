"""`speecht5 new task NAME`: a package of its own for a new task, ready to be installed and changed."""

import re
import shlex
from dataclasses import fields
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

import typer
import yaml

from speecht5_cli import __version__
from speecht5_cli.errors import UsageError
from speecht5_cli.files import atomic_dir
from speecht5_cli.plugins import TASKS, installed, package_of

SKELETON = {  # file of speecht5_cli/skeleton/ -> its place in the package; both hold the names of `names_of`
    "pyproject.txt": "pyproject.toml",
    "readme.txt": "README.md",
    "gitignore.txt": ".gitignore",
    "task.txt": "src/$module.py",
    "test.txt": "tests/test_$name.py",
    "tones.txt": "tests/tones.py",
    "settings.txt": "conf/$name.yaml",
    "recipe.txt": "conf/recipe.yaml",
}


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(help="Write the skeleton of a package that extends the toolkit.", no_args_is_help=True)
    group.callback()(lambda: None)  # with a single command, Typer would drop the word `task`
    group.command("task", help="A package with a working task to start from (see docs/tutorial.md).")(task)
    app.add_typer(group, name="new")


def task(
    name: str = typer.Argument(..., metavar="NAME", help="Lower-case name, such as kws; --task's value."),
    out: Path = typer.Option(None, "--out", help="Folder of the package [default: speecht5-NAME]"),
) -> None:
    check_name(name)
    names = names_of(name)
    folder = out or Path(names["package"])
    if folder.exists():
        raise UsageError(f"{folder}: exists already; remove it, or give another folder with --out")
    write_skeleton(folder, names)
    print(f"{folder}: a package with the task '{name}', which lives in src/{names['module']}.py; to start:")
    print(f"  cd {shlex.quote(str(folder))} && pip install --editable '.[test]' && pytest")


def check_name(name: str) -> None:
    """Raise UsageError unless a task, its module and its block in the YAML can bear the name."""
    from speecht5_cli.train.config import RunConfig

    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise UsageError(
            f"'{name}': expected lower-case letters, digits and single underscores between them, such as word_spotting"
        )
    blocks = [field.name for field in fields(RunConfig)]
    if name in blocks:
        raise UsageError(f"'{name}' has a meaning of its own in every configuration, like {', '.join(blocks)}")
    if yaml.safe_load(name) != name:
        raise UsageError(f"'{name}' is no plain word in YAML, which would read {yaml.safe_load(name)!r}")
    tasks = installed(TASKS)
    if name in tasks:
        package, version = package_of(tasks[name])
        raise UsageError(f"there is a task '{name}' already, of {package} {version}; see `speecht5 tasks`")
    module = names_of(name)["module"]
    if find_spec(module):
        raise UsageError(f"'{name}' would need the module {module}, which another package has already")


def names_of(name: str) -> dict[str, str]:
    """What the skeleton's placeholders stand for."""
    return {
        "name": name,
        "module": f"speecht5_{name}",
        "package": f"speecht5-{name.replace('_', '-')}",
        "Class": "".join(word.capitalize() for word in name.split("_")),
        "version": __version__,
    }


def write_skeleton(folder: Path, names: dict[str, str]) -> None:
    """Write all files of the package, or none."""
    templates = files("speecht5_cli") / "skeleton"
    with atomic_dir(folder) as temporary:
        for template, place in SKELETON.items():
            path = temporary / Template(place).substitute(names)
            path.parent.mkdir(parents=True, exist_ok=True)
            text = Template((templates / template).read_text(encoding="utf-8")).substitute(names)
            path.write_text(text, encoding="utf-8", newline="\n")
