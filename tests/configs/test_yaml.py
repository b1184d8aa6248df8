"""Every YAML file under egs/ loads strictly, into the dataclass that it is for."""

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


def loaded(path: Path) -> Any:
    """The configuration that a file holds; a task's file on top of the pre-trained model of its recipe."""
    tree, where = read_yaml(path), str(path)
    if path.stem == "recipe":
        return from_tree(Recipe, tree, where)
    if path.stem == "xvector":
        from speecht5_cli.train.xvector import XVectorConfig

        return from_tree(XVectorConfig, tree, where)
    if path.stem == "vocoder":
        from speecht5_cli.train.vocoder import VocoderConfig

        return from_tree(VocoderConfig, tree, where)
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
    """A task's block of a variant, on top of the task's own file."""
    assert task in installed(TASKS), f"{path}: '{task}' is neither a task nor anything else that a file is for"
    base = path.with_name(f"{task}.yaml")
    return run_config(load_task(task), merged(read_yaml(base), read_yaml(path)[task] or {}), where=str(path))


def test_there_are_files() -> None:
    assert {"pretrain", "asr", "recipe", "xvector"} <= {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EGS)))
def test_it_loads(path: Path) -> None:
    assert loaded(path)


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
