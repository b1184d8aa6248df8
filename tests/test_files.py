"""An interruption leaves the old content or the new one."""

import os
import stat
from pathlib import Path

import pytest

from speecht5_cli.files import atomic_dir, atomic_write, move_away


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path) as out:
        out.write("grün\r\n")
        out.flush()
        assert not path.exists()
    assert path.read_bytes() == "grün\r\n".encode()  # neither the locale nor the system changes what is written
    assert names(path.parent) == ["a.txt"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as out:
        out.write("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_bytes(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.bin", "wb") as out:
        out.write(b"\n\xff")
    assert (tmp_path / "a.bin").read_bytes() == b"\n\xff"


def test_rights_are_those_that_the_user_wants(tmp_path: Path) -> None:
    """Not those of a temporary file, which nobody else may read."""
    before = os.umask(0o022)
    try:
        with atomic_write(tmp_path / "a.txt") as out:
            out.write("a")
        with atomic_dir(tmp_path / "folder"):
            pass
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o755


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "folder"
    with atomic_dir(place) as out:
        (out / "one").write_text("1")
        assert not place.exists()
    with atomic_dir(place) as out:
        (out / "two").write_text("2")
        assert names(place) == ["one"]
    assert names(place) == ["two"]
    assert names(place.parent) == ["folder"]


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    place = tmp_path / "folder"
    with atomic_dir(place) as out:
        (out / "one").write_text("1")
    with pytest.raises(ZeroDivisionError), atomic_dir(place) as out:
        (out / "two").write_text("2")
        raise ZeroDivisionError
    assert names(place) == ["one"]
    assert names(tmp_path) == ["folder"]


def test_moving_away(tmp_path: Path) -> None:
    place = tmp_path / "folder"
    place.mkdir()
    (place / "one").write_text("1")
    hidden = move_away(place)
    assert not place.exists()
    assert names(hidden) == ["one"]
    assert hidden.parent == tmp_path
    assert hidden.name.startswith(".")
