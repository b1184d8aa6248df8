"""`speecht5 new task`: a package that works as it is written, or a refusal that says why."""

from pathlib import Path

import pytest
from typer.testing import CliRunner
from workshop import Workshop

from speecht5_cli.commands import new
from speecht5_cli.errors import UsageError


def write(name: str, folder: Path) -> str:
    import typer

    app = typer.Typer()
    app.callback()(lambda: None)
    new.add_to(app)
    result = CliRunner().invoke(app, ["new", "task", name, "--out", str(folder)], catch_exceptions=True)
    if result.exception:
        raise result.exception
    return result.output


def test_the_files_of_a_package(tmp_path: Path) -> None:
    printed = write("word_spotting", tmp_path / "mine")
    assert "src/speecht5_word_spotting.py" in printed
    files = {str(path.relative_to(tmp_path / "mine")) for path in (tmp_path / "mine").rglob("*") if path.is_file()}
    assert files == {
        ".gitignore",
        "README.md",
        "conf/recipe.yaml",
        "conf/word_spotting.yaml",
        "pyproject.toml",
        "src/speecht5_word_spotting.py",
        "tests/test_word_spotting.py",
        "tests/tones.py",
    }
    for file in files:
        assert "$" not in (tmp_path / "mine" / file).read_text(encoding="utf-8"), file


def test_every_template_has_its_place() -> None:
    templates = Path(new.__file__).parents[1] / "skeleton"
    assert {path.name for path in templates.iterdir()} == new.SKELETON.keys()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("asr", r"there is a task 'asr' already, of speecht5 "),
        ("cli", r"would need the module speecht5_cli, which another package has"),
        ("word-spotting", r"'word-spotting': expected lower-case letters, .* such as word_spotting"),
        ("Kws", "expected lower-case letters"),
        ("2pass", "expected lower-case letters"),
        ("_kws", "expected lower-case letters"),
        ("../kws", "expected lower-case letters"),
        ("", "expected lower-case letters"),
        ("optim", r"'optim' has a meaning of its own in every configuration, like name, model, data, optim"),
        ("on", r"'on' is no plain word in YAML, which would read True"),
    ],
)
def test_names_that_cannot_be(tmp_path: Path, name: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        write(name, tmp_path / "mine")
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path: Path) -> None:
    write("kws", tmp_path / "mine")
    (tmp_path / "mine" / "src" / "speecht5_kws.py").write_text("my work\n")
    with pytest.raises(UsageError, match=r"mine: exists already; .* --out"):
        write("kws", tmp_path / "mine")
    assert (tmp_path / "mine" / "src" / "speecht5_kws.py").read_text() == "my work\n"


def test_it_goes_to_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    new.task("word_spotting", None)  # type: ignore[arg-type]
    assert (tmp_path / "speecht5-word-spotting" / "pyproject.toml").exists()


@pytest.mark.parametrize("name", ["x", "a_task_with_quite_a_long_name"])
def test_the_skeleton_is_clean_and_installs(workshop: Workshop, name: str) -> None:
    package = f"speecht5-{name.replace('_', '-')}"
    workshop.run(
        f"speecht5 new task {name}\ncd {package}\nruff check .\nruff format --check .\npip install --no-deps ."
    )
    lines = [line.split(None, 3) for line in workshop.run("speecht5 tasks").splitlines()]
    assert [name, package, "0.1.0", "speech -> label"] in lines
    assert f"task '{name}' already, of {package} 0.1.0" in workshop.run(f"speecht5 new task {name} 2>&1 || true")


@pytest.mark.slow
def test_the_skeleton_passes_its_own_tests(workshop: Workshop) -> None:
    workshop.run("speecht5 new task word_spotting\ncd speecht5-word-spotting\npip install --no-deps .")
    assert "3 passed" in workshop.run("pytest")
