"""Validation finds every problem in one pass; repairing leaves a dir without errors."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speecht5_cli.data.datadir import DataDir, write_tables
from speecht5_cli.data.fix import fix
from speecht5_cli.data.tables import read_lines
from speecht5_cli.data.validate import validate
from speecht5_cli.errors import DataError

Speech = Callable[..., Path]
NAMES = ("ann-1", "ann-2", "bob-1")


def errors(folder: Path, **options: bool) -> list[str]:
    """Errors without the folder's name, as `text:2: ann-2: message`."""
    found = validate(folder, **options)
    return [str(problem).replace(f"{folder}/", "") for problem in found if problem.severity == "error"]


def warnings(folder: Path, **options: bool) -> list[str]:
    found = validate(folder, **options)
    return [str(problem).replace(f"{folder}/", "") for problem in found if problem.severity == "warning"]


def write(folder: Path, name: str, *lines: str) -> None:
    (folder / name).write_bytes("".join(f"{line}\n" for line in lines).encode())


def edit(folder: Path, name: str, old: str, new: str) -> None:
    content = (folder / name).read_bytes()
    assert old.encode() in content
    (folder / name).write_bytes(content.replace(old.encode(), new.encode()))


def test_a_good_dir_has_no_problem(good_dir: Path) -> None:
    assert validate(good_dir) == []


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        validate(tmp_path / "nowhere")
    assert [error.partition(": ")[::2] for error in errors(tmp_path)] == [
        ("spk2utt", "is missing"),
        ("utt2spk", "is missing"),
        ("wav.scp", "is missing, and so are feats.scp and text"),
    ]


