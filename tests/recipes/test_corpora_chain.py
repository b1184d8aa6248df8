"""run.sh of each recipe, through all its stages, on a small corpus in the layout of the real one: up to RESULTS.md."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_corpora import MAKERS

pytestmark = pytest.mark.slow

EGS = Path(__file__).parents[2] / "egs"
TINY = ("--config", "conf/tiny.yaml", "--nj", "2")
LIBRISPEECH = "../librispeech"
START = ("--init", f"{LIBRISPEECH}/exp/pretrain_tiny")
HEARD = ("--judge", f"{LIBRISPEECH}/exp/asr_tiny", "--speaker-net", f"{LIBRISPEECH}/exp/xvector_tiny")
# The recipes for all tasks, on a few sentences: they start from nothing.
SIZES = {
    "mini": "n_train=12 n_dev=3 n_test_seen=3 n_test_unseen=2 n_pretrain=4 n_pretrain_dev=3 n_se_test=2 "
    "n_text=60 n_text_dev=6",
    "fsdd": "n_strings_train=12 n_strings_dev=3 n_strings_test=3 pretrain_shuffles=1 n_vc_train=6 n_vc_dev=2 "
    "n_vc_test=4 n_se_train=4 n_se_dev=2 n_se_test=1 n_text=60 n_text_dev=6",
}
# Recipe -> its task, options, the decoded sets, and scores that must be among theirs.
CHAINS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "libritts": ("tts", HEARD, ("test_clean",), ("mel_mcd", "duration_ratio", "wer", "wer_copied", "similarity")),
    "mustc": ("st_de", ("--pieces", "40"), ("tst_COMMON",), ("bleu", "chrf")),
    "cmu_arctic": ("vc", HEARD, ("test_bdl_slt", "test_clb_slt"), ("mel_mcd", "wer", "wer_source", "similarity")),
    "wham": ("se", HEARD, ("test",), ("stoi", "si_sdr", "wer", "wer_noisy")),
    "voicebank_demand": ("se", HEARD, ("test",), ("stoi", "si_sdr", "wer", "wer_noisy")),
    "libri2mix": ("se", HEARD, ("test",), ("stoi", "si_sdr", "wer", "wer_noisy")),
    "voxceleb1": ("sid", (), ("test",), ("accuracy",)),
}


@pytest.fixture(scope="module")
def egs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of egs/ without anything generated, with a corpus where each recipe looks for it."""
    root = tmp_path_factory.mktemp("recipes") / "egs"
    for name in ("common", "mini", *MAKERS):
        for file in sorted((EGS / name).rglob("*")):
            inside = file.relative_to(EGS / name)
            if file.is_file() and (len(inside.parts) == 1 or inside.parts[0] == "conf"):
                (root / name / inside).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, root / name / inside)
    return root


def run(script: Path, *words: str) -> str:
    """Stages 1 to 7; what they printed."""
    return ran(script.parent, str(script), "--stage", "1", *words)


def ran(folder: Path, *command: str) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def librispeech(egs: Path) -> Path:
    """The recipe after pre-training, a language model and recognition: what the others start from."""
    folder = egs / "librispeech"
    MAKERS["librispeech"](folder / "downloads")
    run(folder / "run.sh", *TINY, "--task", "lm")
    run(folder / "run.sh", *TINY)
    return folder


def results(folder: Path, experiment: str, sets: tuple[str, ...]) -> str:
    """RESULTS.md, with a line of scores for each set."""
    page = (folder / "RESULTS.md").read_text()
    for name in sets:
        assert f"| {experiment} | {name} |" in page
        assert (folder / experiment / "decode" / name / "scores.json").exists()
    return page


def test_librispeech(librispeech: Path) -> None:
    sets = ("dev_clean", "dev_other", "test_clean", "test_other")
    page = results(librispeech, "exp/asr_tiny", (*sets, *(f"{name}_lm" for name in sets)))
    assert "wer" in page and "cer" in page
    said = run(librispeech / "run.sh", *TINY)  # nothing has changed
    commands = said.count("$ speecht5 ")
    assert said.count("up to date") + said.count("skipped") >= commands - 2  # `units report` and `score` say more
    assert not (librispeech / "exp" / ".old").exists()


