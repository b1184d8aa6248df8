"""A pickle as plain data: what the files of other toolkits say, without running any of it.

A pickle is a program for a small stack machine, and Python's own machine calls whatever the program names. This one
calls nothing but the functions that its user hands in. Names of known configuration classes become inert stand-ins;
any other name ends the reading with an error that says what was wanted. Steps, and what may be a key of a dictionary,
are limited, so that a hostile file costs neither the memory nor the process.
"""

import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

MAX_STEPS = 500_000  # a checkpoint of a thousand tensors, with an optimiser's state, needs some 70,000
MAX_DEPTH = 50  # of nested configuration blocks

# What is never called and needs no import: classes that hold settings, and the metadata that lies beside the tensors.
_INERT = frozenset(
    {
        "argparse.Namespace",
        "numpy.dtype",
        "numpy.ndarray",
        "pathlib.Path",
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
        "torch.Size",
        "torch.device",
        "typing.Any",
        "builtins.bool",
        "builtins.float",
        "builtins.int",
        "builtins.str",
    }
)
_INERT_PACKAGES = ("fairseq.", "hydra.", "omegaconf.", "speecht5.", "numpy.core.multiarray.", "numpy._core.multiarray.")


class BadPickle(ValueError):
    """The bytes are no pickle, a damaged one, or one that wants more than data."""


@dataclass(frozen=True)
class Name:
    """What a pickle calls a class or a function by. Nothing is imported for it."""

    name: str


@dataclass(eq=False)
class Inert:
    """In place of an object of a class that is known by name only."""

    name: str
    args: tuple = ()
    state: Any = None
    content: list = field(default_factory=list)  # what was appended or set


class _Mark:
    """Where a list of arguments starts on the stack."""


_MARK = _Mark()


def unpickled(
    file: IO[bytes],
    functions: Mapping[str, Callable[..., Any]],
    names: frozenset[str] = frozenset(),
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """The object that the pickle at the file's position describes; the file then stands behind it.

    `functions` may be called, `names` may be mentioned, `persistent` resolves references to things outside of the
    pickle. Raises BadPickle.
    """
    machine = _Machine(functions, names, persistent)
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if step == MAX_STEPS:
                raise BadPickle(f"more than {MAX_STEPS} steps: no checkpoint needs as many")
            machine.do(opcode.name, argument)
        return machine.pop()
    except BadPickle:
        raise
    except (ValueError, IndexError, KeyError, TypeError, EOFError, OverflowError, struct.error) as error:
        raise BadPickle(f"damaged, or not a pickle: {error or type(error).__name__}") from None


class _Machine:
    """The stack, the memo, and what each opcode does to them."""

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Any]],
        names: frozenset[str],
        persistent: Callable[[Any], Any] | None,
    ) -> None:
        self.functions = {**_FUNCTIONS, **functions}
        self.names, self.persistent = names, persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def do(self, opcode: str, argument: Any) -> None:
        if opcode in _VALUES:
            self.stack.append(argument)
        elif opcode in _NEW:
            self.stack.append(_NEW[opcode]())
        elif opcode in _SILENT:
            return
        elif method := getattr(self, f"_{opcode.lower()}", None):
            method(argument) if opcode in _WITH_ARGUMENT else method()
        else:
            raise BadPickle(f"uses {opcode}, which no checkpoint needs")

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise BadPickle("damaged: a mark where a value should be")
        return value

    def _above_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise BadPickle("damaged: a mark is missing")
        values = self.stack[place + 1 :]
        del self.stack[place:]
        return values

    # --- names and calls ---

    def _name(self, name: str) -> Name:
        if name in self.functions or name in self.names or name in _INERT or name.startswith(_INERT_PACKAGES):
            return Name(name)
        raise BadPickle(f"wants {name}, which is neither a tensor nor a known class of settings; nothing was run")

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(self._name(f"{_RENAMED.get(module, module)}.{name}"))

    def _stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        self._global(f"{module} {name}")

    def _inst(self, argument: str) -> None:
        arguments = tuple(self._above_mark())
        self._global(argument)
        self.stack.append(self._called(self.pop(), arguments))

    def _obj(self) -> None:
        target, *arguments = self._above_mark()
        self.stack.append(self._called(target, tuple(arguments)))

    def _reduce(self) -> None:
        arguments, target = self.pop(), self.pop()
        self.stack.append(self._called(target, arguments))

    _newobj = _reduce

    def _newobj_ex(self) -> None:
        self.pop()  # keyword arguments: no object that is more than inert takes any
        self._newobj()

    def _called(self, target: Any, arguments: Any) -> Any:
        if not isinstance(target, Name) or not isinstance(arguments, tuple):
            raise BadPickle("calls something that is no function")
        if target.name in self.functions:
            return self.functions[target.name](*arguments)
        return Inert(target.name, arguments)

    def _build(self) -> None:
        state = self.pop()
        if isinstance(self.stack[-1], Inert):
            self.stack[-1].state = state
        elif not isinstance(self.stack[-1], dict):  # torch's ordered dictionaries carry versions of modules
            raise BadPickle(f"gives a state to a {type(self.stack[-1]).__name__}")

    def _binpersid(self) -> None:
        if self.persistent is None:
            raise BadPickle("refers to something outside of the pickle")
        self.stack.append(self.persistent(self.pop()))

    # --- containers ---

    def _mark(self) -> None:
        self.stack.append(_MARK)

    def _tuple(self) -> None:
        self.stack.append(tuple(self._above_mark()))

    def _tuple1(self) -> None:
        self._last(1)

    def _tuple2(self) -> None:
        self._last(2)

    def _tuple3(self) -> None:
        self._last(3)

    def _last(self, n: int) -> None:
        values = [self.pop() for _ in range(n)]
        self.stack.append(tuple(reversed(values)))

    def _list(self) -> None:
        self.stack.append(self._above_mark())

    def _dict(self) -> None:
        self.stack.append(_pairs(self._above_mark()))

    def _frozenset(self) -> None:
        self.stack.append(frozenset(map(_key, self._above_mark())))

    def _append(self) -> None:
        self._extend([self.pop()])

    def _appends(self) -> None:
        self._extend(self._above_mark())

    def _extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        (target.content if isinstance(target, Inert) else _of(list, target)).extend(values)

    def _additems(self) -> None:
        values = self._above_mark()
        _of(set, self.stack[-1]).update(map(_key, values))

    def _setitem(self) -> None:
        value, key = self.pop(), self.pop()
        self._set([key, value])

    def _setitems(self) -> None:
        self._set(self._above_mark())

    def _set(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Inert):
            target.content.extend(values)
        else:
            _of(dict, target).update(_pairs(values))

    # --- the stack and the memo ---

    def _pop(self) -> None:
        self.stack.pop()

    def _pop_mark(self) -> None:
        self._above_mark()

    def _dup(self) -> None:
        self.stack.append(self.stack[-1])

    def _put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, place: int) -> None:
        self.stack.append(self.memo[place])

    _binget = _long_binget = _get


