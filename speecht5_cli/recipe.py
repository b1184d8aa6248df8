"""A recipe folder's `conf/recipe.yaml`: which sets each task trains, validates and tests on, and where it writes.

`speecht5 pretrain|finetune|decode|score` and run.sh read the same file, so nothing is said twice.
"""

from dataclasses import dataclass, field
from pathlib import Path

from speecht5_cli.config import from_tree, read_yaml
from speecht5_cli.errors import UsageError

RECIPE = Path("conf/recipe.yaml")


@dataclass(frozen=True, kw_only=True)
class TaskSets:
    """The data dirs (and, for text streams, the text files) of one task; paths are meant from the recipe folder."""

    exp: Path  # experiment folder
    train: tuple[Path, ...] = ()
    dev: tuple[Path, ...] = ()
    test: tuple[Path, ...] = ()
    train_text: tuple[Path, ...] = ()
    dev_text: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What conf/recipe.yaml holds."""

    corpus: str
    tasks: dict[str, TaskSets] = field(default_factory=dict)

    def sets(self, task: str) -> TaskSets:
        """The sets of a task. Raises UsageError when the recipe has none."""
        if task not in self.tasks:
            raise UsageError(
                f"{RECIPE}: the recipe '{self.corpus}' has no task '{task}'; it has {', '.join(self.tasks)}"
            )
        return self.tasks[task]


def find_recipe() -> Recipe | None:
    """The recipe of the current folder, if it is a recipe folder."""
    return from_tree(Recipe, read_yaml(RECIPE), str(RECIPE)) if RECIPE.exists() else None


def recipe_here(why: str) -> Recipe:
    """The recipe of the current folder. Raises UsageError that says what it was needed for."""
    recipe = find_recipe()
    if recipe is None:
        raise UsageError(f"{why} is not given, and there is no {RECIPE} here to take it from; start in a recipe folder")
    return recipe
