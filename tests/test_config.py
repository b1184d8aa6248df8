"""Strict YAML -> frozen dataclasses: what is accepted, and what a complaint says."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from speecht5_cli.config import (
    differences,
    from_tree,
    merged,
    parse_overrides,
    read_yaml,
    replace,
    to_tree,
    write_yaml,
)
from speecht5_cli.errors import ConfigError, UsageError


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.5
    size: int = 3

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size must not be negative, got {self.size}")


@dataclass(frozen=True, kw_only=True)
class Named:
    """A block with named sizes."""

    size: Literal["small", "large"] = "small"
    width: int = 1
    depth: int = 1

    @classmethod
    def expand(cls, tree: dict[str, Any]) -> dict[str, Any]:
        return {**({"width": 10, "depth": 20} if tree.get("size") == "large" else {}), **tree}


@dataclass(frozen=True, kw_only=True)
class Settings:
    steps: int
    lr: float = 1e-3
    name: str = "x"
    fast: bool = False
    where: Path = Path("here")
    maybe: Path | None = None
    either: int | str = 1
    pair: tuple[float, float] = (0.9, 0.98)
    many: tuple[Path, ...] = ()
    kind: Literal["a", "b", 3] = "a"
    table: dict[str, int] = field(default_factory=dict)
    anything: Any = None
    inner: Inner = field(default_factory=Inner)
    tuned: Inner = field(default_factory=lambda: Inner(rate=0.1, size=7))
    named: Named = field(default_factory=Named)


def made(**values: Any) -> Settings:
    return from_tree(Settings, {"steps": 1, **values}, "my.yaml")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("lr", "6e-5", 6e-5),  # PyYAML reads 6e-5 as a string
        ("lr", 2, 2.0),
        ("lr", 0.25, 0.25),
        ("where", "a/b", Path("a/b")),
        ("maybe", None, None),
        ("maybe", "a", Path("a")),
        ("either", 5, 5),
        ("either", "five", "five"),
        ("pair", [1, "2e-1"], (1.0, 0.2)),
        ("many", "one", (Path("one"),)),  # one item needs no brackets
        ("many", ["one", "two"], (Path("one"), Path("two"))),
        ("many", [], ()),
        ("kind", 3, 3),
        ("table", {"a": 1}, {"a": 1}),
        ("anything", [1, {"a": None}], [1, {"a": None}]),
        ("fast", True, True),
    ],
)
def test_values_that_are_taken(key: str, value: Any, expected: Any) -> None:
    got = getattr(made(**{key: value}), key)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("lr", "fast", "my.yaml.lr: expected float, got 'fast' (str)"),
        ("lr", True, "my.yaml.lr: expected float, got True (bool)"),
        ("lr", None, "my.yaml.lr: expected float, got nothing"),
        ("steps", 1.0, "my.yaml.steps: expected int, got 1.0 (float)"),
        ("steps", True, "my.yaml.steps: expected int, got True (bool)"),
        ("steps", "1e3", "my.yaml.steps: expected int, got '1e3' (str)"),
        ("name", 5, "my.yaml.name: expected str, got 5 (int)"),
        ("fast", "yes", "my.yaml.fast: expected bool, got 'yes' (str)"),
        ("where", 5, "my.yaml.where: expected Path, got 5 (int)"),
        ("maybe", 5, "my.yaml.maybe: expected Path, got 5 (int)"),
        ("pair", [1.0], "my.yaml.pair: expected 2 values, got 1: [1.0]"),
        ("pair", [1.0, "b"], "my.yaml.pair[1]: expected float, got 'b' (str)"),
        ("many", ["one", 2], "my.yaml.many[1]: expected Path, got 2 (int)"),
        ("kind", "c", "my.yaml.kind: expected one of 'a', 'b', 3, got 'c'"),
        ("kind", 3.0, "my.yaml.kind: expected one of 'a', 'b', 3, got 3.0"),
        ("table", {"a": "b"}, "my.yaml.table.a: expected int, got 'b' (str)"),
        ("table", [1], "my.yaml.table: expected a mapping, got [1]"),
        ("inner", 5, "my.yaml.inner: expected a block of 'key: value' lines, got 5"),
        ("inner", None, "my.yaml.inner: expected a block of 'key: value' lines, got None"),
        ("inner", {"rat": 1}, "my.yaml.inner.rat: unknown key; did you mean 'rate'?"),
        ("inner", {"zzz": 1}, "my.yaml.inner.zzz: unknown key; known keys: rate, size"),
        ("inner", {"size": -1}, "my.yaml.inner: size must not be negative, got -1"),
        ("stps", 5, "my.yaml.stps: unknown key; did you mean 'steps'?"),
    ],
)
def test_values_that_are_refused(key: str, value: Any, complaint: str) -> None:
    with pytest.raises(ConfigError) as error:
        made(**{key: value})
    assert str(error.value) == complaint
    assert error.value.exit_code == 4


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^my\.yaml\.steps: missing; it has no default$"):
        from_tree(Settings, {"lr": 1.0}, "my.yaml")


def test_a_block_given_in_part_is_completed_from_its_fields_default() -> None:
    """Not from the dataclass's own defaults, which differ."""
    assert made(tuned={"rate": 0.2}).tuned == Inner(rate=0.2, size=7)
    assert made(inner={"rate": 0.2}).inner == Inner(rate=0.2, size=3)


