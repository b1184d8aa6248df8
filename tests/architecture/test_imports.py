"""Who may know whom: the table of docs/contributing.md, and what must not be loaded for `--help`."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from source import Module, imports, modules

FILES = {
    "device",
    "errors",
    "files",
    "folders",
    "tensors",
    "config",
    "provenance",
    "plugins",
    "products",
    "workers",
    "__init__",
}

# Room -> the rooms that it may import; a name with a dot is one module of a room.
ALLOWED: dict[str, set[str]] = {
    **dict.fromkeys(FILES, FILES),
    "recipe": {"errors", "config"},
    "models": {"losses", "products"},
    "losses": {"models"},
    "data": FILES,
    "corpora": FILES | {"data"},
    "score": FILES
    | {f"data.{module}" for module in ("tables", "audio", "features", "normalise")}
    | {f"data.{module}" for module in ("datadir", "hypotheses", "speaker_vectors")},
    "decode": FILES | {"models", "losses", "data.features", "data.torchaudio_pair"},
    "train": FILES | {"models", "losses", "data", "decode", "score", "recipe"},
    "recipes": FILES | {"models", "losses", "data", "decode", "score"},
    "bench": FILES | {"models", "losses", "data", "decode", "train"},
    "api": FILES | {"models", "losses", "data", "decode", "train"},
    "commands": FILES | {"models", "losses", "data", "decode", "score", "train", "corpora", "recipe", "api", "bench"},
    "main": {"commands", "errors", "__init__"},
    "__main__": {"main"},
}
# Another task's plug-in is no neighbour: what two tasks share lies below them.
WITHOUT_NEIGHBOURS = {"recipes"}
HEAVY = {"torch", "torchaudio", "scipy", "sklearn", "matplotlib", "pystoi", "transformers", "tensorboard"}
BEYOND_OPTIONS = HEAVY | {"speecht5_recipes", "kaldiio", "jiwer", "sacrebleu", "sentencepiece", "pyarrow"}
TORCH_AT_TOP = {"models", "losses", "train", "decode", "bench", "products"}


def target(name: str) -> tuple[str, str] | None:
    """(room, module within the room) that an import of ours leads to; None for others' packages."""
    package, *rest = name.split(".")
    if package == "speecht5_recipes":
        return "recipes", ".".join(rest[:1])
    if package != "speecht5_cli":
        return None
    rooms = [*rest, ""]
    if find_spec(f"speecht5_cli.{rooms[0]}") is None:  # a name of the package itself, such as __version__
        return "__init__", ""
    return rooms[0], ".".join(rooms[:2])


def may(module: Module, room: str, inner: str) -> bool:
    own = module.room == room and room not in WITHOUT_NEIGHBOURS
    return own or room in ALLOWED[module.room] or inner in ALLOWED[module.room]


def test_every_room_has_its_line_in_the_table() -> None:
    assert {module.room for module in modules()} - {"__init__"} <= ALLOWED.keys()


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_imports_go_one_way(module: Module) -> None:
    wrong = []
    # The seam's protocol names the types of all rooms, for the type checker only.
    for name, line in imports(module.tree, for_types=module.name != "speecht5_cli.plugins"):
        leads_to = target(name)
        if leads_to and not may(module, *leads_to):
            wrong.append(f"{module.path}:{line} imports {name}")
    assert not wrong


def test_scoring_opens_no_model_and_data_need_no_torch_at_their_top() -> None:
    wrong = []
    for module in modules():
        if module.room not in TORCH_AT_TOP:
            top = imports(module.tree, inside=False, for_types=False)
            wrong += [f"{module.path}:{line}" for name, line in top if name.split(".")[0] in HEAVY]
        if module.room == "score":
            wrong += [f"{module.path}:{line}" for name, line in imports(module.tree) if name.split(".")[0] == "torch"]
    assert not wrong


def test_nothing_imports_tools_or_tests() -> None:
    names = [(name, module.path) for module in modules() for name, _ in imports(module.tree)]
    assert not [pair for pair in names if pair[0].split(".")[0] in ("tools", "tests", "egs")]


LOADED = """
import sys
sys.argv = ["speecht5", *{words!r}]
from speecht5_cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("\\nLOADED", *sorted(name for name in sys.modules if "." not in name))
"""


@pytest.mark.parametrize(
    ("words", "unneeded"),
    [(("--help",), BEYOND_OPTIONS), (("finetune", "--help"), BEYOND_OPTIONS), (("tasks",), HEAVY)],
    ids=["help", "help of a command", "tasks"],
)
def test_what_needs_no_model_loads_nothing_heavy(words: tuple[str, ...], unneeded: set[str]) -> None:
    """How long it takes depends on the machine: `speecht5 bench loading` has it."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(words=list(words))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert "speecht5_cli" in loaded
    assert not loaded & unneeded
