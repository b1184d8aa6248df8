"""Is it a data dir? Every problem at once, with file, line and utterance; nothing is changed here (see data/fix.py)."""

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from speecht5_cli.data.audio import AudioRef
from speecht5_cli.data.check import LIMITS, AudioLimits, Heard, Sound, check_sounds, kind_of
from speecht5_cli.data.datadir import companion_of, resolved, without_place
from speecht5_cli.data.problems import Problem
from speecht5_cli.data.rules import is_unit_table, rule_of
from speecht5_cli.data.scan import Scanned, scanned
from speecht5_cli.data.tables import inverted
from speecht5_cli.data.transcript import is_text_table
from speecht5_cli.errors import DataError

_DURATION_SLACK_S = 0.05  # between utt2dur and the sound
_UNITS_SLACK = 1  # frame; utt2dur may be rounded


@dataclass
class Inspection:
    """A data dir as it stands, and everything that is wrong with it."""

    path: Path
    tables: dict[str, Scanned]
    problems: list[Problem] = field(default_factory=list)  # of more than one line; those of a line are in the tables
    heard: dict[str, Heard] = field(default_factory=dict)  # utterance -> what the audio check found
    bad_sound: dict[str, str] = field(default_factory=dict)  # utterance -> why its sound cannot be used
    wrong_durations: set[str] = field(default_factory=set)  # utterances whose utt2dur is not what was heard

    def all_problems(self) -> list[Problem]:
        """The problems of the dir and of its tables, by file and line."""
        found = [*self.problems, *(problem for table in self.tables.values() for problem in table.problems)]
        return sorted(found, key=lambda problem: (problem.file, problem.line or 0, problem.key))

    def complain(self, file: str, message: str, line: int | None = None, key: str = "") -> None:
        """Note an error in one of the files."""
        self.problems.append(Problem(self.path / file, message, line, key))

    def warn(self, file: str, message: str, key: str = "") -> None:
        """Note something odd that harms nothing."""
        self.problems.append(Problem(self.path / file, message, None, key, "warning"))

    def values(self, name: str) -> dict[str, str]:
        """The usable lines of a table, nothing if it is not there."""
        return self.tables[name].values if name in self.tables else {}

    def duration_s(self, utterance: str) -> float | None:
        """Seconds of an utterance's sound, as far as they are known."""
        heard = self.heard.get(utterance)
        if heard and not heard.fault:
            return heard.duration_s
        value = self.values("utt2dur").get(utterance)
        return None if value is None else float(value)

    def keys(self, name: str) -> Set[str]:
        """All keys of a table, also those of unusable lines."""
        return self.tables[name].lines.keys() if name in self.tables else set()


def validate(
    path: Path, *, audio: bool = True, nj: int = 1, allow_pipes: bool = False, limits: AudioLimits = LIMITS
) -> list[Problem]:
    """Everything that is wrong in the data dir `path`, by file and line. Raises DataError if there is no such folder.

    The rules are Kaldi's and those of our own files. With `audio` every sound is read to its end.
    """
    return inspect(path, audio=audio, nj=nj, allow_pipes=allow_pipes, limits=limits).all_problems()


def inspect(
    path: Path, *, audio: bool = True, nj: int = 1, allow_pipes: bool = False, limits: AudioLimits = LIMITS
) -> Inspection:
    """As `validate`, with the tables that were read and what was heard."""
    if not path.is_dir():
        raise DataError(f"{path}: no such folder")
    files = sorted(file for file in path.iterdir() if file.is_file())
    tables = {file.name: scanned(file, rule) for file in files if (rule := rule_of(file.name))}
    inspection = Inspection(path, tables)
    _check_presence(inspection)
    _check_keys(inspection)
    _check_speakers(inspection)
    _check_companions(inspection)
    _check_segment_ends(inspection, limits)
    if audio:
        _check_sound(inspection, nj=nj, allow_pipes=allow_pipes, limits=limits)
    _check_units(inspection)
    return inspection


def _check_presence(inspection: Inspection) -> None:
    tables = inspection.tables
    for name in ("utt2spk", "spk2utt"):
        if name not in tables:
            inspection.complain(name, "is missing")
    if "wav.scp" not in tables:
        if "segments" in tables:
            inspection.complain("wav.scp", "is missing, but there are segments")
        elif any(is_text_table(name) for name in tables):
            inspection.warn("wav.scp", "is missing: the dir holds text without sound")
        elif "feats.scp" not in tables:
            inspection.complain("wav.scp", "is missing, and so are feats.scp and text")


