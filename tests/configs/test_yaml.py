"""Every YAML file under egs/ loads strictly, into the dataclass that it is for, and says where its numbers are from."""

import re
from pathlib import Path
from typing import Any

import pytest

from speecht5_cli.config import from_tree, merged, read_yaml, to_tree
from speecht5_cli.plugins import TASKS, installed, load_task
from speecht5_cli.recipe import Recipe
from speecht5_cli.train.config import run_config, run_tree

EGS = Path(__file__).parents[2] / "egs"
GENERATED = {"corpus", "data", "dump", "exp", "downloads"}
FILES = sorted(path for path in EGS.rglob("*.y*ml") if not GENERATED & set(path.relative_to(EGS).parts))
# Settings that we tuned ourselves on a laptop, all of them; and those that only try a recipe out.
OURS = {"mini", "fsdd"}
SOURCED = [path for path in FILES if path.parents[1].name not in OURS and path.stem != "tiny"]
SOURCE = re.compile(r"# source: (released (command|code)|paper|ours)\b")


NO_TASKS = ("xvector", "vocoder")  # what has settings, too


def no_task(name: str) -> Any:
    """The configuration of what is trained without being a task."""
    if name == "xvector":
        from speecht5_cli.train.xvector import XVectorConfig

        return XVectorConfig
    from speecht5_cli.train.vocoder import VocoderConfig

    return VocoderConfig


def loaded(path: Path) -> Any:
    """The configuration that a file holds; a task's file on top of the pre-trained model of its recipe."""
    tree, where = read_yaml(path), str(path)
    if path.stem == "recipe":
        return from_tree(Recipe, tree, where)
    if path.stem in NO_TASKS:
        return from_tree(no_task(path.stem), tree, where)
    if path.stem in installed(TASKS):
        return run_config(load_task(path.stem), tree, model=initial_model(path), where=where)
    return {task: variant(path, task) for task in tree}


def initial_model(path: Path) -> dict[str, Any] | None:
    """Sizes come from pre-training, where a task starts from it."""
    pretrained = path.with_name("pretrain.yaml")
    plugin = load_task(path.stem)
    if path == pretrained or not pretrained.exists() or plugin.Model is not load_task("pretrain").Model:
        return None
    return to_tree(run_config(load_task("pretrain"), read_yaml(pretrained)).model)


def variant(path: Path, task: str) -> Any:
    """A block of a variant, on top of the file that has its name."""
    base = path.with_name(f"{task}.yaml")
    assert base.exists(), f"{path}: '{task}' is neither a task of this recipe nor anything else that has a file"
    tree = merged(read_yaml(base), read_yaml(path)[task] or {})
    if task in NO_TASKS:
        return from_tree(no_task(task), tree, str(path))
    model = None if task == "pretrain" or path.stem == "tiny" else initial_model(base)
    return run_config(load_task(task), tree, model=model, where=str(path))


def test_there_are_files() -> None:
    assert {"pretrain", "asr", "recipe", "xvector"} <= {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EGS)))
def test_it_loads(path: Path) -> None:
    assert loaded(path)


@pytest.mark.parametrize("path", SOURCED, ids=lambda path: str(path.relative_to(EGS)))
def test_numbers_say_where_they_are_from(path: Path) -> None:
    """A number of the paper or of the released commands is told from one of ours, line by line."""
    if path.stem == "recipe":
        return
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    numbers = [line for line in lines if re.search(r"[:\[] *-?\d", line.partition("#")[0])]
    assert [line for line in numbers if not SOURCE.search(line)] == []
    assert [line for line in lines if "# source:" in line and not SOURCE.search(line)] == []


@pytest.mark.parametrize("path", [path for path in FILES if path.stem == "recipe"], ids=str)
def test_recipes_agree_with_their_folder(path: Path) -> None:
    """A settings file for each task, an experiment of its own, and sets to learn from."""
    recipe = from_tree(Recipe, read_yaml(path), str(path))
    assert recipe.corpus == path.parents[1].name
    assert set(recipe.tasks) <= set(installed(TASKS))
    assert len({sets.exp for sets in recipe.tasks.values()}) == len(recipe.tasks)
    for task, sets in recipe.tasks.items():
        assert path.with_name(f"{task}.yaml").exists()
        plugin = load_task(task)
        streams = plugin.streams(loaded(path.with_name(f"{task}.yaml")))
        for stream in streams:
            assert (sets.train_text and sets.dev_text) if stream.cost == "tokens" else (sets.train and sets.dev)
        assert bool(sets.test) == (plugin.output != "none")


@pytest.mark.parametrize("name", sorted(installed(TASKS)))
def test_defaults_come_back_from_their_tree(name: str) -> None:
    """Every setting of every task survives being written and read."""
    plugin = load_task(name)
    tree = {"train": {"max_steps": 10**6}, "optim": {"warmup_steps": 1000}}
    cfg = run_config(plugin, tree)
    assert run_config(plugin, run_tree(cfg)) == cfg
    assert from_tree(plugin.Config, to_tree(plugin.Config())) == plugin.Config()
