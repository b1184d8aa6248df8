"""My own data: tables of all kinds, for every task."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from speecht5_cli.corpora.table import prepare
from speecht5_cli.corpora.table_columns import found_columns, given_columns
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.vocabulary import Vocabulary
from speecht5_cli.data.vocabulary_build import extended
from speecht5_cli.data.writer import DataDirReport
from speecht5_cli.errors import DataError, UsageError

WriteSound = Callable[..., Path]


def rejected(report: DataDirReport) -> dict[str, str]:
    return {item.id: item.reason for item in report.rejected}


@pytest.fixture
def clips(tmp_path: Path, write_sound: WriteSound) -> Path:
    """A folder with six sounds, and room for a table."""
    for name in ("a", "b", "c"):
        write_sound(tmp_path / "clips" / f"{name}.wav")
        write_sound(tmp_path / "clips" / "clean" / f"{name}.flac")
    return tmp_path / "clips"


def table(clips: Path, text: str, name: str = "table.csv") -> Path:
    (clips / name).write_text(text, encoding="utf-8")
    return clips / name


def run(source: Path, **options: object) -> list[DataDirReport]:
    return prepare(source, source.parent / "data", **options)  # type: ignore[arg-type]


TASKS = {  # task -> (table, columns, the tables of its data dir)
    "asr": ("path,sentence\na.wav,Hello there\nb.wav,And you\n", "", {"text"}),
    "tts": ("file,text,who\na.wav,Hello,Ann\nb.wav,Bye,Ann\n", "audio=file,text,speaker=who", {"text"}),
    "st": (
        "wav;en;de\na.wav;Hello;Hallo\nb.wav;Bye;Tschüss\n",
        "audio=wav,text=en,translation.de=de",
        {"text", "text.de"},
    ),
    "vc": (
        "audio\ttarget\tspeaker\ttarget_speaker\na.wav\tb.wav\tann\tbob\n",
        "",
        {"target.scp", "utt2tgtspk"},
    ),
    "se": (
        "noisy,clean,speaker\na.wav,clean/a,ann\nb.wav,clean/b,bob\n",
        "audio=noisy,target=clean,speaker",
        {"target.scp", "utt2tgtspk"},
    ),
    "sid": ("audio|label\na.wav|ann\nb.wav|bob\n", "audio,label", set()),
}


@pytest.mark.parametrize("task", TASKS)
def test_one_command_for_each_task(clips: Path, task: str, accepted: Callable) -> None:
    content, columns, tables = TASKS[task]
    (report,) = run(table(clips, content), columns=columns)
    data = DataDir(report.out)
    assert report.out.name == "table" and report.rejected == ()
    assert set(data.files()) == {"utt2spk", "spk2utt", "wav.scp", "utt2dur"} | tables
    assert accepted(report.out)


def test_what_became_of_the_columns(clips: Path) -> None:
    content = "id,path,text,speaker,text.fr\n7,a.wav, Hello  there ,Ann Lee,Salut\nx y,b,Bye,Ann-Lee,Adieu\n"
    (report,) = run(table(clips, content))
    data = DataDir(report.out)
    assert data.table("utt2spk") == {"Ann_Lee-7": "Ann_Lee", "Ann_Lee_2-x%20y": "Ann_Lee_2"}
    assert data.table("text")["Ann_Lee-7"] == "Hello there"
    assert data.table("text.fr")["Ann_Lee_2-x%20y"] == "Adieu"
    assert data.table("wav.scp")["Ann_Lee_2-x%20y"] == str(clips / "b.wav")  # the suffix was left off
    assert report.remarks[0] == "columns: audio=path, text=text, speaker=speaker, id=id, translation.fr=text.fr"


def test_without_speakers_and_ids(clips: Path) -> None:
    (report,) = run(table(clips, "audio\na.wav\nclean/a.flac\nb.wav\n"))
    assert DataDir(report.out).utterances == ["speaker-a", "speaker-a-2", "speaker-b"]
    assert report.remarks[1] == "no column says who speaks; all are 'speaker'"
    (report,) = run(table(clips, "audio\na.wav\n"), speaker="me", name="mine")
    assert (report.out.name, DataDir(report.out).utterances) == ("mine", ["me-a"])


def test_parts_of_sounds(clips: Path) -> None:
    content = "audio,start,end,text\na.wav,0,0.3,one\na.wav,0.3,0.75,two\na.wav,soon,1,three\na.wav,0.5,0.4,four\n"
    (report,) = run(table(clips, content))
    assert DataDir(report.out).table("segments") == {
        "speaker-a-0000000": "a 0 0.3",
        "speaker-a-0000300": "a 0.3 0.75",
    }
    assert rejected(report)["table.csv:4"] == "start that is no number of seconds: 'soon'"
    assert "impossible segment" in rejected(report)["speaker-a-0000500"]


def test_sets_of_the_table(clips: Path) -> None:
    content = "audio,split\na.wav,train\nb.wav,validation\nc.wav,my test\nclean/a.flac,\n"
    reports = run(table(clips, content))
    assert [(report.out.name, report.n_kept) for report in reports] == [
        ("train", 1),
        ("dev", 1),
        ("my_test", 1),
        ("table", 1),
    ]
    (report,) = run(table(clips, content), parts=["dev"])
    assert report.out.name == "dev"
    with pytest.raises(UsageError, match="no part 'test'; did you mean 'my_test'"):
        run(table(clips, content), parts=["test"])
    with pytest.raises(UsageError, match="the table has sets of its own already: train, dev, my_test, table"):
        run(table(clips, content), n_dev=1)


def test_sets_that_are_drawn(clips: Path, write_sound: WriteSound) -> None:
    for number in range(20):
        write_sound(clips / f"{number:02d}.wav")
    source = table(clips, "audio\n" + "".join(f"{number:02d}.wav\n" for number in range(20)))
    train, dev, test = run(source, n_dev=3, n_test=2)
    assert [report.out.name for report in (train, dev, test)] == ["train", "dev", "test"]
    names = [set(DataDir(report.out).utterances) for report in (train, dev, test)]
    assert [len(one) for one in names] == [15, 3, 2] and len(set.union(*names)) == 20
    run(source, n_dev=3, n_test=2)
    assert set(DataDir(dev.out).utterances) == names[1]
    run(source, n_dev=3, n_test=2, seed=1)
    assert set(DataDir(dev.out).utterances) != names[1]
    with pytest.raises(UsageError, match="n_dev=20, n_test=0: the table has 20 utterances in all"):
        run(source, n_dev=20)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'audio,text\na.wav,"He said ""yes"", and left"\n'),
        ("t.tsv", 'audio\ttext\na.wav\tHe said "yes", and left\n'),
        ("t.csv", '\ufeffaudio;text\r\na.wav;"He said ""yes"", and left"\r\n\r\n'),
        ("t.txt", 'audio|text\na.wav|He said "yes", and left'),
        ("t.jsonl", '{"audio": "a.wav", "text": "He said \\"yes\\", and left"}\n\n'),
        ("t.json", '[{"audio": {"path": "a.wav"}, "text": "He said \\"yes\\", and left"}]'),
        ("t.json", '{"audio": "a.wav", "text": "He said \\"yes\\", and left"}\n{"audio": "b.wav", "text": "x"}'),
    ],
)
def test_forms_of_tables(clips: Path, name: str, content: str) -> None:
    (report,) = run(table(clips, content, name))
    assert DataDir(report.out).table("text")["speaker-a"] == 'He said "yes", and left'


def test_tables_without_a_header(clips: Path) -> None:
    source = table(clips, "a.wav,Hello\nb.wav,Bye\n")
    (report,) = run(source, header=False, columns="audio=1,text=2")
    assert list(DataDir(report.out).table("text").values()) == ["Hello", "Bye"]


def test_rows_with_faults(clips: Path) -> None:
    rows = [
        b"a.wav,good,ann",
        b"b.wav,too few",
        b"b.wav,too,many,cells",
        b"b.wav,caf\xe9,ann",
        b"c.wav,,ann",
        b"c.wav,no speaker, ",
        b",no sound,ann",
        b"gone.wav,no such sound,ann",
        b"b.wav,line\xe2\x80\xa8separator,ann",
    ]
    (clips / "t.csv").write_bytes(b"audio,text,speaker\n" + b"\n".join(rows))
    (report,) = run(clips / "t.csv")
    assert DataDir(report.out).table("text") == {"ann-a": "good", "ann-b": "line separator"}
    assert {name: reason.partition(":")[0] for name, reason in rejected(report).items()} == {
        "t.csv:3": "row of 2 cells",
        "t.csv:4": "row of 4 cells",
        "t.csv:5": "row that is not UTF-8",
        "ann-c": "empty text",
        "t.csv:7": "no speaker",
        "ann-00000008": "no audio",
        "ann-gone": "no such audio file",
    }


def test_json_lines_with_faults(clips: Path) -> None:
    content = '{"audio": "a.wav", "speaker": 7.0}\n{"audio": \n["b.wav"]\n{"audio": "b.wav", "speaker": null}\n'
    (report,) = run(table(clips, content, "t.jsonl"))
    assert DataDir(report.out).table("utt2spk") == {"7-a": "7"}
    assert sorted(rejected(report)) == ["t.jsonl:2", "t.jsonl:3", "t.jsonl:4"]


def test_a_cell_of_several_lines(clips: Path) -> None:
    (report,) = run(table(clips, 'audio,text\na.wav,"two\nlines"\nb.wav,one\n'))
    assert DataDir(report.out).table("text") == {"speaker-a": "two lines", "speaker-b": "one"}
    assert report.notes["unusual blanks in the text"] == 1


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        ("", DataError, "the table is empty"),
        ("audio,text\n", DataError, "no usable row: it has none at all"),
        ("audio,text\na.wav\n", DataError, "no usable row: 1 x row of 1 cells"),
        ("audio,audio\n", DataError, "the column 'audio' stands there twice"),
        ("sound,words\na.wav,x\n", UsageError, "which column is the audio. It has sound, words"),
    ],
)
def test_tables_that_cannot_be_used(clips: Path, content: str, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        run(table(clips, content))


def test_columns_that_are_not_there() -> None:
    with pytest.raises(UsageError, match="no field 'transl'; did you mean"):
        given_columns("audio=a,transl=b")
    with pytest.raises(UsageError, match=r"no field 'translation\.'"):
        given_columns("translation.=b")
    with pytest.raises(UsageError, match="the field 'speaker' stands there twice"):
        given_columns("speaker=a,label=b")
    with pytest.raises(UsageError, match="t: no column 'pathh' for audio; did you mean 'path'"):
        found_columns(given_columns("audio=pathh"), ["path", "x"], "t")
    with pytest.raises(UsageError, match="neither a table, nor a folder"):
        prepare(Path(__file__).parent, Path("data"))
    with pytest.raises(UsageError, match=r"no table by its name; expected one of \.csv"):
        prepare(Path(__file__), Path("data"))


def test_a_folder_like_lj_speech(clips: Path, write_sound: WriteSound) -> None:
    write_sound(clips / "wavs" / "LJ001-0001.wav")
    write_sound(clips / "wavs" / "LJ001-0002.wav")
    table(clips, 'LJ001-0001|In 1440, "printing|In fourteen forty, "printing\nLJ001-0002|x|y\n', "metadata.csv")
    (report,) = run(clips, speaker="LJ")
    assert report.out.name == "metadata"
    assert DataDir(report.out).table("text")["LJ-LJ001-0001"] == 'In fourteen forty, "printing'
    table(clips, "LJ001-0001|a|b|ann\nLJ001-0002|a|b|bob\n", "metadata.csv")
    (report,) = run(clips)
    assert DataDir(report.out).utterances == ["ann-LJ001-0001", "bob-LJ001-0002"]
    table(clips, "LJ001-0001\n", "metadata.csv")
    with pytest.raises(UsageError, match="1 columns; LJSpeech's have 2 to 4"):
        run(clips)


def test_what_a_vocabulary_lacks(clips: Path) -> None:
    vocabulary = Vocabulary.of_pieces(["▁", *"abehlotyu"])
    vocabulary.save(clips / "vocab")
    source = table(clips, "audio,text\na.wav,hello\nb.wav,žluťoučký 2\n")
    (report,) = run(source, vocabulary=clips / "vocab")
    assert report.remarks[-2].startswith(f"6 characters of text are not in {clips / 'vocab'}: ")
    assert "ž (U+017E) x 1" in report.remarks[-2] and "speecht5 vocab extend" in report.remarks[-1]
    larger, _ = extended(vocabulary, DataDir(report.out).table("text").values())
    assert larger.symbols[: len(vocabulary)] == vocabulary.symbols  # old ids stay
    larger.save(clips / "larger")
    (report,) = run(source, vocabulary=clips / "larger")
    assert report.remarks[-1] == "the vocabulary has all characters of text"


@pytest.fixture
def saved(clips: Path) -> Callable[..., Path]:
    """A function that saves rows as Hugging Face's datasets do."""
    pyarrow = pytest.importorskip("pyarrow")

    def save(folder: Path, rows: list[dict]) -> Path:
        folder.mkdir(parents=True)
        batch = pyarrow.Table.from_pylist(rows)
        file = folder / "data-00000-of-00001.arrow"
        with file.open("wb") as out, pyarrow.ipc.new_stream(out, batch.schema) as writer:
            writer.write_table(batch)
        state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": None}
        (folder / "state.json").write_text(json.dumps(state))
        return folder

    return save


