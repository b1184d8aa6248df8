"""The folder of an experiment: is it new, to be resumed, finished, or made with something else?"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from speecht5_cli import __version__
from speecht5_cli.config import Tree, differences, read_yaml, write_yaml
from speecht5_cli.data.hypotheses import command_line
from speecht5_cli.errors import ConfigError
from speecht5_cli.files import atomic_write
from speecht5_cli.folders import ASSETS, CHECKPOINTS, CONFIG, FINAL, MODEL, kept_checkpoints, model_folder
from speecht5_cli.plugins import TaskPlugin
from speecht5_cli.provenance import fingerprint, forced, with_archives
from speecht5_cli.train.config import FREE_TO_CHANGE, RunConfig, run_config, run_tree

PROVENANCE = "provenance.json"
OLD = ".old"
_OF_A_SET = ("utt2spk", "segments", "utt2dur")  # which utterances there are, from when to when

State = Literal["new", "resumed", "finished"]


def inputs_of(plugin: TaskPlugin, cfg: RunConfig, init: Path | None) -> dict[str, str]:
    """Fingerprints of everything that the training reads: tables of data dirs, text files, assets, initial model.

    Of an experiment that is started from, its model alone: decoding it, or removing its checkpoints, changes nothing.
    """
    paths = [source for source in plugin.assets(cfg).values() if isinstance(source, Path)]
    for stream in plugin.streams(cfg):
        if stream.cost == "tokens":
            paths += [*cfg.data.train_text, *cfg.data.dev_text]
        else:
            files = _OF_A_SET + stream.inputs + stream.targets + stream.optional
            paths += with_archives(folder / name for folder in (*cfg.data.train, *cfg.data.dev) for name in files)
            paths += with_archives(folder / name for folder in stream.beside for name in (*_OF_A_SET, "wav.scp"))
    initial = {str(init): fingerprint(model_folder(init))} if init else {}
    return initial | {str(path): fingerprint(path) for path in paths if path.exists()}


def open_experiment(plugin: TaskPlugin, cfg: RunConfig, exp: Path, inputs: dict[str, str]) -> tuple[State, str]:
    """Make the folder ready and say what it is; what was made with something else is moved to `.old`, not deleted.

    The configuration is saved before anything is built.
    """
    tree, note = run_tree(cfg), ""
    if (exp / CONFIG).exists():
        saved = saved_tree(exp, lambda tree: run_tree(run_config(plugin, tree)))
        changed = what_changed(exp, saved, tree, inputs)
        if not changed and (exp / FINAL / MODEL).exists():
            return "finished", ""
        if not changed and kept_checkpoints(exp / CHECKPOINTS):
            write_yaml(exp / CONFIG, tree)
            return "resumed", ""
        if kept_checkpoints(exp / CHECKPOINTS) or (exp / FINAL).exists():
            note = f"{changed}; what was there is now in {set_aside(exp)}"
    exp.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(exp / ASSETS, ignore_errors=True)  # of a run that ended before its first checkpoint
    write_yaml(exp / CONFIG, tree)
    write_provenance(exp, inputs)
    return "new", note


def saved_tree(exp: Path, completed: Callable[[Tree], Tree]) -> Tree:
    """The configuration that the experiment was made with, `completed` by the defaults of settings that are younger.

    Where it cannot be read any more it stays as it is, and so differs from every new one.
    """
    tree = read_yaml(exp / CONFIG)
    try:
        return completed(tree)
    except ConfigError:
        return tree


def what_changed(exp: Path, saved: Tree, tree: Tree, inputs: dict[str, str]) -> str:
    """Which settings or inputs differ from those that the experiment was made with, in a line; or nothing."""
    if forced():
        return "forced"
    found = {key: pair for key, pair in differences(_plain(saved), _plain(tree)).items() if key not in FREE_TO_CHANGE}
    lines = [f"{key}: {old} -> {new}" for key, (old, new) in found.items()]
    try:
        before = json.loads((exp / PROVENANCE).read_text(encoding="utf-8"))["inputs"]
    except (OSError, ValueError, KeyError):
        before = {}
    lines += [f"{path} is another one" for path, mark in inputs.items() if before.get(path) != mark]
    lines += [f"{path} is not used any more" for path in before if path not in inputs]
    return "; ".join(lines[:5]) + (f" and {len(lines) - 5} more changes" if len(lines) > 5 else "")


def _plain(tree: Any) -> Any:
    """The tree as it comes back from YAML."""
    return json.loads(json.dumps(tree))


def set_aside(exp: Path) -> Path:
    """Move an experiment to a numbered place beside the others, out of the way of decoding and scoring."""
    number = 1
    while (place := exp.parent / OLD / f"{exp.name}-{number}").exists():
        number += 1
    place.parent.mkdir(parents=True, exist_ok=True)
    return exp.rename(place)


def write_provenance(exp: Path, inputs: dict[str, str]) -> None:
    """Note the command, the version and the fingerprints of everything that is read."""
    record = {
        "command": command_line(),
        "version": __version__,
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        "inputs": inputs,
    }
    with atomic_write(exp / PROVENANCE) as out:
        json.dump(record, out, indent=1)
