"""Every command of a recipe, one after the other, on a corpus of tones: from data dirs to RESULTS.md."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console import Console, Said
from tiny import MODEL, XVECTOR_DIM, TinyCorpus

from speecht5_cli.config import Tree, write_yaml
from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.data.speaker_vectors import read_vectors
from speecht5_cli.data.units import UnitInfo

XVECTOR: Tree = {
    "net": {"channels": [8, 8, 8, 8, 16], "dim": XVECTOR_DIM},
    "steps": 3,
    "batch_size": 4,
    "crop_min_s": 0.2,
    "crop_max_s": 0.3,
}
TRAIN: Tree = {"max_steps": 3, "log_every": 1, "validate_every": 3, "precision": "fp32", "decode_dev": 1}
OPTIM: Tree = {"lr": 2e-3, "warmup_steps": 1}
ASR: Tree = {
    "data": {"batch_seconds": 3, "workers": 0},
    "optim": {**OPTIM, "schedule": "tri_stage"},
    "train": TRAIN,
    "asr": {
        "vocabulary": "data/vocab",
        "freeze_encoder_steps": 1,
        "time_mask": {"prob": 0.3},
        "channel_mask": {"prob": 0.1, "length": 4},
        "decode": {"beam": 2},
    },
}
PRETRAIN: Tree = {
    "model": MODEL,
    "data": {"batch_seconds": 3, "batch_tokens": 60, "workers": 0},
    "optim": {**OPTIM, "micro_batches": 2},
    "train": TRAIN,
    "pretrain": {"vocabulary": "data/vocab"},
}
RECIPE: Tree = {
    "corpus": "tones",
    "tasks": {
        "pretrain": {
            "exp": "exp/pretrain",
            "train": "data/train",
            "dev": "data/dev",
            "train_text": "data/text/train.txt",
            "dev_text": "data/text/dev.txt",
        },
        "asr": {"exp": "exp/asr", "train": "data/train", "dev": "data/dev", "test": ["data/dev", "data/test"]},
    },
}
ABLATIONS = {
    "no_speech": "pretrain.speech=false",
    "no_text": "pretrain.text=false",
    "no_codebook": "pretrain.joint=false",
    "no_masked_units": "pretrain.masked_units=false",
}


@pytest.fixture(scope="module")
def recipe(tiny_corpus: TinyCorpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe's folder behind stage 1: data dirs with sound, text and speakers."""
    root = tmp_path_factory.mktemp("recipe")
    for name, source in {"train": tiny_corpus.train, "dev": tiny_corpus.dev, "test": tiny_corpus.dev}.items():
        data = DataDir(source)
        write_tables(root / "data" / name, {table: data.table(table) for table in ("wav.scp", "utt2spk", "text")})
    (root / "data" / "text").mkdir()
    shutil.copy(tiny_corpus.train_text, root / "data" / "text" / "train.txt")
    shutil.copy(tiny_corpus.dev_text, root / "data" / "text" / "dev.txt")
    for name, tree in {"recipe": RECIPE, "pretrain": PRETRAIN, "asr": ASR, "xvector": XVECTOR}.items():
        write_yaml(root / "conf" / f"{name}.yaml", tree)
    return root