def test_a_saved_dataset_with_sounds_inside(clips: Path, saved: Callable, accepted: Callable) -> None:
    sounds = {name: (clips / f"{name}.wav").read_bytes() for name in ("a", "b")}
    rows = [
        {"audio": {"bytes": sounds["a"], "path": "1.wav"}, "text": "one", "speaker_id": 7},
        {"audio": {"bytes": sounds["b"], "path": "1.wav"}, "text": "two", "speaker_id": 8},
        {"audio": {"bytes": sounds["b"], "path": None}, "text": "three", "speaker_id": 8},
        {"audio": {"bytes": None, "path": str(clips / "c.wav")}, "text": "four", "speaker_id": 8},
        {"audio": {"bytes": b"no sound", "path": "x.wav"}, "text": "five", "speaker_id": 8},
    ]
    (report,) = run(saved(clips / "ds", rows))
    data = DataDir(report.out)
    assert report.out.name == "ds" and accepted(report.out)
    assert data.table("text") == {"7-1": "one", "8-1-00000002": "two", "8-00000003": "three", "8-c": "four"}
    assert Path(data.table("wav.scp")["8-1-00000002"]).read_bytes() == sounds["b"]
    assert data.table("wav.scp")["8-00000003"].endswith("audio/00000003.wav")
    assert "unreadable audio" in rejected(report)["8-x"]