def _check_keys(inspection: Inspection) -> None:
    """Every table has one line for each utterance, recording or speaker."""
    if "utt2spk" not in inspection.tables:
        return
    keys: dict[str, tuple[str, Set[str]]] = {
        "utterance": ("utt2spk", inspection.keys("utt2spk")),
        "recording": ("utt2spk", inspection.keys("utt2spk")),
        "speaker": ("utt2spk", set(inspection.values("utt2spk").values())),
    }
    if "segments" in inspection.tables:
        named = {value.split()[0] for value in inspection.values("segments").values()}
        keys["recording"] = ("segments", named)
    for name, table in inspection.tables.items():
        if name not in ("utt2spk", "spk2utt"):
            _compare_keys(inspection, table, *keys[table.rule.key])


def _compare_keys(inspection: Inspection, table: Scanned, source: str, wanted: Set[str]) -> None:
    have = table.lines.keys()
    if not have:
        return  # the file is empty, which was said
    numbers = f"{len(have)} keys here, {len(wanted)} there"
    known_lines = inspection.tables[source].lines
    for key in wanted - have:
        place = f"{source}:{known_lines[key]}" if key in known_lines else source
        table.complain(f"the {table.rule.key} has no line here, but stands in {place} ({numbers})", None, key)
    for key in have - wanted:
        table.complain(f"the {table.rule.key} is not in {source} ({numbers})", table.lines[key], key)


def _check_speakers(inspection: Inspection) -> None:
    utt2spk = inspection.values("utt2spk")
    if not utt2spk:
        return
    if "spk2utt" in inspection.tables:
        _check_inversion(inspection.tables["spk2utt"], utt2spk)
    for one, two in pairwise(sorted(utt2spk)):
        if utt2spk[one] > utt2spk[two]:
            inspection.complain(
                "utt2spk",
                f"not sorted by speaker when sorted by utterance: '{one}' stands before '{two}', but its speaker "
                f"'{utt2spk[one]}' after '{utt2spk[two]}'; start every utterance id with its speaker and '-'",
                inspection.tables["utt2spk"].lines[two],
                two,
            )
            break
    if foreign := [utterance for utterance, speaker in utt2spk.items() if not utterance.startswith(f"{speaker}-")]:
        numbers = f"{len(foreign)} of {len(utt2spk)} utterance ids"
        inspection.warn("utt2spk", f"{numbers} do not start with their speaker and '-'", foreign[0])
    if len(set(utt2spk.values())) == 1:
        inspection.warn("utt2spk", "there is only one speaker")


def _check_inversion(spk2utt: Scanned, utt2spk: dict[str, str]) -> None:
    wanted = inverted(utt2spk)
    for speaker in wanted.keys() - spk2utt.lines.keys():
        n_wanted = len(wanted[speaker].split())
        spk2utt.complain(f"the speaker has no line here, but {n_wanted} utterances in utt2spk", None, speaker)
    for speaker, value in spk2utt.values.items():
        have, want = value.split(), wanted.get(speaker, "").split()
        if have != want:
            other = sorted(set(have) ^ set(want))
            what = f"such as '{other[0]}'" if other else "in another order"
            numbers = f"{len(have)} utterances here, {len(want)} in utt2spk"
            spk2utt.complain(f"not what utt2spk says: {numbers}, {what}", spk2utt.lines[speaker], speaker)


def _check_companions(inspection: Inspection) -> None:
    """Archives that must be there, and what is only unusual."""
    for name in ("feats.scp", "vad.scp", "cmvn.scp", "xvector.scp", "spk_xvector.scp"):
        for archive, keys in _archives(inspection, name).items():
            if not Path(archive).exists():
                table, message = inspection.tables[name], f"no such file: {archive}"
                table.complain(f"{message}; {len(keys)} lines point to it", table.lines[keys[0]], keys[0])
                table.give_up(keys, message)
    if numbered := [key for key, value in inspection.values("reco2file_and_channel").items() if value.endswith(" 1")]:
        message = f"{len(numbered)} recordings have channel 1; expected A or B"
        inspection.warn("reco2file_and_channel", message, numbered[0])


def _check_units(inspection: Inspection) -> None:
    """Unit labels against their description and against the length of the sound, where that is known."""
    names = list(filter(is_unit_table, inspection.tables))
    if not names:
        return
    from speecht5_cli.data.units import UnitInfo

    for name in names:
        try:
            info = UnitInfo.load(inspection.path, name)
        except DataError as error:
            inspection.complain(companion_of(name), str(error).removeprefix(f"{inspection.path / name}.json: "))
            continue
        table, known = inspection.tables[name], {str(unit) for unit in range(info.n_clusters)}
        for utterance, value in list(table.values.items()):
            units, duration_s = value.split(), inspection.duration_s(utterance)
            n_frames = len(units) if duration_s is None else info.n_frames(duration_s)
            fault = ""
            if unknown := set(units) - known:
                fault = f"unit '{min(unknown)}', expected 0 to {info.n_clusters - 1} (see {companion_of(name)})"
            elif abs(len(units) - n_frames) > _UNITS_SLACK:
                fault = f"{len(units)} units, but {duration_s} s are {n_frames} frames at {info.rate_hz:g} Hz"
            if fault:
                table.complain(fault, table.lines[utterance], utterance)
                table.give_up([utterance], fault)


