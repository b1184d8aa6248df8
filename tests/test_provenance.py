"""A repeated command is skipped when nothing changed, and redone when something did."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from speecht5_cli import provenance
from speecht5_cli.provenance import FORCE, fingerprint, listing_fingerprint, made


class Work:
    """Copies an input to an output, unless that is up to date."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.input, self.output = folder / "out", folder / "in.txt", folder / "out" / "result"
        self.input.write_text("one")
        self.options: dict[str, Any] = {"rate": 1}
        self.fails = False
        self.why = ""

    def run(self, **more: Any) -> bool:
        """Whether the work was done, and not skipped."""
        arguments = {"options": self.options, "inputs": [self.input], "outputs": [self.output], **more}
        with made(self.folder, "copy", **arguments) as making:
            self.why = making.why
            if making.done:
                return False
            self.folder.mkdir(exist_ok=True)
            self.output.write_text(self.input.read_text())
            if self.fails:
                raise RuntimeError
        return True


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def test_nothing_changed(work: Work) -> None:
    assert work.run()
    assert work.why == "not made yet"
    assert not work.run()
    os.utime(work.input)  # the content counts, not its time
    assert not work.run()


def test_another_input(work: Work) -> None:
    work.run()
    work.input.write_text("two")
    assert work.run()
    assert work.why == f"changed: {work.input}"
    work.input.unlink()
    with pytest.raises(FileNotFoundError):
        work.run()


def test_another_option(work: Work) -> None:
    work.run()
    work.options["rate"] = 2
    assert work.run()
    assert work.why == "other options"
    assert not work.run()


def test_another_version(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.run()
    monkeypatch.setattr(provenance, "__version__", "9.9.9")
    assert work.run()
    assert work.why == "other version"


def test_a_mark_that_the_caller_took(work: Work) -> None:
    assert work.run(marks={"corpus": "abc"})
    assert not work.run(marks={"corpus": "abc"})
    assert work.run(marks={"corpus": "def"})


def test_a_lost_output(work: Work) -> None:
    work.run()
    work.output.unlink()
    assert work.run()
    assert "result is missing" in work.why


def test_a_failure_leaves_no_record(work: Work) -> None:
    work.run()
    work.fails = True
    work.options["rate"] = 2
    with pytest.raises(RuntimeError):
        work.run()
    work.fails, work.options["rate"] = False, 1
    assert work.run()  # what lies there may be half of the other one


def test_force(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.run()
    assert work.run(force=True)
    assert work.why == "forced"
    monkeypatch.setenv(FORCE, "1")
    assert work.run()


def test_a_broken_record_counts_as_none(work: Work) -> None:
    work.run()
    (work.folder / ".made" / "copy.json").write_text("{half")
    assert work.run()


def test_a_moved_folder_stays_up_to_date(work: Work, tmp_path: Path) -> None:
    """Inputs are compared in their order, by content, so that another place is no change."""
    work.run()
    work.folder.rename(tmp_path / "moved")
    work.folder, work.output = tmp_path / "moved", tmp_path / "moved" / "result"
    work.input = work.input.rename(tmp_path / "also.txt")
    assert not work.run()


def test_the_record_says_how(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/speecht5", "copy", "a file", "--fast"])
    work.run()
    record = json.loads((work.folder / ".made" / "copy.json").read_text())
    assert record["command"] == "speecht5 copy 'a file' --fast"
    assert record["options"] == {"rate": 1}
    assert record["inputs"] == {str(work.input): fingerprint(work.input)}
    assert record["outputs"] == ["result"]


def test_fingerprints_of_folders(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a").write_text("1")
    first = fingerprint(folder)
    for name in (".made", "decode", "tensorboard", "plots"):  # never content
        (folder / name).mkdir()
        (folder / name / "x").write_text("x")
    (folder / "train.log").write_text("x")
    assert fingerprint(folder) == first
    (folder / "deep" / "a").write_text("2")
    second = fingerprint(folder)
    (folder / "deep" / "a").rename(folder / "deep" / "b")
    assert len({first, second, fingerprint(folder)}) == 3
    assert fingerprint(tmp_path / "nowhere") == "missing"


def test_large_files_are_told_apart_by_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_HASHED_WHOLE", 3)
    path = tmp_path / "large"
    path.write_text("12345")
    os.utime(path, ns=(1, 1))
    first = fingerprint(path)
    os.utime(path, ns=(2, 2))
    assert fingerprint(path) != first


def test_listings(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = listing_fingerprint(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b").write_text("1")
    assert listing_fingerprint(tmp_path, leave_out=tmp_path / "out") == first
    assert listing_fingerprint(tmp_path) != first
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")  # a link to nowhere is an entry like any other
    assert listing_fingerprint(tmp_path, leave_out=tmp_path / "out") != first
