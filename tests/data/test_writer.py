"""Writing data dirs: what comes in, what stays out and why, and that Kaldi would accept the result."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from speecht5_cli.data.datadir import DataDir
from speecht5_cli.data.tables import read_lines
from speecht5_cli.data.validate import validate
from speecht5_cli.data.writer import AudioLimits, Rejected, Utterance, recording_ids, write_data_dir
from speecht5_cli.errors import DataError

Speech = Callable[..., Path]


def table(path: Path) -> dict[str, str]:
    return dict(line.partition(" ")[::2] for line in read_lines(path))


def reasons(out: Path) -> dict[str, str]:
    return dict(line.partition("\t")[::2] for line in read_lines(out / "rejected.tsv"))


def test_a_dir_as_it_should_be(tmp_path: Path, speech: Speech) -> None:
    sound = str(speech("x.wav", 1.25))
    given = [
        Utterance("bob-1", "bob", sound, " Grüße  aus\u2028Köln ", tables={"text.fr": "salut"}),
        Utterance("ann-2", "ann", sound, "two", tables={"text.fr": "deux"}),
        Utterance("ann-10", "ann", sound, "ten", tables={"text.fr": "dix"}),
    ]
    report = write_data_dir(tmp_path / "out" / "train", given)
    out = report.out
    assert sorted(file.name for file in out.iterdir()) == [
        ".written",
        "spk2utt",
        "text",
        "text.fr",
        "utt2dur",
        "utt2spk",
        "wav.scp",
    ]
    assert (out / "utt2spk").read_text() == "ann-10 ann\nann-2 ann\nbob-1 bob\n"
    assert (out / "spk2utt").read_text() == "ann ann-10 ann-2\nbob bob-1\n"
    assert (out / "text").read_text(encoding="utf-8") == "ann-10 ten\nann-2 two\nbob-1 Grüße aus Köln\n"
    assert table(out / "utt2dur") == dict.fromkeys(("ann-10", "ann-2", "bob-1"), "1.25")
    assert table(out / "text.fr")["ann-10"] == "dix"
    assert (report.n_kept, report.n_speakers, report.duration_s, report.rejected) == (3, 2, 3.75, ())
    assert report.notes == {"unusual blanks in the text": 1}
    assert validate(out) == []


def test_what_stays_out_and_why(tmp_path: Path, speech: Speech) -> None:
    sound, short, silent = str(speech("x.wav", 2.0)), str(speech("short.wav", 0.05)), str(speech("0.wav", level=0))
    stereo = str(speech("fast.flac", 2.0, rate=44_100, channels=2))
    given = [
        Utterance("s-01", "s", sound, "good"),
        Utterance("s-01", "s", short, "again"),
        Utterance("s-02", "s", str(tmp_path / "missing.wav"), "text"),
        Utterance("s-03", "s", sound, " \t"),
        Utterance("s-04", "s", sound, "\x00\u200b"),
        Utterance("s-05", "s", sound),
        Utterance("t-06", "s", sound, "not s"),
        Utterance("s-", "s", sound, "nothing behind the speaker"),
        Utterance("s-0 7", "s", sound, "blank"),
        Utterance("s-\u00a08", "s", sound, "odd blank"),
        Utterance("s-../9", "s", sound, "slash"),
        Utterance("-1", "", sound, "nobody"),
        Utterance("s-11", "s", f"cat {sound} |", "pipe"),
        Utterance("s-12", "s", "~/x.wav", "tilde"),
        Utterance("s-13", "s", f"{sound}\n", "line break"),
        Utterance("s-14", "s", sound, "a <s> b"),
        Utterance("s-15", "s", short, "x\u2028y"),
        Utterance("s-16", "s", silent, "x"),
        Utterance("s-17", "s", sound, "x" * 101),
        Utterance("s-18", "s", "", "x"),
        Utterance("s-19", "s", stereo, "bell\a"),
    ]
    report = write_data_dir(tmp_path / "out", given, rejected=[Rejected("a/b.wav", "no transcript")])
    assert table(report.out / "text") == {"s-01": "good", "s-19": "bell"}
    assert table(report.out / "wav.scp")["s-01"] == sound
    found = reasons(report.out)
    assert len(found) == 19 + 1
    wanted = {
        "s-01": f"duplicate id: '{short}' is left out, '{sound}' was there first",
        "s-02": "no such audio file",
        "s-03": "empty text",
        "s-04": "empty text",
        "s-05": "no text",
        "t-06": "id without its speaker",
        "s-": "id without its speaker",
        "s-0 7": "unusable id",
        "s- 8": "unusable id",
        "s-../9": "unusable id",
        "-1": "unusable speaker",
        "s-11": "audio from a shell pipe",
        "s-12": "unusable path",
        "s-13": "unusable path",
        "s-14": "reserved word in text: Kaldi keeps '<s>' for itself",
        "s-15": "too short: 0.050 s, at least 0.1 s",
        "s-16": "silent: its peak is -inf dB",
        "s-17": "text too long for its audio: 101 characters in 2.00 s",
        "s-18": "no audio",
        "a/b.wav": "no transcript",
    }
    assert found.keys() == wanted.keys()
    for name, start in wanted.items():
        assert found[name].startswith(start), name
    assert report.notes == {
        "characters that do not print in the text": 1,
        "resampled from 44100 Hz": 1,
        "down-mixed from 2 channels": 1,
    }
    shown = str(report)
    assert f"{report.out}: 2 utterances, 1 speakers, 0.00 h" in shown
    assert "20 left out" in shown
    assert "2 x empty text, such as s-03" in shown
    assert "1 x resampled from 44100 Hz" in shown
    assert [problem for problem in validate(report.out) if problem.severity == "error"] == []


def test_segments(tmp_path: Path, speech: Speech, kaldi_if_there: Callable[..., None]) -> None:
    one, two = str(speech("a/talk.wav", 3.0)), str(speech("b/talk.wav", 3.0))
    given = [
        Utterance("s-1", "s", one, "one", 0.0, 1.5),
        Utterance("s-2", "s", one, "two", 1, 3.25),  # 0.25 s too long: cut
        Utterance("s-3", "s", two, "three", 2.0, 4.0),  # 1 s too long: out
        Utterance("s-4", "s", two, "four", 0.1234567, 3.0),
        Utterance("s-5", "s", two, "five", 2.0, 2.0),
        Utterance("s-6", "s", two, "six", -1.0, 2.0),
        Utterance("s-7", "s", two, "seven", 1.0, float("nan")),
        Utterance("s-8", "s", two, "eight", 1.0),
    ]
    report = write_data_dir(tmp_path / "out", given)
    out = report.out
    assert table(out / "wav.scp") == {"a-talk": one, "b-talk": two}
    assert table(out / "segments") == {"s-1": "a-talk 0 1.5", "s-2": "a-talk 1 3", "s-4": "b-talk 0.123457 3"}
    assert table(out / "utt2dur")["s-2"] == "2"
    kinds = {name: reason.partition(":")[0] for name, reason in reasons(out).items()}
    assert kinds == {
        "s-3": "segment beyond its recording",
        "s-5": "impossible segment",
        "s-6": "impossible segment",
        "s-7": "impossible segment",
        "s-8": "half a segment",
    }
    assert report.notes == {"segment cut at the end of its recording": 1}
    assert [problem for problem in validate(out) if problem.severity == "error"] == []
    kaldi_if_there(out)


def test_the_target_is_sound_too(tmp_path: Path, speech: Speech) -> None:
    sound, short = str(speech("x.wav", 1.0)), str(speech("short.wav", 0.05))
    given = [
        Utterance("s-1", "s", sound, tables={"target.scp": sound, "utt2tgtspk": "t"}),
        Utterance("s-2", "s", sound, tables={"target.scp": short, "utt2tgtspk": "t"}),
        Utterance("s-3", "s", sound, tables={"target.scp": "cat x |", "utt2tgtspk": "t"}),
        Utterance("s-4", "s", sound, tables={"target.scp": sound}),
        Utterance("s-5", "s", sound, tables={"target.scp": sound, "utt2tgtspk": ""}),
        Utterance("s-6", "s", sound, tables={"target.scp": str(tmp_path / "no.wav"), "utt2tgtspk": "t"}),
    ]
    report = write_data_dir(tmp_path / "out", given)
    assert DataDir(report.out).utterances == ["s-1"]
    assert reasons(report.out) == {
        "s-2": "target too short: 0.050 s, at least 0.1 s are needed",
        "s-3": "target.scp audio from a shell pipe: 'cat x |'; decode it to a file first",
        "s-4": "no utt2tgtspk",
        "s-5": "empty utt2tgtspk",
        "s-6": f"target no such audio file: {tmp_path / 'no.wav'}",
    }


def test_reasons_may_come_while_the_utterances_do(tmp_path: Path, speech: Speech) -> None:
    rejected: list[Rejected] = []

    def utterances() -> Iterator[Utterance]:
        rejected.append(Rejected("lost", "no transcript\nat all"))
        yield Utterance("s-1", "s", str(speech("x.wav")))

    report = write_data_dir(tmp_path / "out", utterances(), rejected=rejected)
    assert reasons(report.out) == {"lost": "no transcript at all"}
    assert report.rejected == (Rejected("lost", "no transcript\nat all"),)


def test_tables_of_speakers_and_remarks(tmp_path: Path, speech: Speech) -> None:
    sound = str(speech("x.wav"))
    given = [Utterance("ann-1", "ann", sound), Utterance("bob-1", "bob", sound)]
    tables = {"spk2gender": {"ann": "f", "bob": "m", "eve": "f"}, "spk2warp": {"ann": "1.0"}}
    report = write_data_dir(tmp_path / "out", given, speaker_tables=tables, remarks=["half of it is missing"])
    assert (tmp_path / "out" / "spk2gender").read_text() == "ann f\nbob m\n"
    assert not (tmp_path / "out" / "spk2warp").exists()
    assert report.remarks == ("half of it is missing", "no spk2warp: it would lack 1 speakers, such as bob")
    assert str(report).endswith("such as bob")
    assert validate(tmp_path / "out") == []


def test_without_the_audio_check(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    report = write_data_dir(
        tmp_path / "out", [Utterance("s-1", "s", str(tmp_path / "empty.wav"), "x")], check_audio=False
    )
    assert report.duration_s is None
    assert not (report.out / "utt2dur").exists()
    with pytest.raises(DataError, match=r"no utterance is left.*1 x no such audio file, such as s-1"):
        write_data_dir(tmp_path / "out", [Utterance("s-1", "s", "gone.wav")], check_audio=False)


def test_a_dir_that_says_the_same_stays_with_what_was_added(tmp_path: Path, speech: Speech) -> None:
    """Another task's run of the recipe must not take the vectors away from a training."""
    sound, silent = str(speech("x.wav")), str(speech("silent.wav", level=0))
    given = [Utterance(f"s-{n}", "s", sound, "x") for n in (1, 2)]
    out = write_data_dir(tmp_path / "out", given).out
    (out / "xvector.scp").write_text("s-1 here\ns-2 here\n")
    assert write_data_dir(out, given).n_kept == 2
    assert (out / "xvector.scp").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audio", "out"]
    write_data_dir(out, [*given, Utterance("s-3", "s", silent, "x")])  # the same tables, but something left out
    assert (out / "rejected.tsv").exists()
    assert not (out / "xvector.scp").exists()
    (out / "xvector.scp").touch()
    write_data_dir(out, given)  # and nothing left out any more
    assert not (out / "rejected.tsv").exists()
    assert not (out / "xvector.scp").exists()
    (out / "xvector.scp").touch()
    write_data_dir(out, [replace(one, text=None) for one in given])  # no stale table stays
    assert not (out / "text").exists()
    assert not (out / "xvector.scp").exists()


