"""MuST-C's layout: the reference trees, and oddities one by one."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from speecht5_cli.corpora.mustc import prepare
from speecht5_cli.corpora.yaml_list import read_mappings
from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.untouched import read_untouched, untouched_name
from speecht5_cli.data.writer import DataDirReport
from speecht5_cli.errors import DataError, UsageError
from speecht5_cli.plugins import load_task

WriteSound = Callable[..., Path]
TABLE = "text.de"


def rejected(report: DataDirReport) -> dict[str, str]:
    return {item.id: item.reason for item in report.rejected}


@pytest.fixture
def trees(shared: Path) -> Path:
    return shared / "data" / "trees" / "mustc"


def test_the_good_tree_loads_without_complaint(trees: Path, tmp_path: Path, accepted: Callable) -> None:
    expected = json.loads((trees / "expected.json").read_text())["good"]
    reports = {report.out.name.replace("_", "-"): report for report in prepare(trees / "good", tmp_path)}
    assert {name: report.n_kept for name, report in reports.items()} == expected["counts"]["segments"]
    assert {name: report.n_speakers for name, report in reports.items()} == expected["counts"]["speakers"]
    for name, report in reports.items():
        assert report.rejected == () and accepted(report.out)
        talks = {line.split()[0] for line in DataDir(report.out).table("segments").values()}
        assert len(talks) == expected["counts"]["talks"][name]
    train = DataDir(tmp_path / "train")
    pairs = [[train.table("text")[name], train.table(TABLE)[name]] for name in train.utterances]
    assert pairs == [expected["texts"][f"train line {number}"] for number in range(5)]  # ids follow speaker and time
    assert read_untouched(tmp_path / "train", TABLE) is None
    untouched = read_untouched(tmp_path / "tst_COMMON", TABLE)
    assert untouched == DataDir(tmp_path / "tst_COMMON").table(TABLE)


LINES = {  # of the nasty tree's train: entry -> the id that it gets
    0: "spk_1-ted_1-0000500-0003140",
    1: "spk_1-ted_1-0002540-0006760",
    3: "spk_1-ted_1-0007060-0011080",
    4: "spk_1-ted_1-0014880-0017380",
    5: "spk_1-ted_1-0003440-0003440",
    6: "spk_1-ted_1--000500-0001500",
    7: "spk_9-ted_9-0001000-0003000",
    8: "spk_3-ted_3-0000500-0002870",
    9: "spk_1-ted_1-0000500-0003440",
    10: "spk_1-ted_1-0003140-0003540",
    12: "spk_1-ted_1-0007060-0009580",
    13: "spk_1-ted_1-0003440-0006760",
    14: "spk_4-ted%204-0000500-0002630",
    15: "spk_1-ted_1-0001000-0002000",
    16: "spk_1-ted_1-0000500-0000520",
}


def test_the_nasty_tree_comes_out_as_expected(trees: Path, tmp_path: Path, accepted: Callable) -> None:
    expected = json.loads((trees / "expected.json").read_text())["nasty"]
    with pytest.raises(DataError) as caught:
        prepare(trees / "nasty", tmp_path)
    assert "3 segments in dev.yaml, 3 lines in dev.en, 2 in dev.de" in str(caught.value)
    assert "tst-HE.yaml: no such file" in str(caught.value)
    assert f"(written: {tmp_path}/train, {tmp_path}/tst_COMMON)" in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train", "tst_COMMON"]
    train, common = DataDir(tmp_path / "train"), DataDir(tmp_path / "tst_COMMON")
    kept = {int(name.split()[-1]) for kind in ("keep", "convert") for name, _ in expected[kind]}
    assert set(train.utterances) == {LINES[number] for number in kept}
    assert accepted(train.path, common.path)
    assert train.table("text")[LINES[12]] == "My sister washed six red cups at school yesterday and so on."
    assert train.table(TABLE)[LINES[13]] == '"Ja sagte er.'
    assert len(common.utterances) == expected["counts"]["tst-COMMON"]
    assert not any("\r" in line or "\ufeff" in line for line in (read_untouched(common.path, TABLE) or {}).values())


def test_what_the_nasty_tree_leaves_out(trees: Path, tmp_path: Path) -> None:
    (report,) = prepare(trees / "nasty", tmp_path, parts=["train"])
    left_out = rejected(report)
    assert left_out["spk_1-ted_1-0003440-0006760"].startswith("text that is not UTF-8")  # line 11; 13 is as long
    assert {number: left_out[LINES[number]].partition(":")[0] for number in (0, 3, 4, 5, 6, 7, 9, 10, 16)} == {
        0: "duplicate id",  # that is line 2
        3: "segment beyond its recording",
        4: "segment beyond its recording",
        5: "impossible segment",
        6: "impossible segment",
        7: "no such audio file",
        9: "empty text.de",
        10: "stage direction only",
        16: "too short",
    }
    assert len(report.rejected) == 10
    assert report.remarks == ("17 segments are here, 229703 were published; is all of it unpacked?",)


Rows = Sequence[tuple[str, str, str]]  # YAML entry, English, German


@pytest.fixture
def corpus(tmp_path: Path, write_sound: WriteSound) -> Callable[..., Path]:
    """A function that writes a split of rows over two talks of 10 s."""

    def write(rows: Rows, split: str = "train") -> Path:
        folder = tmp_path / "mustc" / "en-de" / "data" / split
        for talk in (1, 2):
            write_sound(folder / "wav" / f"ted_{talk}.wav", 10.0)
        (folder / "txt").mkdir(parents=True)
        for number, name in enumerate(("yaml", "en", "de")):
            (folder / "txt" / f"{split}.{name}").write_text("".join(f"{row[number]}\n" for row in rows))
        return tmp_path / "mustc"

    return write


def entry(start: object, duration: object, talk: int = 1, speaker: str = "spk.1") -> str:
    return f"- {{duration: {duration}, offset: {start}, rW: 1, speaker_id: {speaker}, uW: 0, wav: ted_{talk}.wav}}"


GOOD = (entry(9, 1), "good", "gut")


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ("- {offset: 1.0, speaker_id: spk.1, wav: ted_1.wav}", "unusable entry: no duration"),
        (entry("soon", 1), "unusable entry: offset or duration that is no number"),
        (entry(".nan", 1), "unusable entry: offset or duration that is no number"),
        (entry("nan", 1), "unusable entry: offset nan and duration 1.0"),
        (entry(-1, 1), "impossible segment"),
        ("- {duration: 1, offset: 1, wav: ted_1.wav}", "unusable entry: no speaker_id"),
        ("- {duration: 1, offset: 1, speaker_id: spk.1}", "unusable entry: no wav"),
        ("- {duration: [1], offset: 1, speaker_id: spk.1, wav: ted_1.wav}", "unusable entry: no "),
        ("- ted_1.wav", "unusable entry: no offset"),
        (entry(1, "1e9"), "segment beyond its recording"),
    ],
)
def test_entries_that_are_no_segments(corpus: Callable, tmp_path: Path, item: str, kind: str) -> None:
    source = corpus([GOOD, (item, "bad", "schlecht"), (entry(0, 1, 2), "too", "auch")])
    (report,) = prepare(source, tmp_path / "data")
    assert report.n_kept == 2
    (fault,) = report.rejected
    assert fault.reason.startswith(kind)


def test_forms_of_yaml(corpus: Callable, tmp_path: Path) -> None:
    """Quotes, blocks, comments, other orders and further keys (release 2) are all the same list."""
    items = [
        '- {"wav": "ted_1.wav", speaker_id: \'spk.7\', uW: 0, rW: 12, offset: 1, duration: "1.5"}  # a comment',
        "- duration: 1\n  offset: 3\n  rW: 9\n  speaker_id: spk.7\n  uW: 0\n  wav: ted_2.wav\n",
    ]
    (report,) = prepare(corpus([(item, "x", "y") for item in items]), tmp_path / "data")
    assert DataDir(report.out).table("segments") == {
        "spk_7-ted_1-0001000-0002500": "ted_1 1 2.5",
        "spk_7-ted_2-0003000-0004000": "ted_2 3 4",
    }


def test_what_is_no_yaml_list(tmp_path: Path) -> None:
    for content, message in (
        ("wav: x\n", "expected a list of mappings.*got one mapping"),
        ("just words\n", "got plain text"),
        ("- {wav: x\n- {wav: y}\n", r"not readable as YAML: .*line 2"),
    ):
        (tmp_path / "x.yaml").write_text(content)
        with pytest.raises(DataError, match=message):
            list(read_mappings(tmp_path / "x.yaml"))
    (tmp_path / "x.yaml").write_text("- {a: 1}\n- &b {c: {d: 2}}\n- *b\n- [1, 2]\n- {}\n")
    assert [item for _, item in read_mappings(tmp_path / "x.yaml")] == [{"a": "1"}, {}, {}, {}]


def test_a_test_set_keeps_every_reference_line(corpus: Callable, tmp_path: Path, accepted: Callable) -> None:
    rows = [
        (entry(5, 1, 2), "later in the talk", "später"),
        (entry(1, 1), "one", "eins"),
        (entry(1, 1), "one again", "noch einmal\u2028eins "),
        (entry(2, 0.01), "too short to hear", "zu kurz"),
        (entry(3, 1), "without a reference", ""),
        (entry(4, 1), "(Laughter)", "(Lachen)"),
        ("- {offset: 1}", "broken", "kaputt"),
    ]
    (report,) = prepare(corpus(rows, "tst-COMMON"), tmp_path / "data")
    assert accepted(report.out)
    assert DataDir(report.out).utterances == [
        "spk_1-ted_1-0001000-0002000",
        "spk_1-ted_1-0001000-0002000-2",
        "spk_1-ted_1-0004000-0005000",
        "spk_1-ted_2-0005000-0006000",
    ]
    assert list((read_untouched(report.out, TABLE) or {}).items()) == [
        ("spk_1-ted_2-0005000-0006000", "später"),
        ("spk_1-ted_1-0001000-0002000", "eins"),
        ("spk_1-ted_1-0001000-0002000-2", "noch einmal\u2028eins "),
        ("spk_1-ted_1-0002000-0002010", "zu kurz"),
        ("spk_1-ted_1-0003000-0004000", ""),
        ("spk_1-ted_1-0004000-0005000", "(Lachen)"),
        ("tst-COMMON:7", "kaputt"),
    ]


def test_every_reference_line_is_scored(corpus: Callable, tmp_path: Path) -> None:
    """As it stands, against an empty hypothesis where there was nothing to translate."""
    rows = [
        (entry(1, 1), "one cat sat here", "eine Katze saß\u2028hier"),
        (entry(2, 0.01), "too short to hear", "zu kurz zum Hören"),
    ]
    (report,) = prepare(corpus(rows, "tst-COMMON"), tmp_path / "data")
    (name,) = DataDir(report.out).utterances
    (tmp_path / "hyp").mkdir()
    (tmp_path / "hyp" / "text").write_text(f"{name} eine Katze saß hier\n")
    plugin = load_task("st")
    scores = plugin.score(tmp_path / "hyp", report.out, plugin.Config())
    assert scores.counts["utterances"] == 2 and scores.counts["empty hypotheses"] == 1
    assert 30 < scores.values["bleu"] < 60  # all words right, and brevity punished
    assert "REF:  zu kurz zum Hören\nHYP:\n" in scores.aligned
    (report.out / untouched_name(TABLE)).unlink()
    assert plugin.score(tmp_path / "hyp", report.out, plugin.Config()).values["bleu"] == pytest.approx(100)


def test_stage_directions_are_no_translations(corpus: Callable, tmp_path: Path) -> None:
    texts = [("(Laughter)", "(Lachen)"), ("(Applause) Thanks.", "(Applaus)"), ("[Music] ♫", "[Musik]"), ("(", ")")]
    source = corpus([GOOD, *((entry(n, 1), *pair) for n, pair in enumerate(texts))])
    (report,) = prepare(source, tmp_path / "data")
    assert [item.reason.partition(":")[0] for item in report.rejected] == ["stage direction only"] * 3


def test_speakers_whose_names_are_alike(corpus: Callable, tmp_path: Path, accepted: Callable) -> None:
    """Speaker names lose what Kaldi's sorting cannot bear, but stay different."""
    speakers = ("spk.1", "spk_1", "spk.10", "spk-1")
    source = corpus([(entry(n, 1, speaker=name), "x", "y") for n, name in enumerate(speakers)])
    (report,) = prepare(source, tmp_path / "data")
    assert report.n_speakers == 4
    assert accepted(report.out)


def test_where_the_corpus_is_looked_for(corpus: Callable, tmp_path: Path) -> None:
    source = corpus([GOOD])
    for folder in (source, source / "en-de", source / "en-de" / "data"):
        assert [report.n_kept for report in prepare(folder, tmp_path / "data")] == [1]
    with pytest.raises(DataError, match=r"no en-fr/data with train, dev, tst-COMMON, tst-HE is in it"):
        prepare(source, tmp_path / "data", language="fr")
    with pytest.raises(DataError, match=r"train\.fr: no such file \(written: nothing\)"):
        prepare(source / "en-de", tmp_path / "data", language="fr")
    with pytest.raises(DataError, match="has no tst-HE; it has train"):
        prepare(source, tmp_path / "data", parts=["tst_HE"])
    with pytest.raises(UsageError, match="no part 'test'"):
        prepare(source, tmp_path / "data", parts=["test"])
