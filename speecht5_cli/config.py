"""Strict YAML -> frozen dataclasses, and back.

Every setting has one default, in the dataclass of the part that uses it. A file may leave settings out, but not name
unknown ones or give a wrong type; every complaint carries the path of the key and the nearest known name. Overrides
are `key=value` words with dotted keys, parsed as YAML values.

A dataclass may offer `expand(tree) -> tree`, a class method that completes its own block before it is checked (named
model sizes are built on it), and may raise ValueError from `__post_init__` for values that contradict each other.
"""

import dataclasses
import types
from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from speecht5_cli.errors import ConfigError, UsageError
from speecht5_cli.files import atomic_write

T = TypeVar("T")
Tree = dict[str, Any]


class _OnceEach(yaml.SafeLoader):
    """Refuses a key that is there twice: YAML forbids it, and PyYAML lets the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"'{key.value}' is there twice", key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Tree:
    """Read a YAML file that holds a mapping. Raises ConfigError with line and column of a syntax error."""
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _OnceEach)
    except FileNotFoundError:
        hint = "; key=value settings go after the configuration file" if "=" in path.name else ""
        raise ConfigError(f"{path}: no such file{hint}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {error}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected 'key: value' lines, got a {type(tree).__name__}")
    return tree


def read_settings(path: Path | None, block: str, variant: Path | None, blocks: Iterable[str]) -> Tree:
    """The mapping of a file (none: empty), and over it that block of a variant's file.

    Raises ConfigError when the variant has others than the known `blocks`.
    """
    tree = read_yaml(path) if path else {}
    if variant is None:
        return tree
    over = read_yaml(variant)
    for name in over:
        if name not in blocks:
            near = get_close_matches(str(name), blocks, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known blocks: {', '.join(blocks)}"
            raise ConfigError(f"{variant}: '{name}' is neither a task nor a net; {hint}")
    return merged(tree, over.get(block) or {})


def write_yaml(path: Path, tree: Tree) -> None:
    """Write a tree as YAML, its keys in the order they have."""
    with atomic_write(path) as out:
        yaml.safe_dump(tree, out, sort_keys=False, allow_unicode=True, width=100)


def parse_overrides(words: Iterable[str]) -> Tree:
    """Turn words such as `optim.lr=6e-5` into a nested tree. Raises UsageError for a word without `=`."""
    tree: Tree = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise UsageError(f"'{word}': expected key=value, such as optim.lr=6e-5")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            why = " ".join(str(error).split())
            raise UsageError(f"'{word}': the value is not readable: {why}") from None
        *parents, last = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise UsageError(f"'{word}': '{parent}' was given a plain value before")
        node[last] = value
    return tree


def merged(base: Tree, over: Tree) -> Tree:
    """A copy of `base` in which `over` wins, block by block."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def from_tree(cls: type[T], tree: Any, where: str = "config") -> T:
    """Build the dataclass `cls` from a tree of plain values. Raises ConfigError; `where` starts every message."""
    if not isinstance(tree, dict):
        raise ConfigError(f"{where}: expected a block of 'key: value' lines, got {tree!r}")
    if expand := getattr(cls, "expand", None):
        tree = _complaining(where, expand, tree)
    hints = get_type_hints(cls)
    known = {field.name: field for field in fields(cls) if field.init}  # type: ignore[arg-type]
    for key in tree:
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
            raise ConfigError(f"{where}.{key}: unknown key; {hint}")
    for name, field in known.items():
        if name not in tree and field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(f"{where}.{name}: missing; it has no default")
    values = {key: checked(_completed(value, known[key]), hints[key], f"{where}.{key}") for key, value in tree.items()}
    return _complaining(where, cls, **values)


def _completed(value: Any, field: dataclasses.Field) -> Any:
    """A block that is given in part, completed from the default of its field, unless it completes itself."""
    if not isinstance(value, dict) or field.default_factory is MISSING:
        return value
    default = field.default_factory()
    if not is_dataclass(default) or hasattr(default, "expand"):
        return value
    return merged(to_tree(default), value)


def _complaining(where: str, make: Any, /, *args: Any, **kwargs: Any) -> Any:
    try:
        return make(*args, **kwargs)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def checked(value: Any, kind: Any, where: str) -> Any:
    """The value as the type `kind`. An int may stand for a float, `6e-5` (which YAML reads as a string) too."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _checked_union(value, args, where)
    if origin is Literal:
        if value in args and type(value) in map(type, args):
            return value
        raise ConfigError(f"{where}: expected one of {', '.join(map(repr, args))}, got {value!r}")
    if origin is tuple:
        return _checked_tuple(value, args, where)
    if origin is dict:
        if isinstance(value, dict):
            return {checked(k, args[0], where): checked(v, args[1], f"{where}.{k}") for k, v in value.items()}
        raise ConfigError(f"{where}: expected a mapping, got {value!r}")
    if is_dataclass(kind):
        return value if isinstance(value, kind) else from_tree(kind, value, where)  # type: ignore[arg-type]
    return _checked_plain(value, kind, where)


def _checked_union(value: Any, kinds: tuple, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    some = [kind for kind in kinds if kind is not type(None)]
    for kind in some:
        try:
            return checked(value, kind, where)
        except ConfigError:
            if kind is some[-1]:
                raise
    raise ConfigError(f"{where}: expected nothing, got {value!r}")


def _checked_tuple(value: Any, args: tuple, where: str) -> tuple:
    if not isinstance(value, list | tuple):
        value = [value]  # one item may be written without brackets
    if args[-1] is Ellipsis:
        return tuple(checked(item, args[0], f"{where}[{i}]") for i, item in enumerate(value))
    if len(value) != len(args):
        raise ConfigError(f"{where}: expected {len(args)} values, got {len(value)}: {value!r}")
    return tuple(checked(item, kind, f"{where}[{i}]") for i, (item, kind) in enumerate(zip(value, args)))


def _checked_plain(value: Any, kind: type, where: str) -> Any:
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return float(value)
        except ValueError:
            pass
    if type(value) is kind:
        return value
    if value is None:
        raise ConfigError(f"{where}: expected {kind.__name__}, got nothing")
    raise ConfigError(f"{where}: expected {kind.__name__}, got {value!r} ({type(value).__name__})")


def to_tree(config: Any) -> Any:
    """The plain values of a dataclass, ready for YAML."""
    if is_dataclass(config) and not isinstance(config, type):
        values = vars(config)
        return {field.name: to_tree(values[field.name]) for field in fields(config)}
    if isinstance(config, dict):
        return {key: to_tree(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [to_tree(item) for item in config]
    return str(config) if isinstance(config, Path) else config


def replace(config: T, overrides: Tree, where: str = "config") -> T:
    """A copy of a dataclass in which the keys of `overrides` win. Raises ConfigError as `from_tree` does."""
    return from_tree(type(config), merged(to_tree(config), overrides), where)


def differences(old: Any, new: Any, where: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted key -> (old, new) for every value that differs between two trees."""
    if isinstance(old, dict) and isinstance(new, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in [*old, *(key for key in new if key not in old)]:
            found |= differences(old.get(key), new.get(key), f"{where}.{key}" if where else str(key))
        return found
    return {} if old == new else {where: (old, new)}