# fmt: off
BROKEN = [
    ("text", b"", ["text: the file is empty"]),
    ("text", b"\xef\xbb\xbfann-1 a\nann-2 b\nbob-1 c\n", ["text:1: starts with a byte-order mark"]),
    ("text", b"ann-1 a\r\nann-2 b\r\nbob-1 c\r\n", ["text:1: 3 lines end in CR LF"]),
    ("text", b"ann-1 a\nann-2 b\nbob-1 c", ["text:3: no line break at the end"]),
    ("text", b"ann-1 a\n\nann-2 b\nbob-1 c\n", ["text:2: empty line"]),
    ("text", b"ann-1 a\nann-2 \xc9t\xe9\nbob-1 c\n", ["text:2: ann-2: not UTF-8: 0xC9 at byte 7 of the line"]),
    ("text", b"ann-1 a\nann-2 \nbob-1\n", ["text:2: ann-2: the text is empty", "text:3: bob-1: the text is empty"]),
    ("text", b"ann-1 a\xe2\x80\xa8b\nann-2 b\x0bc\nbob-1 c\x07\n", [
        "text:1: ann-1: unusual white space (U+2028)",
        "text:2: ann-2: unusual white space (U+000B)",
        "text:3: bob-1: characters that do not print (U+0007)",
    ]),
    ("text", b"ann-1 <s> a\nann-2 b </s>\nbob-1 #0\n", [
        "text:1: ann-1: '<s>' in the text",
        "text:2: ann-2: '</s>' in the text",
        "text:3: bob-1: '#0' in the text",
    ]),
    ("text", b"ann-2 b\nbob-1 c\nann-1 a\n", [
        "text:3: ann-1: not sorted by bytes: 'ann-1' (line 3) stands after 'bob-1' (line 2), and so in 1 places",
    ]),
    ("text", b"ann-1 a\nann-1 a\nann-2 b\nbob-1 c\n", [
        "text:2: ann-1: stands here for the second time, as in line 1",
    ]),
    ("text", b"ann-1 a\nann-2 b\nann-2 x\nbob-1 c\n", [
        "text:3: ann-2: contradicts line 2: 'x' here, 'b' there",
    ]),
    ("text", b"ann-1 a\nann-3 b\nbob-1 c\n", [
        "text: ann-2: the utterance has no line here, but stands in utt2spk:2 (3 keys here, 3 there)",
        "text:2: ann-3: the utterance is not in utt2spk (3 keys here, 3 there)",
    ]),
    ("text", "ann-1 a\nann-2 b\nbob-1\u00a0c\n".encode(), [
        "text: bob-1: the utterance has no line here",
        "text:3: bob-1\u00a0c: the key 'bob-1\\xa0c' holds white space",
        "text:3: bob-1\u00a0c: the text is empty",
        "text:3: bob-1\u00a0c: the utterance is not in utt2spk",
    ]),
    ("text.de", b"ann-1 a\nann-2 b\n", ["text.de: bob-1: the utterance has no line here"]),
    ("utt2spk", b"ann-1 ann\nann-2 ann x\nbob-1\n", [
        "utt2spk:2: ann-2: expected one word after the key, got 'ann x'",
        "utt2spk:3: bob-1: expected one word after the key, got ''",
    ]),
    ("spk2utt", b"ann ann-1\ncid bob-1\n", [
        "spk2utt: bob: the speaker has no line here, but 1 utterances in utt2spk",
        "spk2utt:1: ann: not what utt2spk says: 1 utterances here, 2 in utt2spk, such as 'ann-2'",
        "spk2utt:2: cid: not what utt2spk says: 1 utterances here, 0 in utt2spk, such as 'bob-1'",
    ]),
    ("spk2utt", b"ann ann-2 ann-1\nbob bob-1\n", [
        "spk2utt:1: ann: not what utt2spk says: 2 utterances here, 2 in utt2spk, in another order",
    ]),
    ("spk2gender", b"ann f\nbob x\ncid m\n", [
        "spk2gender:2: bob: expected m or f, got 'x'",
        "spk2gender:3: cid: the speaker is not in utt2spk (3 keys here, 2 there)",
    ]),
    ("utt2dur", b"ann-1 0\nann-2 nan\nbob-1 1_5\n", [
        "utt2dur:1: ann-1: expected seconds above 0, got '0'",
        "utt2dur:2: ann-2: expected seconds above 0, got 'nan'",
        "utt2dur:3: bob-1: expected seconds above 0, got '1_5'",
    ]),
    ("utt2num_frames", b"ann-1 10\nann-2 1.5\nbob-1 -3\n", [
        "utt2num_frames:2: ann-2: expected a whole number above 0, got '1.5'",
        "utt2num_frames:3: bob-1: expected a whole number above 0, got '-3'",
    ]),
    ("spk2warp", b"ann 0.5\nbob 1.2\n", ["spk2warp:1: ann: expected a factor between 0.5 and 1.5, got '0.5'"]),
    ("utt2lang", b"ann-1 en\nann-2 e n\nbob-1 en\n", ["utt2lang:2: ann-2: expected one word"]),
    ("utt2tgtspk", b"ann-1 bob\nann-2 bob\n", ["utt2tgtspk: bob-1: the utterance has no line here"]),
    ("reco2file_and_channel", b"ann-1 f A\nann-2 f 1\nbob-1 f C\n", [
        "reco2file_and_channel:3: bob-1: expected 'recording file channel' with channel A or B",
    ]),
    ("reco2dur", b"ann-1 1.5\nann-2 x\nbob-1 1.5\n", ["reco2dur:2: ann-2: expected seconds above 0, got 'x'"]),
    ("feats.scp", b"ann-1 x.ark:5\nann-2 x.ark:7\nbob-1 ~/y.ark:9\n", [
        "feats.scp:1: ann-1: no such file: x.ark; 2 lines point to it",
        "feats.scp:3: bob-1: '~/y.ark:9' starts with '~'",
        "feats.scp:3: bob-1: no such file: ",
    ]),
    ("units", b"ann-1 1 2\nann-2 1 x\nbob-1\n", [
        "units:2: ann-2: expected unit numbers, got 'x'",
        "units:3: bob-1: no units",
        "units.json: no such file",
    ]),
]
# fmt: on


