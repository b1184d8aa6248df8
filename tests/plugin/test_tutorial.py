"""A third party's task, made as docs/tutorial.md says, by its own code blocks and commands."""

import json
from pathlib import Path

import pytest
from tutorial import Block, blocks, with_definitions, with_settings
from workshop import Workshop

from speecht5_cli.folders import ASSETS

TRAINING = "7. Train, decode, score"
REMOVAL = "8. Take it away again"


def follow(workshop: Workshop, block: Block) -> str:
    """Do what the block says; returns what its commands print."""
    if block.kind == "sh":
        return workshop.run(block.text)
    change, place = {
        "python": (with_definitions, "src/speecht5_kws.py"),
        "yaml": (with_settings, "conf/kws.yaml"),
    }[block.kind]
    path = workshop.here / place
    path.write_text(change(path.read_text(encoding="utf-8"), block.text), encoding="utf-8")
    return ""


def follow_sections(workshop: Workshop, *, without: tuple[str, ...] = (), only: str = "") -> str:
    wanted = [block for block in blocks() if block.section not in without and only in ("", block.section)]
    assert wanted
    return "".join(follow(workshop, block) for block in wanted)


def test_the_package_is_built_installed_listed_and_taken_away(workshop: Workshop) -> None:
    before = workshop.installed()
    printed = follow_sections(workshop, without=(TRAINING, REMOVAL))
    lines = [line.split(None, 3) for line in printed.splitlines()]
    assert ["kws", "speecht5-kws", "0.1.0", "keyword spotting"] in lines
    assert [line[:2] for line in lines if line[:1] == ["asr"]] == [["asr", "speecht5"]]  # ours are still there
    assert workshop.installed() - before == {"speecht5_kws.py", "speecht5_kws-0.1.0.dist-info"}
    workshop.run("ruff check .\nruff format --check .")
    follow_sections(workshop, only=REMOVAL)
    assert workshop.installed() == before
    assert "kws" not in workshop.run("speecht5 tasks").split()


@pytest.mark.slow
def test_the_task_trains_decodes_and_scores(workshop: Workshop) -> None:
    printed = follow_sections(workshop, without=(REMOVAL,))
    assert "3 passed" in printed
    scores = json.loads((workshop.here / "exp/kws/decode/test/scores.json").read_text(encoding="utf-8"))
    assert scores["values"]["accuracy"] >= 95
    assert scores["values"]["missed"] <= 10
    assert (workshop.here / "exp/kws/model" / ASSETS / "labels.txt").read_text(
        encoding="utf-8"
    ) == "<other>\nlow\nhigh\n"
    assert said(workshop.here / "exp/kws/decode/test") == {"<other>", "low", "high"}
    assert "missed" in (workshop.here / "RESULTS.md").read_text(encoding="utf-8")
    # Nothing is above a threshold of more than one.
    workshop.run("speecht5 decode --task kws --out exp/deaf threshold=1.1")
    assert said(workshop.here / "exp/deaf") == {"<other>"}
    assert "up to date" in workshop.run("speecht5 decode --task kws")


def said(folder: Path) -> set[str]:
    return {line.split()[1] for line in (folder / "utt2label").read_text(encoding="utf-8").splitlines()}
