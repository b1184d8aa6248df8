"""run.sh: options, stages and what they would run; without a network, an environment or a corpus."""

import os
import re
import shlex
import shutil
from itertools import product
from pathlib import Path

import pytest
from commandline import understood
from recipe_scripts import EGS, SCRIPTS, commands, each_script, run, shown, stages

NAMES = ["download", "data", "features", "units", "pretrain", "finetune", "decode", "score"]


def tasks_of(script: Path) -> list[str]:
    return sorted(path.stem for path in (script.parent / "conf").glob("*.yaml") if path.stem in ALL_TASKS)


def pretrains(script: Path) -> bool:
    return (script.parent / "conf" / "pretrain.yaml").exists()


ALL_TASKS = {"asr", "st", "tts", "vc", "se", "sid", "lm"}
PRETRAINING = [script for script in SCRIPTS if pretrains(script)]
TRIED_OUT = [script for script in SCRIPTS if (script.parent / "conf" / "tiny.yaml").exists()]
OTHERS = [script for script in SCRIPTS if not pretrains(script)]
RUNS = [
    *((script, task, ["--iter", it]) for script in PRETRAINING for task, it in product(tasks_of(script), ("1", "2"))),
    *((script, task, []) for script in OTHERS for task in tasks_of(script)),
    *(
        (script, task, ["--init", init])
        for script in SCRIPTS
        for task, init in product(tasks_of(script), ("none", "speecht5_base.pt", "../other/exp/pretrain"))
    ),
    *((EGS / "librispeech" / "run.sh", task, ["--hubert", "hubert-base-ls960"]) for task in ("asr", "lm")),
    *((script, task, ["--config", "conf/tiny.yaml"]) for script in TRIED_OUT for task in tasks_of(script)),
]


def run_name(value: object) -> str:
    return value.parent.name if isinstance(value, Path) else str(value)


@pytest.mark.parametrize(("script", "task", "words"), RUNS, ids=run_name)
def test_every_command_is_understood(script: Path, task: str, words: list[str]) -> None:
    """Of every stage and task, from whatever model."""
    lines = shown(script, "--task", task, *words)
    found = commands(lines)
    for command in found:
        understood(command)
        for word in shlex.split(command):
            if word.endswith(".yaml"):
                assert (script.parent / word).is_file(), command
    trained = [command for command in found if f"finetune --task {task} conf/{task}.yaml" in command]
    assert len(trained) == 1 and " --init " in trained[0]
    own = pretrains(script) and "--init" not in words and task != "lm"
    assert own == any(command.startswith("speecht5 pretrain ") for command in found)
    assert own == any(command.startswith("speecht5 units ") for command in found)
    assert stages(lines)[-1] == ("finetune" if task == "lm" else "score")
    assert (found[-1] == "speecht5 score") == (task != "lm")


@each_script()
def test_scripts_are_tables_of_contents(script: Path) -> None:
    """No Python inside, the shared options, and help at their head."""
    text = script.read_text()
    assert "python" not in text
    assert "common/recipe.sh" in text
    assert os.access(script, os.X_OK)
    done = run(script, "--help")
    assert done.returncode == 0
    assert script.parent.name in done.stdout.splitlines()[0]
    assert "--stage N" in done.stdout and all(name in done.stdout for name in NAMES)
    assert all(f"--{option}" in done.stdout for option in ("task", "init", "vocab", "config"))


@each_script()
def test_stages_come_in_their_order(script: Path) -> None:
    everything = stages(shown(script))
    assert everything == [name for name in NAMES if name in everything]
    assert {"data", "pretrain", "finetune", "decode", "score"} <= set(everything)
    assert ("units" in everything) == pretrains(script)