@pytest.mark.parametrize(("name", "content", "wanted"), BROKEN)
def test_every_kind_of_broken_file(good_dir: Path, name: str, content: bytes, wanted: list[str]) -> None:
    (good_dir / name).write_bytes(content)
    ours = [error for error in errors(good_dir, audio=False) if error.startswith(name.partition(".")[0])]
    assert len(ours) == len(wanted), ours
    for error, start in zip(ours, wanted):
        assert error.startswith(start)


@pytest.mark.parametrize(("name", "content"), [row[:2] for row in BROKEN])
def test_kaldi_accepts_what_was_fixed(good_dir: Path, kaldi: Callable[..., None], name: str, content: bytes) -> None:
    (good_dir / name).write_bytes(content)
    with suppress(DataError):  # where nothing is left
        fix(good_dir)
        kaldi(good_dir)


def test_all_problems_come_at_once(good_dir: Path) -> None:
    write(good_dir, "text", "bob-1 c", "ann-1  ", "ann-2 <s>")
    write(good_dir, "utt2dur", "ann-1 1.5", "ann-2 2.5")
    (good_dir / "spk2utt").unlink()
    edit(good_dir, "wav.scp", "ann-2.wav", "gone.wav")
    assert [error.partition(": ")[0] for error in errors(good_dir)] == [
        "spk2utt",
        "text:2",  # not sorted
        "text:2",  # empty
        "text:3",
        "utt2dur",
        "wav.scp:2",
    ]


def test_the_order_by_speaker(good_dir: Path) -> None:
    """Kaldi's sort trap: with `_` as joiner the two orders contradict each other."""
    sound = DataDir(good_dir).table("wav.scp")["ann-1"]
    folder = good_dir.parent / "trap"
    utt2spk = {"103_1": "103", "1034_1": "1034", "84_1": "84", "841_1": "841"}
    write_tables(folder, {"utt2spk": utt2spk, "wav.scp": dict.fromkeys(utt2spk, sound)})
    (error,) = errors(folder)
    assert error == (
        "utt2spk:2: 103_1: not sorted by speaker when sorted by utterance: '1034_1' stands before '103_1', but its "
        "speaker '1034' after '103'; start every utterance id with its speaker and '-'"
    )
    assert warnings(folder) == [
        "utt2spk: warning: 1034_1: 4 of 4 utterance ids do not start with their speaker and '-'"
    ]


def test_what_only_deserves_a_look(good_dir: Path, speech: Speech) -> None:
    names = {"solo-1": speech("wide.wav", channels=2), "solo-2": speech("fast.flac", rate=44_100)}
    folder = good_dir.parent / "solo"
    tables = {
        "utt2spk": dict.fromkeys(names, "solo"),
        "wav.scp": {name: str(path) for name, path in names.items()},
        "reco2file_and_channel": dict.fromkeys(names, "f 1"),
    }
    write_tables(folder, tables)
    assert errors(folder) == []
    assert warnings(folder) == [
        "reco2file_and_channel: warning: solo-1: 2 recordings have channel 1; expected A or B",
        "utt2spk: warning: there is only one speaker",
        "wav.scp: warning: solo-1: 1 of 2 sounds: down-mixed from 2 channels",
        "wav.scp: warning: solo-2: 1 of 2 sounds: resampled from 44100 Hz",
    ]
    assert "nothing to fix" in str(fix(folder))
    assert not (folder / ".backup").exists()


def test_sound(good_dir: Path, speech: Speech, streamed_flac: Path) -> None:
    short, silent = speech("short.wav", 0.05), speech("silent.wav", level=0)
    write(good_dir, "wav.scp", f"ann-1 {streamed_flac}", f"ann-2 {short}", f"bob-1 {silent}")
    write(good_dir, "target.scp", f"ann-1 {silent}", "ann-2 nowhere.wav", f"bob-1 {speech('good.wav')}")
    found = errors(good_dir)
    assert [error.partition(": ")[2].partition(": ")[2].partition(":")[0] for error in found] == [
        "silent",
        "no such audio file",
        "unreadable audio",
        "too short",
        "silent",
    ]
    assert [error.partition(": ")[0] for error in found][2:] == ["wav.scp:1", "wav.scp:2", "wav.scp:3"]
    assert errors(good_dir, audio=False) == []