@pytest.fixture
def here(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(recipe)
    yield recipe


STAGES: dict[str, list[str]] = {
    "features": [
        "vocab build data/text/train.txt data/train data/vocab --kind char",
        "speakers fit data/train exp/xvector conf/xvector.yaml",
        "speakers embed exp/xvector data/train data/dev",
        "features data/train dump/mfcc/train --kind mfcc --nj 1",
        "features data/dev dump/mfcc/dev --kind mfcc --nj 1",
    ],
    "units": [
        "units fit dump/mfcc/train exp/units --clusters 8 --restarts 1",
        "units label exp/units dump/mfcc/train data/train",
        "units label exp/units dump/mfcc/dev data/dev",
    ],
    "pretrain": ["pretrain conf/pretrain.yaml --exp exp/pretrain"],
    "finetune": ["finetune --task asr conf/asr.yaml --exp exp/asr --init exp/pretrain"],
    "decode": ["decode --task asr"],
    "score": ["score"],
}
SKIPPED = ("up to date", "skipped")


def ran(said: Said) -> Said:
    assert said.exit_code == 0, said.err or said.out
    return said


def skipped(said: Said) -> bool:
    return any(word in said.out for word in SKIPPED)


def test_the_data_are_valid(console: Console, here: Path) -> None:
    assert "0 errors" in ran(console("validate", "data/train", "data/dev", "--nj", 1)).out


@pytest.mark.parametrize("stage", STAGES)
def test_stages(console: Console, here: Path, stage: str) -> None:
    """Each command runs; the second time it finds nothing to do."""
    for command in STAGES[stage]:
        assert not skipped(ran(console(*command.split()))), command
    for command in STAGES[stage]:
        assert skipped(ran(console(*command.split()))), command


def test_reports_on_the_way(console: Console, here: Path) -> None:
    assert "0 texts come back changed" in ran(console("vocab", "check", "data/vocab", "data/train")).out
    assert "of 8" in ran(console("units", "report", "exp/units", "dump/mfcc/dev")).out
    assert "EER" in ran(console("speakers", "eer", "data/train")).out
    table = ran(console("report")).out
    assert "exp/asr" in table and "exp/pretrain" in table


def test_what_the_stages_left(here: Path) -> None:
    assert UnitInfo.load(Path("data/train")).n_clusters == 8
    assert len(read_vectors(Path("data/train/xvector.scp"))) == 18
    for exp in ("exp/pretrain", "exp/asr"):
        lines = [json.loads(line) for line in Path(exp, "metrics.jsonl").read_text().splitlines()]
        assert [(line["step"], line["split"]) for line in lines] == [
            (1, "train"),
            (2, "train"),
            (3, "train"),
            (3, "dev"),
        ]
        assert Path(exp, "model/model.safetensors").exists()
    for name in ("dev", "test"):
        folder = Path("exp/asr/decode", name)
        hypotheses = [json.loads(line) for line in (folder / "hyp.jsonl").read_text().splitlines()]
        assert [item["id"] for item in hypotheses] == DataDir(f"data/{name}").utterances
        assert all(item["stopped"] in ("eos", "length", "nothing") for item in hypotheses)
        scores = json.loads((folder / "scores.json").read_text())
        assert scores["counts"]["utterances"] == 6 and "wer" in scores["values"]
        assert (folder / "scores.txt").read_text().startswith(f"asr, compared with data/{name}")
    page = Path("RESULTS.md").read_text()
    assert "| exp/asr | dev |" in page and "| exp/asr | test |" in page
    assert "`speecht5 decode --task asr`" in page


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablations(console: Console, here: Path, name: str) -> None:
    """Each is one word; what it leaves out leaves no term in the loss."""
    ran(console("pretrain", "conf/pretrain.yaml", "--exp", f"exp/{name}", ABLATIONS[name]))
    terms: set[str] = set()
    for line in Path(f"exp/{name}/metrics.jsonl").read_text().splitlines():
        terms |= json.loads(line).keys()
    speech, text, codebook = {"units", "l1", "stop", "features"}, {"text"}, {"speech_diversity", "text_diversity"}
    expected = {
        "no_speech": text | {"text_diversity"},
        "no_text": speech | {"speech_diversity"},
        "no_codebook": speech | text,
        "no_masked_units": speech | text | codebook,
    }[name]
    assert terms & (speech | text | codebook) == expected


def test_the_second_iteration(console: Console, here: Path) -> None:
    """Units from a layer of the pre-trained model, beside those of the first; the same as through a folder."""
    layer = "--kind layer --model exp/pretrain --layer 2"
    commands = [
        f"units fit data/train exp/units_it2 --clusters 6 --restarts 1 {layer}",
        f"units label exp/units_it2 data/train --name units_it2 {layer}",
        f"units label exp/units_it2 data/dev --name units_it2 {layer}",
        f"features data/dev dump/layer/dev {layer}",
        "units label exp/units_it2 dump/layer/dev data/dev --name units_stored",
    ]
    for command in commands:
        ran(console(*command.split()))
        assert skipped(console(*command.split()))
    assert Path("data/dev/units_it2").read_bytes() == Path("data/dev/units_stored").read_bytes()
    ran(console("pretrain", "conf/pretrain.yaml", "--exp", "exp/pretrain_it2", "pretrain.units=units_it2"))
    assert UnitInfo.load(Path("data/train"), "units_it2").rate_hz == 50
    assert UnitInfo.load(Path("data/train")).rate_hz == 100


def test_from_scratch(console: Console, here: Path) -> None:
    words = ["--task", "asr", "conf/asr.yaml", "--exp", "exp/asr_scratch", "--init", "none"]
    sizes = [f"model.{name}={value}" for name, value in MODEL.items()]
    said = ran(console("finetune", *words, *sizes))
    assert "from " not in said.out


def test_a_changed_setting_redoes_what_depends_on_it(console: Console, here: Path) -> None:
    """Decoding with another beam: the same model, other hypotheses, other scores."""
    assert "3 hypotheses" not in ran(console("decode", "--task", "asr")).out
    said = ran(console("decode", "--task", "asr", "--model", "exp/asr", "beam=1"))
    assert "6 hypotheses" in said.out and not skipped(said)
    assert not all("up to date" in line for line in ran(console("score")).out.splitlines() if line.startswith("exp/"))
    assert skipped(console("score"))


def test_a_variant_of_the_settings(console: Console, here: Path) -> None:
    write_yaml(Path("conf/other.yaml"), {"asr": {"train": {"max_steps": 2}, "optim": {"lr": 1e-3}}, "pretrain": {}})
    words = ["--task", "asr", "conf/asr.yaml", "--init", "exp/pretrain", "--exp", "exp/asr_other"]
    ran(console("finetune", *words, "--variant", "conf/other.yaml", "train.validate_every=2"))
    steps = [json.loads(line)["step"] for line in Path("exp/asr_other/metrics.jsonl").read_text().splitlines()]
    assert max(steps) == 2


def test_decoding_in_two_processes_changes_nothing(console: Console, here: Path) -> None:
    def decoded(out: str, *words: Any) -> str:
        ran(console("decode", "--task", "asr", "--model", "exp/asr", "--data", "data/test", "--out", out, *words))
        return Path(out, "text").read_text()

    assert decoded("exp/one") == decoded("exp/two", "--nj", 2, "--batch-seconds", 1)


def test_force(console: Console, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECHT5_FORCE", "1")
    assert not skipped(ran(console(*STAGES["features"][0].split())))
    assert not skipped(ran(console("decode", "--task", "asr")))