def test_targets_of_the_same_moments_are_as_long(tmp_path: Path, speech: Speech) -> None:
    long, short, silent = str(speech("a.wav", 1.0)), str(speech("b.wav", 0.8)), str(speech("0.wav", 0.5, level=0))
    pairs = {"s-1": (long, long), "s-2": (long, short), "s-3": (silent, long)}
    given = [Utterance(name, "s", one, tables={"target.scp": two}) for name, (one, two) in pairs.items()]
    assert write_data_dir(tmp_path / "out", given).n_kept == 2
    report = write_data_dir(tmp_path / "out", given, aligned=True)
    assert {item.id: item.reason.partition(":")[0] for item in report.rejected} == {
        "s-2": "target of another length",
        "s-3": "silent",
    }


def test_companions_are_no_tables(tmp_path: Path, speech: Speech) -> None:
    given = [Utterance("s-1", "s", str(speech("x.wav")))]
    report = write_data_dir(tmp_path / "out", given, companions={"trials.lines": ["a b", "c"]})
    assert (report.out / "trials.lines").read_text() == "a b\nc\n"
    assert "trials.lines" not in DataDir(report.out).files()
    assert not any(problem.severity == "error" for problem in validate(report.out))
    with pytest.raises(AssertionError, match="trials would be taken for a table"):
        write_data_dir(tmp_path / "out", given, companions={"trials": []})