def test_utt2dur_against_the_sound(good_dir: Path) -> None:
    edit(good_dir, "utt2dur", "ann-2 1.5", "ann-2 9.5")
    assert errors(good_dir) == ["utt2dur:2: ann-2: 9.5 s, but the sound lasts 1.500 s"]
    assert errors(good_dir, audio=False) == []
    fix(good_dir)
    assert DataDir(good_dir).durations()["ann-2"] == 1.5


def test_pipes_are_not_run_unasked(good_dir: Path, tmp_path: Path) -> None:
    sound, mark = DataDir(good_dir).table("wav.scp")["ann-1"], tmp_path / "mark"
    edit(good_dir, "wav.scp", f"ann-1 {sound}", f"ann-1 touch {mark}; cat {sound} |")
    assert errors(good_dir) == []
    assert "1 of 3 sounds come from shell commands, which were not run" in warnings(good_dir)[0]
    assert not mark.exists()
    assert validate(good_dir, allow_pipes=True) == []
    assert mark.exists()


def test_segments(good_dir: Path, speech: Speech) -> None:
    (good_dir / "utt2dur").unlink()
    write(good_dir, "wav.scp", f"talk {speech('talk.wav', 4.0)}", f"unused {speech('unused.wav')}")
    write(good_dir, "segments", "ann-1 talk 0 2", "ann-2 talk 2 4.75", "bob-1 gone 1 2")
    assert errors(good_dir) == [
        "segments:2: ann-2: segment beyond its recording: 2.0 s to 4.75 s, 0.75 s more than there is",
        "wav.scp: gone: the recording has no line here, but stands in segments (2 keys here, 2 there)",
        "wav.scp:2: unused: the recording is not in segments (2 keys here, 2 there)",
    ]
    write(good_dir, "segments", "ann-1 talk 2 1", "ann-2 talk 1 -1", "bob-1 talk x 2")
    found = errors(good_dir, audio=False)
    assert found[:3] == [
        "segments:1: ann-1: end 1 s is not after start 2 s",
        "segments:2: ann-2: end -1 s is not after start 1 s",
        "segments:3: bob-1: start 'x' and end '2' must be seconds",
    ]
    write(good_dir, "segments", "ann-1 talk 0", "ann-2 talk -1 2", "bob-1 talk 1 2")
    write(good_dir, "wav.scp", f"talk {speech('talk.wav', 4.0)}")
    write(good_dir, "reco2dur", "talk 1.2")
    assert errors(good_dir, audio=False) == [
        "segments:1: ann-1: expected 'utterance recording start end', got 3 fields",
        "segments:2: ann-2: start -1 s lies before the recording",
        "segments:3: bob-1: ends at 2 s, but 'talk' lasts 1.2 s (reco2dur)",
    ]
    (good_dir / "wav.scp").unlink()
    assert "wav.scp: is missing, but there are segments" in errors(good_dir)


def test_units_against_their_description(good_dir: Path) -> None:
    (good_dir / "units.json").write_text(json.dumps({"rate_hz": 50, "n_clusters": 4, "kmeans": None}))
    right, wrong = " ".join(["0", "1", "2"] * 25)[:-2], " ".join(["3"] * 60)
    write(good_dir, "units", f"ann-1 {right}", f"ann-2 {wrong}", "bob-1 4 4")
    assert errors(good_dir, audio=False) == [
        "units:2: ann-2: 60 units, but 1.5 s are 74 frames at 50 Hz",
        "units:3: bob-1: unit '4', expected 0 to 3 (see units.json)",
    ]
    (good_dir / "units.json").write_text('{"rate_hz": 62.5, "n_clusters": 4, "kmeans": null}')
    assert "units.json: units at 62.5 Hz; expected 50 or 100 Hz" in errors(good_dir, audio=False)[0]


def test_text_without_sound(good_dir: Path) -> None:
    (good_dir / "wav.scp").unlink()
    assert errors(good_dir) == []
    assert warnings(good_dir) == ["wav.scp: warning: is missing: the dir holds text without sound"]


