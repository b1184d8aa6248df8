"""`speecht5 vocab` from the outside."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from speecht5_cli.commands import vocab
from speecht5_cli.data.tables import write_table
from speecht5_cli.data.vocabulary import Vocabulary
from speecht5_cli.errors import DataError, UsageError


def run(*words: object) -> str:
    import typer

    app = typer.Typer()
    vocab.add_to(app)
    app.callback()(lambda: None)
    result = CliRunner().invoke(app, ["vocab", *map(str, words)])
    if result.exception and not isinstance(result.exception, SystemExit):
        result.exception.args += (result.output,)
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "train"
    write_table(folder / "utt2spk", {"s-1": "s", "s-2": "s"})
    write_table(folder / "text", {"s-1": "hello world", "s-2": "he was"})
    write_table(folder / "text.de", {"s-1": "hällo welt", "s-2": "er wär"})
    return folder


def test_build_reads_dirs_their_files_and_plain_files(data_dir: Path, tmp_path: Path) -> None:
    plain = tmp_path / "more.txt"
    plain.write_text("xyz\n\nquiz\n", encoding="utf-8")
    out = tmp_path / "vocab"
    printed = run("build", data_dir, data_dir / "text.de", plain, out)
    vocabulary = Vocabulary.load(out)
    assert not vocabulary.unsupported("hello wär quiz")
    assert vocabulary.unsupported("s-1") == {"-": 1, "1": 1}  # ids of utterances are no text
    assert f"{len(vocabulary)} symbols" in printed
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["characters"]["ä"] == 2
    assert "up to date" in run("build", data_dir, data_dir / "text.de", plain, out)
    assert "left out: y (U+0079) x 1" in run("build", plain, tmp_path / "small", "--size", 12)


def test_build_from_another_field(data_dir: Path, tmp_path: Path) -> None:
    run("build", data_dir, tmp_path / "vocab", "--field", "text.de", "--kind", "bpe", "--size", 24)
    assert len(Vocabulary.load(tmp_path / "vocab")) == 24
    with pytest.raises(UsageError, match=r"no table 'text\.fr'; it has text, text\.de"):
        run("build", data_dir, tmp_path / "vocab", "--field", "text.fr")
    with pytest.raises(UsageError, match="found neither"):
        run("build", tmp_path / "nowhere", tmp_path / "vocab")


def test_check_fails_on_unsupported_characters(data_dir: Path, tmp_path: Path) -> None:
    run("build", data_dir, tmp_path / "vocab")
    assert "2 texts, 19 ids, 0 texts come back changed" in run("check", tmp_path / "vocab", data_dir)
    with pytest.raises(DataError, match="3 characters of 2 kinds become <unk>") as error:
        run("check", tmp_path / "vocab", data_dir / "text.de")
    assert error.value.exit_code == 3
    assert "U+00E4" in error.value.args[1]
    assert "s-1, s-2" in error.value.args[1]


def test_extend(data_dir: Path, tmp_path: Path) -> None:
    run("build", data_dir, tmp_path / "vocab")
    printed = run("extend", tmp_path / "vocab", tmp_path / "new", data_dir / "text.de")
    assert "2 new (ä t), 0 dropped" in printed
    run("check", tmp_path / "new", data_dir, data_dir / "text.de")


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"good\nb\xe9b\xe9\n")
    with pytest.raises(DataError, match="not UTF-8"):
        run("build", tmp_path / "a.txt", tmp_path / "vocab")
    with pytest.raises(DataError, match="not UTF-8"):
        run("build", tmp_path / "a.txt", tmp_path / "vocab", "--kind", "unigram", "--size", 20)
    assert not (tmp_path / "vocab" / "vocab.txt").exists()