def test_limits_are_settable(tmp_path: Path, speech: Speech) -> None:
    given = [Utterance(f"s-{n}", "s", str(speech(f"{n}.wav", n))) for n in (1, 2, 3)]
    report = write_data_dir(tmp_path / "out", given, limits=AudioLimits(min_seconds=1.5, max_seconds=2.5))
    assert DataDir(report.out).utterances == ["s-2"]


def test_nothing_left_is_an_error_and_keeps_the_old(tmp_path: Path, speech: Speech) -> None:
    write_data_dir(tmp_path / "out", [Utterance("s-1", "s", str(speech("x.wav")))])
    silent = str(speech("silent.wav", level=0))
    with pytest.raises(DataError, match=r"no utterance is left.*: 2 x silent, such as s-1; 1 x empty text"):
        given = [Utterance(f"s-{n}", "s", silent, "x") for n in (1, 2)]
        write_data_dir(tmp_path / "out", [*given, Utterance("s-3", "s", silent, " ")])
    with pytest.raises(DataError, match="the corpus gave none"):
        write_data_dir(tmp_path / "out", [])
    assert DataDir(tmp_path / "out").utterances == ["s-1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audio", "out"]  # no temporary folder is left


def test_only_data_dirs_are_replaced(tmp_path: Path, speech: Speech) -> None:
    sound = speech("x.wav")
    given = [Utterance("s-1", "s", str(sound))]
    with pytest.raises(DataError, match="is no data dir; move it away"):
        write_data_dir(sound.parent, given)
    (sound.parent / "utt2spk").touch()
    with pytest.raises(DataError, match=r"holds audio.*that replacing the folder would delete"):
        write_data_dir(sound.parent, given)
    assert sound.exists()
    for _ in range(2):
        write_data_dir(tmp_path / "out", given)
    assert len(read_lines(tmp_path / "out" / "utt2spk")) == 1