def test_features_lie_where_they_are_said_to(good_dir: Path) -> None:
    arrays = {name: np.zeros((3, 2), np.float32) for name in NAMES}
    kaldiio.save_ark(str(good_dir / "feats.ark"), arrays, scp=str(good_dir / "feats.scp"))
    assert errors(good_dir) == []
    edit(good_dir, "feats.scp", "feats.ark:6", "feats.ark:6[0:1]")
    assert errors(good_dir) == []


# Repairing


def test_nothing_to_fix_writes_nothing(good_dir: Path) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in good_dir.iterdir()}
    assert str(fix(good_dir)) == f"{good_dir}: nothing to fix"
    assert {file.name: file.stat().st_mtime_ns for file in good_dir.iterdir()} == before


def test_fixing_what_can_be_fixed(good_dir: Path, speech: Speech) -> None:
    originals = {"text": b"\xef\xbb\xbfbob-1 c\xe2\x80\xa8d\r\nann-2 x\r\nann-1 a\x07\r\nzed-9 y\r\n\r\nann-1 a\x07"}
    (good_dir / "text").write_bytes(originals["text"])
    write(good_dir, "spk2utt", "bob bob-1")
    write(good_dir, "rejected.tsv", "old-1\tlost before")
    write(good_dir, "utt2category", "ann-1 a", "bob-1 b", "zed-9 z")  # of another toolkit
    write(good_dir, "feats_type", "raw")
    edit(good_dir, "wav.scp", "ann-2.wav", "gone.wav")
    repair = fix(good_dir)
    assert [problem for problem in validate(good_dir) if problem.severity == "error"] == []
    data = DataDir(good_dir)
    assert data.utterances == ["ann-1", "bob-1"]
    assert (good_dir / "text").read_bytes() == b"ann-1 a\nbob-1 c d\n"
    assert data.table("spk2utt") == {"ann": "ann-1", "bob": "bob-1"}
    assert data.table("utt2category") == {"ann-1": "a", "bob-1": "b"}
    assert (good_dir / "feats_type").read_text() == "raw\n"
    assert (good_dir / ".backup" / "text").read_bytes() == originals["text"]
    assert sorted(file.name for file in (good_dir / ".backup").iterdir()) == [
        "rejected.tsv",
        "spk2utt",
        "text",
        "utt2category",
        "utt2dur",
        "utt2spk",
        "wav.scp",
    ]
    rejected = read_lines(good_dir / "rejected.tsv")
    assert rejected[0].startswith("ann-2\tno such audio file: ")
    assert rejected[1:] == ["old-1\tlost before"]
    assert (repair.n_before, repair.n_kept) == (3, 2)
    assert "kept 2 of 3 utterances" in str(repair)
    assert "1 x no such audio file, such as ann-2" in str(repair)
    assert str(fix(good_dir)) == f"{good_dir}: nothing to fix"


def test_contradictions_leave_the_utterance_out(good_dir: Path) -> None:
    write(good_dir, "text", "ann-1 a", "ann-2 b", "ann-2 x", "bob-1 <s>")
    fix(good_dir, audio=False)
    assert DataDir(good_dir).utterances == ["ann-1"]
    assert read_lines(good_dir / "rejected.tsv") == [
        "ann-2\tno usable line in text: contradictory lines 2 and 3",
        "bob-1\tno usable line in text: '<s>' in the text: Kaldi keeps this word for itself",
    ]


def test_derived_files_cost_no_utterance(good_dir: Path) -> None:
    write(good_dir, "utt2dur", "ann-1 1.5")
    write(good_dir, "utt2num_frames", "ann-1 93", "ann-2 93", "bob-1 93", "bob-2 93")
    repair = fix(good_dir, audio=False)
    assert repair.n_kept == 3
    assert repair.removed == ("utt2dur",)
    assert not (good_dir / "utt2dur").exists()
    assert (good_dir / ".backup" / "utt2dur").exists()
    assert len(read_lines(good_dir / "utt2num_frames")) == 3