def test_a_saved_dictionary_of_datasets(clips: Path, saved: Callable) -> None:
    root = clips / "dd"
    for name, sound in (("train", "a"), ("validation", "b")):
        array = {"array": [0.1, -0.1] * 4000, "sampling_rate": 8000, "path": f"{sound}.wav"}
        saved(root / name, [{"audio": array, "sentence": name}])
    (root / "dataset_dict.json").write_text('{"splits": ["train", "validation"]}')
    train, dev = run(root)
    assert (train.out.name, dev.out.name) == ("train", "dev")
    assert DataDir(dev.out).table("text") == {"speaker-b": "validation"}
    assert DataDir(dev.out).table("wav.scp")["speaker-b"].endswith("audio/dev/b.wav")
    assert dev.duration_s == 1.0


def test_damaged_saved_datasets(clips: Path, saved: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved(clips / "ds", [{"audio": "a.wav"}])
    data = folder / "data-00000-of-00001.arrow"
    data.write_bytes(b"nothing")
    with pytest.raises(DataError, match="not readable as an Arrow stream"):
        run(folder)
    data.unlink()
    with pytest.raises(DataError, match=r"no such file, but state\.json names it"):
        run(folder)
    (folder / "state.json").write_text('{"_indices_data_files": [1]}')
    with pytest.raises(DataError, match=r"save it again after flatten_indices"):
        run(folder)
    (folder / "state.json").write_text("{}")
    with pytest.raises(DataError, match="no data files"):
        run(folder)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (folder / "state.json").write_text('{"_data_files": [{"filename": "x.arrow"}]}')
    with pytest.raises(UsageError, match="pip install pyarrow"):
        run(folder)