@each_script(PRETRAINING)
def test_stages_by_number_and_by_name(script: Path) -> None:
    for words in (
        ["--stage", "3", "--stop-stage", "4"],
        ["--stage", "units", "--stop_stage", "pretrain"],
        ["--stage=3", "--stop-stage=pretrain"],
        ["--stage", "1", "--stop-stage", "7", "--stage", "units", "--stop-stage", "4"],  # the last one wins
    ):
        assert stages(shown(script, *words)) == ["units", "pretrain"]
    assert stages(shown(script, "--stage", "decode")) == ["decode", "score"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stge", "3"], "unknown option --stge"),
        (["--stage", "nine"], "no stage 'nine'; stages are 0 to 7, or download"),
        (["--stage", "8"], "no stage '8'"),
        (["stage"], "unexpected word 'stage'; options start with --"),
        (["--nj"], "--nj needs a value"),
        (["--stage", "5", "--stop-stage", "4"], "--stage 5 lies behind --stop-stage 4: there is nothing to do"),
        (["--iter", "3"], "--iter 3: there are iterations 1 and 2"),
        (["--config", "conf/none.yaml"], "conf/none.yaml: no such file"),
        (["--task", "kws"], "--task kws: this recipe knows asr, st, tts, vc, se, sid, lm"),
        (["--init", "x.pt", "--iter", "2"], "--iter 2 pre-trains once more, and --init is there in place of"),
    ],
)
def test_options_with_faults(mini: Path, words: list[str], message: str) -> None:
    done = run(mini, "--dry-run", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("mini/run.sh: ")


def test_a_missing_stage_is_named(mini: Path, fake: str) -> None:
    """And nothing is run."""
    for stage, missing in ((2, "data/pretrain is missing; stage 1 (data)"), (6, "stage 5 (finetune) makes it")):
        done = run(mini, "--stage", str(stage), PATH=fake)
        assert done.returncode == 3
        assert missing in done.stderr
        assert re.search(r"mini/run\.sh --stage \d --stop-stage \d$", done.stderr.strip())
    (mini.parent / "exp" / "pretrain").mkdir(parents=True)  # begun, but not finished
    done = run(mini, "--stage", "5", PATH=fake)
    hint = f"stage 4 (pretrain) makes it: {mini} --stage 4 --stop-stage 4"
    assert (done.returncode, done.stderr) == (3, f"mini/run.sh: exp/pretrain/model is missing; {hint}\n")
    done = run(mini, "--task", "tts", "--stage=6", "--nj", "2", PATH=fake)  # with all that was asked for but stages
    assert done.stderr.endswith(f"stage 5 (finetune) makes it: {mini} --task tts --nj 2 --stage 5 --stop-stage 5\n")
    assert not (mini.parent / "calls").exists()


def test_it_runs_what_it_shows(mini: Path, fake: str) -> None:
    """One stage, started from another folder; --force reaches every command."""
    done = run(mini, "--stage", "1", "--stop-stage", "1", "--nj", "3", cwd=Path("/"), PATH=fake)
    assert done.returncode == 0, done.stderr
    assert (mini.parent / "calls").read_text() == " prepare mini corpus data --nj 3\n"
    assert "$ speecht5 prepare mini corpus data --nj 3" in done.stdout
    run(mini, "--stage", "7", "--force", PATH=fake)
    (mini.parent / "exp/asr/decode").mkdir(parents=True)
    run(mini, "--stage", "7", "--force", PATH=fake)
    assert (mini.parent / "calls").read_text().splitlines()[1:] == ["1 score"]


def test_a_failing_command_ends_the_run(mini: Path, fake: str) -> None:
    done = run(mini, "--corpus", "FAIL", "--stage", "1", "--stop-stage", "2", PATH=fake)
    assert done.returncode == 7
    assert len((mini.parent / "calls").read_text().splitlines()) == 1


def test_a_users_path_is_meant_from_the_users_folder(mini: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    first = commands(shown(mini, "--corpus", "mine", "--stop-stage", "1", cwd=tmp_path))[0]
    assert first.startswith(f"speecht5 prepare mini {tmp_path}/mine data")
    assert f"{tmp_path}/not_yet" in commands(shown(mini, "--corpus", "not_yet", cwd=tmp_path))[0]
    assert " /somewhere/else " in commands(shown(mini, "--corpus", "/somewhere/else", cwd=tmp_path))[0]
    assert " corpus data" in commands(shown(mini, cwd=tmp_path))[0]


def test_variants_have_experiments_of_their_own(mini: Path, tmp_path: Path) -> None:
    """The file may be named from the user's folder or from the recipe's."""
    (mini.parent / "conf" / "wide.yaml").write_text("pretrain: {}\n")
    (tmp_path / "deep.yaml").write_text("asr: {}\n")
    found = "\n".join(commands(shown(mini, "--config", "conf/wide.yaml", cwd=tmp_path)))
    assert "--variant conf/wide.yaml --exp exp/pretrain_wide" in found
    assert "--exp exp/asr_wide --init exp/pretrain_wide" in found
    assert "decode --task asr --model exp/asr_wide" in found
    found = "\n".join(commands(shown(mini, "--config", "deep.yaml", "--iter", "2", cwd=tmp_path)))
    assert "--exp exp/pretrain_it2" in found  # the variant has nothing to say about pre-training
    assert f"--variant {tmp_path}/deep.yaml --exp exp/asr_deep_it2 --init exp/pretrain_it2" in found
    assert "pretrain.units=units_it2" in found
    found = "\n".join(commands(shown(mini, "--config", "conf/wide.yaml", "--iter", "2", cwd=tmp_path)))
    assert "--kind layer --model exp/pretrain_wide --layer 3" in found


def test_options_reach_the_commands(mini: Path) -> None:
    found = "\n".join(commands(shown(mini, "--task", "sid", "--ngpu", "4", "--nj=7")))
    assert "--ngpu 4" in found and "--nj 7" in found and "--task sid" in found
    assert "exp/asr" not in found


@pytest.mark.parametrize("recipe", ["mini", "fsdd"])
def test_a_vocoder_only_where_a_task_speaks(recipe: str) -> None:
    script = EGS / recipe / "run.sh"
    for task in ("asr", "st", "sid"):
        (line,) = commands(shown(script, "--task", task, "--stage", "6", "--stop-stage", "6"))
        assert "--vocoder" not in line
    for task in ("tts", "vc", "se"):
        assert "--vocoder griffin-lim" in commands(shown(script, "--task", task, "--stage", "6"))[0]


def test_the_vocoder_of_libritts() -> None:
    lines = shown(EGS / "libritts" / "run.sh", "--task", "vocoder", "--stage", "1", "--config", "conf/tiny.yaml")
    _, trained = commands(lines)
    understood(trained)
    assert trained.endswith("conf/vocoder.yaml --variant conf/tiny.yaml --exp exp/vocoder_tiny")
    assert stages(lines) == ["data", "finetune"]
    lines = shown(EGS / "libritts" / "run.sh", "--vocoder", "exp/vocoder", "--stage", "6", cwd=EGS / "libritts")
    assert "--vocoder exp/vocoder" in commands(lines)[0]


def test_words_with_blanks_stay_words(mini: Path, tmp_path: Path) -> None:
    (tmp_path / "my corpus").mkdir()
    first = commands(shown(mini, "--corpus", "my corpus", cwd=tmp_path))[0]
    assert shlex.split(first)[3] == f"{tmp_path}/my corpus"


@pytest.fixture
def wham(mini: Path) -> Path:
    """A copy of a recipe that does not pre-train, beside the copy of mini."""
    folder = mini.parents[1] / "wham"
    folder.mkdir()
    shutil.copy(EGS / "wham" / "run.sh", folder)
    shutil.copytree(EGS / "wham" / "conf", folder / "conf")
    return folder / "run.sh"


def test_init_replaces_pretraining(mini: Path, tmp_path: Path) -> None:
    """A model of ours is taken as it is, one of another toolkit is imported in stage 4."""
    (tmp_path / "pretrain").mkdir()
    found = "\n".join(commands(shown(mini, "--init", "pretrain", cwd=tmp_path)))
    assert f"--exp exp/asr_from_pretrain --init {tmp_path}/pretrain" in found
    assert "decode --task asr --model exp/asr_from_pretrain" in found and "features" not in found
    lines = shown(mini, "--init", "base.pt", "--vocab", "dict.txt", "--stage", "3", cwd=tmp_path)
    imported = f"speecht5 checkpoint import {tmp_path}/base.pt exp/init_base --from fairseq --vocab {tmp_path}/dict.txt"
    assert commands(lines)[0] == imported
    assert stages(lines) == ["pretrain", "finetune", "decode", "score"]
    assert "--exp exp/asr_from_base --init exp/init_base" in commands(lines)[1]
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "config.json").touch()
    first, second, *_ = commands(shown(mini, "--init", "hf/", "--stage", "pretrain", cwd=tmp_path))
    assert first == f"speecht5 checkpoint import {tmp_path}/hf/ exp/init_hf --from hf"
    assert "--exp exp/asr_from_hf --init exp/init_hf" in second


def test_units_of_a_hubert_have_names_of_their_own() -> None:
    script = EGS / "librispeech" / "run.sh"
    found = "\n".join(commands(shown(script, "--hubert", "hubert-base-ls960", "--stage", "2")))
    assert "checkpoint import" in found and " exp/hubert --from hf" in found
    assert "--kind layer --model exp/hubert --layer 6" in found and "--kind mfcc" not in found
    assert "--exp exp/pretrain_hubert --ngpu 1 pretrain.units=units_hubert" in found
    assert "--exp exp/asr_hubert --init exp/pretrain_hubert" in found
    assert "give one of them" in run(script, "--hubert", "hubert-base-ls960", "--iter", "2").stderr


@pytest.mark.parametrize(
    ("file", "says", "initial"),
    [("config.json", '{"model_type": "hubert"}', "exp/init_hubert"), ("config.yaml", "kind: hubert\n", None)],
)
def test_a_hubert_brings_no_vocabulary(tmp_path: Path, file: str, says: str, initial: str | None) -> None:
    folder = tmp_path / "hubert"
    folder.mkdir()
    (folder / file).write_text(says)
    found = "\n".join(commands(shown(EGS / "librispeech" / "run.sh", "--init", str(folder))))
    assert "vocab build data/text/train.txt data/vocab" in found
    assert f"--exp exp/asr_from_hubert --init {initial or folder}" in found and "asr.vocabulary=data/vocab" in found
    assert "speecht5 pretrain" not in found
    (folder / file).write_text('{"model_type": "speecht5"}' if file == "config.json" else "kind: asr\n")
    found = "\n".join(commands(shown(EGS / "librispeech" / "run.sh", "--init", str(folder))))
    assert "vocab build" not in found and f"asr.vocabulary={initial or folder}" in found


def test_translation_goes_on_from_recognition(mini: Path, tmp_path: Path) -> None:
    for script in (mini, EGS / "fsdd" / "run.sh"):
        lines = "\n".join(commands(shown(script, "--task", "st")))
        assert "--exp exp/pretrain --ngpu" in lines and "--exp exp/st_de --init exp/asr --ngpu" in lines
        lines = "\n".join(commands(shown(script, "--task", "st", "--init", "pretrain", cwd=tmp_path)))
        assert f"--init {tmp_path}/pretrain" in lines and "exp/asr" not in lines


def test_from_nothing(mini: Path, wham: Path) -> None:
    for script, task in ((mini, "asr"), (wham, "se")):
        first, *_ = commands(shown(script, "--task", task, "--init", "none", "--stage", "4"))
        assert f"--exp exp/{task}_scratch --init none" in first


def test_a_variant_from_nothing_is_as_large_as_with_pre_training(mini: Path) -> None:
    words = ("--task", "asr", "--init", "none", "--stage", "5")
    for variant, size in (
        ((), "tiny"),
        (("--config", "conf/small.yaml"), "small"),
        (("--config", "conf/long.yaml"), "tiny"),
    ):
        (finetune, *_) = (line for line in commands(shown(mini, *words, *variant)) if " finetune " in line)
        assert f"model.size={size}" in finetune


def test_init_that_is_not_there(mini: Path, wham: Path, fake: str) -> None:
    hint = "../librispeech/run.sh makes it, or give another one with --init"
    for stage in ("4", "5"):
        (wham.parent / "data" / "train").mkdir(parents=True, exist_ok=True)
        (wham.parent / "data" / "train" / "xvector.scp").touch()
        done = run(wham, "--stage", stage, PATH=fake)
        assert (done.returncode, done.stderr) == (
            3,
            f"wham/run.sh: ../librispeech/exp/pretrain/model is missing; {hint}\n",
        )
        done = run(mini, "--stage", stage, "--init", "/nowhere/exp", PATH=fake)
        assert (done.returncode, done.stderr) == (
            3,
            "mini/run.sh: /nowhere/exp is missing; give --init a model that is there\n",
        )
    assert "this recipe does not pre-train" in run(wham, "--iter", "2").stderr
    done = run(wham, "--stage", "2", PATH=fake)
    assert (
        "../librispeech/exp/xvector is missing, the net of speaker vectors; stage 2 of ../librispeech/run.sh"
        in done.stderr
    )
    assert not (mini.parent / "calls").exists() and not (wham.parent / "calls").exists()


def test_a_speaker_net_of_speechbrain(wham: Path, tmp_path: Path) -> None:
    (tmp_path / "brain").mkdir()
    (tmp_path / "brain" / "embedding_model.ckpt").touch()
    first, second, *_ = commands(shown(wham, "--speaker-net", "brain", "--stage", "2", cwd=tmp_path))
    assert first == f"speecht5 speakers import {tmp_path}/brain exp/xvector_speechbrain"
    assert second.startswith("speecht5 speakers embed exp/xvector_speechbrain data/train")


def test_nobody_to_listen(wham: Path, fake: str) -> None:
    """Without a recogniser the voice is measured, and no words are."""
    (wham.parent / "exp" / "se" / "model").mkdir(parents=True)
    done = run(wham, "--stage", "6", "--stop-stage", "6", PATH=fake)
    assert done.returncode == 0, done.stderr
    assert "exp/asr is missing: no words are scored; --judge names a recogniser" in done.stdout
    calls = (wham.parent / "calls").read_text()
    assert "speakers embed ../librispeech/exp/xvector exp/se/decode/test" in calls and "--task asr" not in calls
    (wham.parent / "judge").mkdir()
    run(wham, "--stage", "6", "--stop-stage", "6", "--judge", "judge", PATH=fake, cwd=wham.parent)
    calls = (wham.parent / "calls").read_text()
    assert "--model judge --data data/test --out exp/se/decode/test/asr_noisy" in calls