def test_fixing_segments(good_dir: Path, speech: Speech) -> None:
    talk, other = speech("talk.wav", 4.0), speech("other.wav", 2.0)
    write(good_dir, "utt2dur", "ann-1 2", "ann-2 2", "bob-1 1")
    write(good_dir, "wav.scp", f"talk {talk}", f"other {other}")
    write(good_dir, "segments", "ann-1 talk 0 2", "ann-2 talk 2 5.5", "bob-1 talk 2 3")
    write(good_dir, "reco2dur", "other 2", "talk 4")
    write(good_dir, "reco2file_and_channel", "other f A", "talk g A")
    fix(good_dir)
    data = DataDir(good_dir)
    assert data.utterances == ["ann-1", "bob-1"]
    for name in ("wav.scp", "reco2dur", "reco2file_and_channel"):
        assert data.table(name).keys() == {"talk"}
    assert errors(good_dir) == []
    write(good_dir, "segments", "ann-1 talk 0 2", "bob-1 talk 2")
    fix(good_dir)
    assert DataDir(good_dir).utterances == ["ann-1"]
    assert errors(good_dir) == []


def test_fixing_the_order_by_speaker(good_dir: Path) -> None:
    sound = DataDir(good_dir).table("wav.scp")["ann-1"]
    folder = good_dir.parent / "trap"
    utt2spk = {"103_1": "103", "1034_1": "1034", "84_1": "84"}
    write_tables(folder, {"utt2spk": utt2spk, "wav.scp": dict.fromkeys(utt2spk, sound), "text": utt2spk})
    repair = fix(folder)
    assert "3 utterances were renamed, such as '1034_1' to '1034-1034_1'" in str(repair)
    assert DataDir(folder).table("text") == {"103-103_1": "103", "1034-1034_1": "1034", "84-84_1": "84"}
    assert errors(folder) == []
    write_tables(folder, {"utt2spk": {"a-b-1": "a-b", "a-z": "a"}, "wav.scp": {"a-b-1": sound, "a-z": sound}})
    with pytest.raises(DataError, match="cannot be sorted by utterance and by speaker at once"):
        fix(folder)
    assert not (folder / ".backup").exists()


def test_what_cannot_be_fixed(good_dir: Path) -> None:
    write(good_dir, "text", "zed-1 nobody")
    with pytest.raises(DataError, match=r"no utterance would be left; nothing was changed: 3 x no usable line in text"):
        fix(good_dir)
    assert read_lines(good_dir / "text") == ["zed-1 nobody"]
    (good_dir / "utt2spk").unlink()
    with pytest.raises(DataError, match="utt2spk is missing or empty"):
        fix(good_dir)


LINES = st.lists(
    st.sampled_from(
        [
            "ann-1 one",
            "ann-1 other",
            "ann-2 two\u2028b",
            "bob-1 three\r",
            "bob-1",
            "zed-1 nobody",
            "",
            "ann-2\ttab",
            "\ufeffann-1 x",
            "ann-1 <s>",
        ]
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=LINES, speakers=LINES, end=st.sampled_from(["", "\n"]))
def test_after_fixing_there_is_no_error(good_dir: Path, text: list[str], speakers: list[str], end: str) -> None:
    (good_dir / "utt2spk").write_text("ann-1 ann\nann-2 ann\nbob-1 bob\n")
    for name in ("wav.scp", "spk2utt", "utt2dur"):
        backup = good_dir / ".backup" / name
        if backup.exists():
            backup.replace(good_dir / name)
    (good_dir / "text").write_bytes(("\n".join(text) + end).encode())
    (good_dir / "utt2uniq").write_bytes(("\n".join(speakers) + end).encode())
    before = {file.name: file.read_bytes() for file in good_dir.iterdir() if file.is_file()}
    try:
        fix(good_dir, audio=False)
    except DataError:
        assert {file.name: file.read_bytes() for file in good_dir.iterdir() if file.is_file()} == before
    else:
        assert errors(good_dir, audio=False) == []
        assert "nothing to fix" in str(fix(good_dir, audio=False))