@pytest.mark.parametrize("name", CHAINS)
def test_the_chain(librispeech: Path, egs: Path, name: str) -> None:
    task, options, sets, scores = CHAINS[name]
    folder = egs / name
    MAKERS[name](folder / "downloads")
    if name == "libri2mix":
        options += ("--librispeech", "downloads/LibriSpeech")
    run(folder / "run.sh", *TINY, *START, *options)
    page = results(folder, f"exp/{task}_tiny_from_pretrain_tiny", sets)
    header = "\n".join(line for line in page.splitlines() if line.startswith("| "))
    assert [score for score in scores if score not in header] == []


@pytest.mark.parametrize(
    ("name", "task", "sets"),
    [
        ("fsdd", "asr", ("digits_test", "strings_test")),
        ("fsdd", "vc", ("vc_test",)),
        ("mini", "asr", ("test_seen", "test_unseen")),
        ("mini", "se", ("se_test",)),
    ],
)
def test_the_recipes_for_all_tasks(egs: Path, name: str, task: str, sets: tuple[str, ...]) -> None:
    """Recognition first; what is spoken afterwards is read by its model."""
    folder = egs / name
    if name == "mini":
        pytest.importorskip("espeakng_loader")
    elif not (folder / "downloads").exists():
        MAKERS[name](folder / "downloads")
    said = run(folder / "run.sh", *TINY, "--task", task, "--sizes", SIZES[name], "--judge", "exp/asr_tiny")
    page = results(folder, f"exp/{task}_tiny", sets)
    assert "| wer |" in page or " wer |" in page
    assert "is missing" not in said


def test_the_vocoder_of_libritts(librispeech: Path, egs: Path) -> None:
    """Trained here, spoken with in another recipe."""
    for name in ("libritts", "cmu_arctic"):
        if not (egs / name / "downloads").exists():
            MAKERS[name](egs / name / "downloads")
    run(egs / "libritts" / "run.sh", *TINY, "--task", "vocoder")
    vocoder = ("--vocoder", "../libritts/exp/vocoder_tiny")
    said = run(egs / "cmu_arctic" / "run.sh", *TINY, *START, *HEARD, *vocoder)
    assert said.count("libritts/exp/vocoder_tiny") == 1


@pytest.mark.parametrize(
    ("name", "task", "toolkit", "model", "written", "sets"),
    [
        ("voxceleb1", "sid", "fairseq", "pretrain_tiny", "checkpoint.pt", ("test",)),
        ("mustc", "st_de", "hf", "asr_tiny", "", ("tst_COMMON",)),
    ],
)
def test_models_of_other_toolkits(
    librispeech: Path, egs: Path, name: str, task: str, toolkit: str, model: str, written: str, sets: tuple[str, ...]
) -> None:
    """A model that fairseq or Hugging Face would read is where fine-tuning starts."""
    folder = egs / name
    if not (folder / "downloads").exists():
        MAKERS[name](folder / "downloads")
    ran(librispeech, "speecht5", "checkpoint", "export", f"exp/{model}", f"{toolkit}_files", "--to", toolkit)
    init = librispeech / f"{toolkit}_files" / written
    vocab = ("--vocab", f"{LIBRISPEECH}/exp/pretrain_tiny/model/assets")
    said = run(folder / "run.sh", *TINY, "--init", str(init), *vocab, *CHAINS[name][1])
    assert f"speecht5 checkpoint import {init} exp/init_{init.stem} --from {toolkit} --vocab " in said
    results(folder, f"exp/{task}_tiny_from_{init.stem}", sets)


@pytest.mark.parametrize("name", CHAINS)
def test_a_missing_corpus_is_named(egs: Path, name: str, tmp_path: Path) -> None:
    script = egs / name / "run.sh"
    done = subprocess.run(
        [str(script), "--stage", "1", "--corpus", str(tmp_path / "nothing")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert f"{tmp_path}/nothing" in done.stderr and "stage 0 (download)" in done.stderr