# Opcodes whose argument is the value itself.
_VALUES = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
    ]
)
_NEW: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_SILENT = frozenset({"PROTO", "FRAME", "STOP"})
_WITH_ARGUMENT = frozenset(["GLOBAL", "INST", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"])
_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # Python 2's


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise BadPickle(f"damaged: a {type(value).__name__} where a {kind.__name__} should be")
    return value


def _key(value: Any) -> Any:
    """A key of a dictionary, or a member of a set: flat, so that hashing it costs nothing."""
    plain = (str, bytes, int, float, type(None), Inert, Name)
    if isinstance(value, plain) or (isinstance(value, tuple) and all(isinstance(part, plain) for part in value)):
        return value
    raise BadPickle(f"has a {type(value).__name__} as a key")


def _pairs(values: list[Any]) -> dict[Any, Any]:
    if len(values) % 2:
        raise BadPickle("damaged: a key without a value")
    return {_key(key): value for key, value in zip(values[::2], values[1::2])}


def _mapping(*arguments: Any) -> dict[Any, Any]:
    """OrderedDict, Counter: empty, from a dict, or from a list of pairs."""
    content = arguments[0] if arguments else {}
    pairs = content.items() if isinstance(content, dict) else content
    return {_key(key): value for key, value in pairs}


# Safe builders of plain containers, which are pickled as calls.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "builtins.dict": _mapping,
    "builtins.list": lambda values=(): list(values),
    "builtins.tuple": lambda values=(): tuple(values),
    "builtins.set": lambda values=(): set(map(_key, values)),
    "builtins.frozenset": lambda values=(): frozenset(map(_key, values)),
    "collections.Counter": _mapping,
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": lambda default=None: {},
    "copyreg._reconstructor": lambda cls, base, state: Inert(_of(Name, cls).name, (), state),
    "_codecs.encode": lambda text, encoding: _of(str, text).encode("latin1"),  # how Python 2 is given bytes
}


def settings(value: Any) -> Any:
    """A Namespace, an omegaconf node or a plain container as dictionaries, lists and scalars; the rest as None.

    Raises BadPickle for settings that are nested, or shared among each other, beyond all reason.
    """
    return _Settings().plain(value, 0)


class _Settings:
    def __init__(self) -> None:
        self.n = 0

    def plain(self, value: Any, depth: int) -> Any:
        self.n += 1
        if depth > MAX_DEPTH or self.n > MAX_STEPS:
            raise BadPickle(f"settings are nested more than {MAX_DEPTH} deep, or are more than {MAX_STEPS}")
        if isinstance(value, Inert):
            state = value.state if isinstance(value.state, dict) else {}
            inner = state.get("_content", state.get("_val")) if value.name.startswith("omegaconf.") else state or None
            return self.plain(inner, depth + 1)
        if isinstance(value, dict):
            return {key: self.plain(item, depth + 1) for key, item in value.items() if isinstance(key, str)}
        if isinstance(value, list | tuple):
            return [self.plain(item, depth + 1) for item in value]
        return value if isinstance(value, str | int | float) else None