def _check_segment_ends(inspection: Inspection, limits: AudioLimits) -> None:
    """As far as it can be known without the sound."""
    lengths_s = {key: float(value) for key, value in inspection.values("reco2dur").items()}
    for utterance, value in inspection.values("segments").items():
        recording, _, end = value.split()
        if float(end) > lengths_s.get(recording, float("inf")) + limits.overshoot_s:
            message = f"ends at {end} s, but '{recording}' lasts {lengths_s[recording]} s (reco2dur)"
            inspection.complain("segments", message, inspection.tables["segments"].lines[utterance], utterance)
            inspection.bad_sound[utterance] = f"segment beyond its recording: {message}"


def _archives(inspection: Inspection, name: str) -> dict[str, list[str]]:
    """Archive -> the keys that point into it. Pipes are left out."""
    archives: dict[str, list[str]] = {}
    for key, value in inspection.values(name).items():
        if not value.endswith("|"):
            archives.setdefault(without_place(value), []).append(key)
    return dict(zip(resolved(inspection.path, archives), archives.values()))


def _check_sound(inspection: Inspection, *, nj: int, allow_pipes: bool, limits: AudioLimits) -> None:
    for name in ("wav.scp", "target.scp"):
        sounds = list(_sounds(inspection, name))
        pipes = [sound for sound in sounds if sound.ref.source.endswith("|")]
        if pipes and not allow_pipes:
            inspection.warn(
                name,
                f"{len(pipes)} of {len(sounds)} sounds come from shell commands, which were not run; allow it with "
                "--allow-pipes if you trust them",
                pipes[0].id,
            )
            sounds = [sound for sound in sounds if not sound.ref.source.endswith("|")]
        doing = f"{inspection.path / name}: checking audio"
        answers = check_sounds(sounds, limits=limits, nj=nj, allow_pipes=allow_pipes, doing=doing)
        _report_sound(inspection, name, sounds, answers)
    _check_durations(inspection)


def _sounds(inspection: Inspection, name: str) -> Iterable[Sound]:
    sources = inspection.values(name)
    places = dict(zip(sources, resolved(inspection.path, sources.values())))
    if name != "wav.scp":
        return [Sound(utterance, AudioRef(source)) for utterance, source in places.items()]
    texts = inspection.values("text")
    if "segments" not in inspection.tables:
        return [Sound(utterance, AudioRef(source), texts.get(utterance)) for utterance, source in places.items()]
    sounds = []
    for utterance, value in inspection.values("segments").items():
        recording, start, end = value.split()
        if recording in places:
            ref = AudioRef(places[recording], float(start), float(end))
            sounds.append(Sound(utterance, ref, texts.get(utterance)))
    return sounds


def _report_sound(inspection: Inspection, name: str, sounds: list[Sound], answers: list[Heard]) -> None:
    file = "segments" if name == "wav.scp" and "segments" in inspection.tables else name
    lines = inspection.tables[file].lines if file in inspection.tables else {}
    noted: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for sound, heard in zip(sounds, answers):
        if name == "wav.scp":
            inspection.heard[sound.id] = heard
        if heard.fault:
            inspection.bad_sound.setdefault(sound.id, heard.fault if name == "wav.scp" else f"target {heard.fault}")
            inspection.complain(file, heard.fault, lines[sound.id], sound.id)
        for note in map(kind_of, heard.notes):
            noted[note] += 1
            examples.setdefault(note, sound.id)
    for note, times in noted.items():
        inspection.warn(file, f"{times} of {len(sounds)} sounds: {note}", examples[note])


def _check_durations(inspection: Inspection) -> None:
    for utterance, value in inspection.values("utt2dur").items():
        heard = inspection.heard.get(utterance)
        if heard and not heard.fault and abs(float(value) - heard.duration_s) > _DURATION_SLACK_S:
            inspection.wrong_durations.add(utterance)
            message = f"{value} s, but the sound lasts {heard.duration_s:.3f} s"
            inspection.complain("utt2dur", message, inspection.tables["utt2dur"].lines[utterance], utterance)