def test_named_sizes_fill_what_is_not_said() -> None:
    assert made(named={"size": "large", "depth": 2}).named == Named(size="large", width=10, depth=2)


def test_there_and_back() -> None:
    settings = made(maybe="m", many=["a", "b"], tuned={"rate": 0.3}, named={"size": "large"}, table={"a": 2})
    tree = to_tree(settings)
    assert from_tree(Settings, tree) == settings
    assert tree["many"] == ["a", "b"]
    assert tree["where"] == "here"


def test_through_a_file(tmp_path: Path) -> None:
    settings = made(lr="6e-5", where="größe")
    write_yaml(tmp_path / "out" / "my.yaml", to_tree(settings))
    assert from_tree(Settings, read_yaml(tmp_path / "out" / "my.yaml")) == settings
    assert "größe" in (tmp_path / "out" / "my.yaml").read_text(encoding="utf-8")


def test_yaml_with_faults(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    with pytest.raises(ConfigError, match=r"my\.yaml: no such file$"):
        read_yaml(path)
    with pytest.raises(ConfigError, match=r"^optim\.lr=1: no such file; key=value settings go after"):
        read_yaml(Path("optim.lr=1"))
    path.write_text("a: 1\nb: [1, 2\n")
    with pytest.raises(ConfigError, match=r"(?s)my\.yaml: not readable as YAML.*line 3"):
        read_yaml(path)
    path.write_text("- 1\n- 2\n")
    with pytest.raises(ConfigError, match=r"expected 'key: value' lines, got a list"):
        read_yaml(path)
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(ConfigError, match="not readable as YAML"):
        read_yaml(path)
    path.write_text("# nothing but a comment\n")
    assert read_yaml(path) == {}


def test_a_key_that_is_there_twice(tmp_path: Path) -> None:
    """YAML forbids it; that one of them wins without a word would be worse."""
    (tmp_path / "my.yaml").write_text("train:\n  steps: 2\n  steps: 3\n")
    with pytest.raises(ConfigError, match=r"(?s)'steps' is there twice.*line 3"):
        read_yaml(tmp_path / "my.yaml")


def test_overrides() -> None:
    words = ["optim.lr=6e-5", "optim.betas=[0.9, 0.98]", "name=null", "text=a=b", "fast=true", "data.train=data/x"]
    assert parse_overrides(words) == {
        "optim": {"lr": "6e-5", "betas": [0.9, 0.98]},
        "name": None,
        "text": "a=b",
        "fast": True,
        "data": {"train": "data/x"},
    }
    assert parse_overrides(["a=1", "a=2"]) == {"a": 2}
    assert parse_overrides([]) == {}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["lr"], "'lr': expected key=value, such as optim.lr=6e-5"),
        (["=3"], "'=3': expected key=value"),
        (["a=[1"], r"'a=\[1': the value is not readable"),
        (["a=1", "a.b=2"], "'a.b=2': 'a' was given a plain value before"),
    ],
)
def test_overrides_with_faults(words: list[str], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as error:
        parse_overrides(words)
    assert error.value.exit_code == 2


def test_merging_goes_block_by_block_and_changes_nothing() -> None:
    base = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merged(base, {"a": {"c": 5}, "e": 6}) == {"a": {"b": 1, "c": 5}, "d": 3, "e": 6}
    assert merged(base, {"a": 7}) == {"a": 7, "d": 3}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}


def test_replace() -> None:
    assert replace(made(), {"tuned": {"size": 1}}).tuned == Inner(rate=0.1, size=1)
    with pytest.raises(ConfigError, match="did you mean 'size'"):
        replace(made(), {"tuned": {"sise": 1}})


def test_differences() -> None:
    old = {"a": {"b": 1, "c": [1, 2]}, "d": 3, "gone": 1}
    new = {"a": {"b": 1, "c": [1, 3]}, "d": {"e": 4}, "come": 2}
    assert differences(old, new) == {
        "a.c": ([1, 2], [1, 3]),
        "d": (3, {"e": 4}),
        "gone": (1, None),
        "come": (None, 2),
    }
    assert differences(old, old) == {}