def test_speakers_that_no_order_suits(tmp_path: Path, speech: Speech) -> None:
    sound = str(speech("x.wav"))
    given = [Utterance("a-b-1", "a-b", sound), Utterance("a-z", "a", sound)]
    with pytest.raises(DataError, match="'a-b-1' sorts before 'a-z', but speaker 'a-b' after 'a'"):
        write_data_dir(tmp_path / "out", given)
    for one, two in (("84", "841"), ("103", "1034"), ("x", "x_y")):
        given = [Utterance(f"{speaker}-{n}", speaker, sound) for speaker in (two, one) for n in (1, 20, 3)]
        assert write_data_dir(tmp_path / "out", given).n_kept == 6


def test_what_is_a_programmers_mistake(tmp_path: Path, speech: Speech) -> None:
    sound = str(speech("x.wav"))
    with pytest.raises(DataError, match=r"'spk2gender' is no table of an utterance's own"):
        write_data_dir(tmp_path / "out", [Utterance("s-1", "s", sound, tables={"spk2gender": "f"})])
    mixed = [Utterance("s-1", "s", sound), Utterance("s-2", "s", sound, None, 0.0, 0.5)]
    with pytest.raises(DataError, match=r"1 utterances are segments \('s-2'\), 1 are whole recordings \('s-1'\)"):
        write_data_dir(tmp_path / "out", mixed)


def test_recordings_get_names_of_their_own() -> None:
    assert recording_ids(["x/a.wav", "x/b c.wav"]) == {"x/a.wav": "a", "x/b c.wav": "b_c"}
    assert recording_ids(["/x/a.wav", "/y/a.wav"]) == {"/x/a.wav": "x-a", "/y/a.wav": "y-a"}
    same = recording_ids(["x/a.wav", "x/a.flac", "z.ark:15", "z.ark:99"])
    assert len(set(same.values())) == 4


def test_kaldi_accepts_it(tmp_path: Path, speech: Speech, kaldi: Callable[..., None]) -> None:
    sound = str(speech("name with blanks.wav", 4.0))
    texts = ("Grüße\u00a0an", "two\u2028lines", "می\u200cروم", "bell\a", "🦊", "quote \" ' | ~")
    given = [Utterance(f"{s}-{n}", s, sound, text) for s in ("84", "841", "a_b") for n, text in enumerate(texts)]
    report = write_data_dir(tmp_path / "out", given, rejected=[Rejected("x", "y")])
    assert report.n_kept == 18
    kaldi(report.out)
    kaldi(write_data_dir(tmp_path / "out", [Utterance("s-1", "s", sound)]).out, "--no-text")


@pytest.fixture
def kaldi_if_there(request: pytest.FixtureRequest) -> Callable[..., None]:
    return request.getfixturevalue("kaldi") if os.environ.get("KALDI_ROOT") else lambda *_: None
