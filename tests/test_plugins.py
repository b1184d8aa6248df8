"""The seam: tasks come in through entry points, and a bad one spoils nothing."""

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from speecht5_cli import plugins
from speecht5_cli.commands import tasks as tasks_command
from speecht5_cli.errors import UsageError
from speecht5_cli.plugins import CORPORA, TASKS, Metric, TaskPlugin, installed, load_corpus, load_task

Install = Callable[..., None]


class Dist:
    """As much of a distribution as a listing needs."""

    def __init__(self, name: str, version: str) -> None:
        self.name, self.version = name, version


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """install(name, value, package) adds an entry point of another package to the tasks."""
    real = plugins.entry_points
    added: list[EntryPoint] = []

    def add(name: str, value: str, package: str = "thirdparty", group: str = TASKS) -> None:
        point = EntryPoint(name, value, group)
        vars(point)["dist"] = Dist(package, "2.0")
        added.append(point)

    def points(*, group: str) -> list[EntryPoint]:
        return [*real(group=group), *(point for point in added if point.group == group)]

    monkeypatch.setattr(plugins, "entry_points", points)
    return add


def listing() -> str:
    import typer

    app = typer.Typer()
    tasks_command.add_to(app)
    app.callback()(lambda: None)
    result = CliRunner().invoke(app, ["tasks"], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_our_own_come_through_the_same_door() -> None:
    assert {"pretrain", "asr"} <= installed(TASKS).keys()
    assert {"mini", "fsdd", "librispeech"} <= installed(CORPORA).keys()


def test_every_task_says_all_that_a_task_must_say() -> None:
    promised = {name for name in vars(TaskPlugin) if not name.startswith("_")} | set(TaskPlugin.__annotations__)
    for name in installed(TASKS):
        task = load_task(name)
        assert task.name == name
        assert not [member for member in promised if not hasattr(task, member)]
        assert task.metrics and task.output in ("text", "speech", "label", "none")
        assert task.Config()  # every setting has a default: the published recipe
        assert task.Model()


def test_listing(install: Install) -> None:
    install("dance", "speecht5_recipes.asr:task")
    lines = {line.split()[0]: line for line in listing().splitlines() if line}
    assert lines["dance"].split()[1:3] == ["thirdparty", "2.0"]
    assert "joint pre-training" in lines["pretrain"]
    assert "LibriSpeech" in lines["librispeech"]


def test_a_broken_plugin_is_listed_and_breaks_nothing(install: Install) -> None:
    install("broken", "no_such_module_anywhere:task")
    lines = {line.split()[0]: line for line in listing().splitlines() if line}
    assert "does not load: ModuleNotFoundError" in lines["broken"]
    assert "speech recognition" in lines["asr"]
    with pytest.raises(UsageError, match=r"'broken' of thirdparty 2\.0 does not load: No module named"):
        load_task("broken")
    assert load_task("asr").name == "asr"


def test_a_plugin_that_ends_the_process_is_listed_too(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaving_plugin.py").write_text("import sys\nsys.exit('no licence')\n")
    monkeypatch.syspath_prepend(tmp_path)
    install("leaving", "leaving_plugin:task")
    lines = {line.split()[0]: line for line in listing().splitlines() if line}
    assert "does not load: SystemExit: no licence" in lines["leaving"]
    with pytest.raises(UsageError, match=r"'leaving' of thirdparty 2\.0 does not load"):
        load_task("leaving")


def test_one_name_from_two_packages(install: Install) -> None:
    install("asr", "other.module:task", "rival")
    with pytest.raises(
        UsageError, match=r"'asr' in speecht5\.tasks is given by two packages, (.*); uninstall"
    ) as error:
        installed(TASKS)
    assert "speecht5 0" in str(error.value)
    assert "rival 2.0" in str(error.value)


def test_the_same_package_seen_twice_is_one(install: Install) -> None:
    """An editable installation beside its build folder shows each entry point twice."""
    install("asr", "speecht5_recipes.asr:task", "speecht5")
    assert "asr" in installed(TASKS)


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"no task 'asr2'; did you mean 'asr'\? installed: .*pretrain"):
        load_task("asr2")
    with pytest.raises(UsageError, match=r"no corpus 'librispech'; did you mean 'librispeech'\?"):
        load_corpus("librispech")


def test_metrics_know_what_is_better() -> None:
    assert Metric("wer", "lower").improves(1.0, 2.0)
    assert not Metric("wer", "lower").improves(2.0, 2.0)
    assert Metric("accuracy", "higher").improves(2.0, 1.0)
    assert Metric("accuracy", "higher").improves(-5.0, None)
