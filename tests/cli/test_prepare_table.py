"""`speecht5 prepare table` from the outside."""

from pathlib import Path

import numpy as np
from console import Console

from speecht5_cli.data.audio import write_audio


def test_my_own_table_in_one_command(console: Console, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_audio(tmp_path / f"{name}.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 16_000))
    (tmp_path / "clips.csv").write_text("path,who,says\na.wav,ann,hello\nb.wav,bob,bye\n")
    call = ("prepare", "table", tmp_path / "clips.csv", tmp_path / "data", "--nj", "1")
    columns = ("--columns", "audio=path,speaker=who,text=says")
    said = console(*call, *columns)
    assert said.exit_code == 0, said.err
    assert f"{tmp_path}/data/clips: 2 utterances, 2 speakers" in said.out
    assert "columns: audio=path, speaker=who, text=says" in said.out
    assert (tmp_path / "data" / "clips" / "text").read_text() == "ann-a hello\nbob-b bye\n"
    (tmp_path / "more.csv").write_text("path,who,says\nb.wav,bob,bye\n")
    assert console("prepare", "table", tmp_path / "more.csv", *call[3:], *columns).exit_code == 0
    assert "up to date" in console(*call, *columns).out  # each table has a record of its own
    said = console(*call, "--columns", "audio=pathh")
    assert (said.exit_code, "did you mean 'path'" in said.err) == (2, True)


def test_other_corpora_have_no_columns(console: Console, tmp_path: Path) -> None:
    said = console("prepare", "librispeech", tmp_path, tmp_path / "data", "--columns", "audio=path")
    assert said.exit_code == 2
    assert "the corpus 'librispeech' has no option 'columns'" in said.err
