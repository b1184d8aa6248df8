"""What users type is a promise: all commands, their options, their help."""

import pytest
from commandline import leaves, options, understood
from console import Console

SURFACE = {
    "bench": "--data --model --out --plot --quick --rounds --threads",
    "checkpoint average": "",
    "checkpoint export": "--to",
    "checkpoint import": "--from --task --vocab",
    "checkpoint info": "",
    "convert": "--model --out --precision -o --set --vocoder --voice",
    "decode": (
        "--allow-pipes --batch-seconds --data --model --nj --out --pictures --precision --task --tune --vocoder"
    ),
    "doctor": "",
    "enhance": "--model --out --precision -o --set --speaker-net --vocoder",
    "features": "--allow-pipes --kind --layer --model --nj",
    "finetune": "--exp --init --ngpu --overfit --probe --task --variant",
    "identify": "--model --precision --set",
    "new task": "--out",
    "prepare": "--audio-check --columns --force --nj --no-audio-check --parts",
    "pretrain": "--exp --init --ngpu --probe --variant",
    "report": "",
    "score": "--force --hyp --ref --task",
    "speak": "--model --out --precision -o --set --vocoder --voice",
    "speakers eer": "--limit --of --seed --trials",
    "speakers embed": "--allow-pipes --nj --of",
    "speakers fit": "--allow-pipes --variant",
    "speakers import": "--dim --name --of",
    "tasks": "",
    "transcribe": "--model --precision --set",
    "translate": "--model --precision --set",
    "units fit": ("--allow-pipes --clusters --kind --layer --max-frames --model --nj --percent --restarts --seed"),
    "units label": "--allow-pipes --kind --layer --model --name --nj",
    "units report": "--alignment --alignment-rate --allow-pipes --kind --layer --model --nj --out",
    "validate": "--allow-pipes --audio --fix --nj --no-audio",
    "vocab build": "--field --kind --size",
    "vocab check": "--field",
    "vocab extend": "--field",
    "vocoder apply": "--allow-pipes --nj --precision",
    "vocoder mels": "--allow-pipes --batch-seconds --nj",
    "vocoder train": "--allow-pipes --exp --init --mels --of --variant",
}


def test_every_command_and_option() -> None:
    """A new one belongs in the list above; one that is gone breaks somebody's script."""
    found = {name: options(command) - {"--help"} for name, command in leaves()}
    assert found.keys() == SURFACE.keys()
    assert found == {name: set(words.split()) for name, words in SURFACE.items()}


@pytest.mark.parametrize("name", SURFACE)
def test_every_command_has_help(console: Console, name: str) -> None:
    command = dict(leaves())[name]
    assert command.help
    assert all(one.help for one in command.params if one.param_type_name == "option"), [
        one.name for one in command.params if one.param_type_name == "option" and not one.help
    ]
    said = console(*name.split(), "--help")
    assert said.exit_code == 0
    assert f"Usage: speecht5 {name}" in said.out
    for option in SURFACE[name].split():
        assert option in said.out


def test_every_group_has_help(console: Console) -> None:
    for group in {name.split()[0] for name in SURFACE if " " in name}:
        said = console(group)  # without a further word
        assert f"Usage: speecht5 {group}" in said.out + said.err
        assert all(name.split()[1] in said.out + said.err for name in SURFACE if name.startswith(f"{group} "))


def test_lines_that_are_understood_and_lines_that_are_not() -> None:
    """The tests of recipes and of the README stand on this."""
    understood("speecht5 units fit a b --clusters 50")
    understood("speecht5 decode --task asr --batch_seconds 60 beam=1")
    for line in ("speecht5 unit fit a b", "speecht5 units fit a b", "speecht5 units fit a b --clusters 50 --fast"):
        with pytest.raises((Exception, SystemExit)):
            understood(line)
