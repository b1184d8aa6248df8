"""Stage 0 of the recipes: what is fetched, checked and unpacked; without a network."""

import hashlib
import re
import shlex
import shutil
import zipfile
from pathlib import Path

import pytest
from recipe_scripts import EGS, each_script, run, shown, stages


@each_script()
def test_downloads_are_shown(script: Path) -> None:
    """What is fetched, from where, and what it is checked by; or how to get it by hand."""
    lines = shown(script, "--stop-stage", "0")
    fetched = [shlex.split(line)[-1] for line in lines if line.startswith("$ curl ")]
    checks = [line.strip() for line in lines if line.startswith("  check: ")]
    assert len(fetched) == len(checks) == len(set(fetched))
    for url, check in zip(fetched, checks):
        assert url.startswith(("https://", "http://festvox.org/"))
        own = check == "check: own" and url.endswith((".zip", ".gz"))
        assert own or re.fullmatch(r"check: (sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}|bytes:\d+)", check), url
    assert all("--continue-at -" in line and "--fail" in line for line in lines if line.startswith("$ curl "))
    if script.parent.name not in ("mini", "fsdd"):
        assert fetched or any("by hand" in line for line in lines)


def test_a_corpus_elsewhere_is_not_fetched() -> None:
    for name in ("libritts", "cmu_arctic", "voicebank_demand", "wham", "voxceleb1"):
        assert stages(shown(EGS / name / "run.sh", "--corpus", "mine", "--stop-stage", "0")) == []
    found = shown(EGS / "librispeech" / "run.sh", "--corpus", "mine", "--stop-stage", "0")
    assert [line for line in found if line.startswith("$ curl") and "lm-norm" not in line] == []


DOWNLOADS = """#!/usr/bin/env bash
# here: downloads.
options=() path_options=()
. "$(dirname "$0")/../common/recipe.sh"
download file://$PWD/there/one.zip
download file://$PWD/there/two.txt "$CHECK"
by_hand three "  1. ask for it"
"""


@pytest.fixture
def downloading(mini: Path) -> Path:
    """A script that downloads from its own folder."""
    there = mini.parents[1] / "here" / "there"
    there.mkdir(parents=True)
    script = there.parent / "run.sh"
    script.write_text(DOWNLOADS)
    script.chmod(0o755)
    with zipfile.ZipFile(there / "one.zip", "w") as archive:
        archive.writestr("inside/text", "words\n")
    (there / "two.txt").write_text("two\n")
    return script


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("unzip")), reason="no curl or no unzip")
def test_downloads_are_checked_unpacked_and_not_repeated(downloading: Path, fake: str) -> None:
    here = downloading.parent
    done = run(downloading, PATH=fake, CHECK="md5:" + "0" * 32)
    assert done.returncode == 3
    assert "downloads/two.txt is damaged (md5:0000" in done.stderr and "remove it, and start again" in done.stderr
    assert (here / "downloads" / "inside" / "text").read_text() == "words\n"
    assert sorted(path.name for path in (here / "downloads").glob("*.done")) == ["one.zip.done"]
    digest = hashlib.sha256(b"two\n").hexdigest()
    done = run(downloading, PATH=fake, CHECK=f"sha256:{digest}")
    assert done.returncode == 0, done.stderr
    assert "curl" not in done.stdout  # one.zip is done; two.txt was there, and is what it should be
    assert done.stdout.splitlines()[-2:] == ["three has to be fetched by hand:", "  1. ask for it"]
    for check in ("bytes:4", ""):
        (here / "downloads" / "two.txt.done").unlink()
        assert run(downloading, PATH=fake, CHECK=check).returncode == 0
    (here / "downloads" / "two.txt").write_bytes(b"tw")
    (here / "downloads" / "two.txt.done").unlink()
    done = run(downloading, PATH=fake, CHECK=f"sha256:{digest}")  # goes on behind the second byte
    assert done.returncode == 0 and "$ curl " in done.stdout
    (here / "three").touch()
    assert run(downloading, PATH=fake, CHECK="").stdout == ""
    assert "by hand" in run(downloading, "--dry-run", CHECK="").stdout
