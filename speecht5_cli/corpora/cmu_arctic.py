"""CMU ARCTIC (festvox.org/cmu_arctic): the same prompts read by several speakers; pairs of them for conversion."""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from speecht5_cli.corpora.listing import folders, sounds
from speecht5_cli.corpora.parts import chosen_parts
from speecht5_cli.corpora.published import Published, compared
from speecht5_cli.data.utterance import Rejected, Utterance
from speecht5_cli.data.writer import DataDirReport, write_data_dir
from speecht5_cli.errors import DataError, UsageError

PROMPTS = [f"arctic_{part}{number:04d}" for part, n in (("a", 593), ("b", 539)) for number in range(1, n + 1)]
SPLITS = {"train": PROMPTS[:932], "dev": PROMPTS[932:1032], "test": PROMPTS[1032:]}
PAPER = "bdl,clb,rms,slt"  # the speakers of the paper
SPEECH = "speech"  # the parts of single recordings: speech_train and so on
_FOLDER = re.compile(r"(?:cmu_us_)?([a-z0-9]+)(?:_arctic)?", re.IGNORECASE)
_PROMPT = re.compile(rb'\(\s*(\S+)\s+"(.*)"\s*\)')
_KNOWN = set(PROMPTS)
_PROMPT_FILES = ("etc/txt.done.data", "etc/prompts.data", "txt.done.data")


def prepare(
    source: Path,
    out: Path,
    *,
    parts: list[str] | None = None,
    check_audio: bool = True,
    nj: int = 1,
    speakers: str = PAPER,
    test_pairs: str = "",
) -> list[DataDirReport]:
    """CMU ARCTIC as pairs: what one speaker reads, and the same prompt read by another.

    `source` holds the folders cmu_us_<speaker>_arctic. `speakers` are three-letter names with commas between, or `all`
    that are there. The parts `train`, `dev` and `test` hold every ordered pair of two speakers, split by the prompt:
    the first 932 of the 1,132 prompts, the next 100, the last 100, whatever a speaker lacks. `speech_train`,
    `speech_dev`, `speech_test` hold the same recordings one by one. By default all parts that any recording is in. A
    pair needs both recordings, and texts that differ in punctuation and case at most; its id names both speakers:
    clb-slt-arctic_b0440. `test_pairs` gives test sets of single pairs: bdl-slt,clb-slt the parts `test_bdl_slt` and
    `test_clb_slt`.

    Raises UsageError for an unknown part or speaker, DataError where no speaker is found or a wanted part is empty.
    """
    voices = _voices(source, speakers)
    among = _tested(test_pairs, voices)
    faults = [fault for voice in voices for fault in voice.faults]
    reports: list[DataDirReport] = []
    for name in chosen_parts(parts, [*SPLITS, *(f"{SPEECH}_{split}" for split in SPLITS), *among]):
        single = name.startswith(SPEECH)
        prompts = set(SPLITS["test" if name in among else name.removeprefix(f"{SPEECH}_")])
        couples = among.get(name) or list(permutations(voices, 2))
        differing: list[Rejected] = []
        utterances = list(_recordings(voices, prompts) if single else _pairs(couples, prompts, differing))
        if not utterances and parts is None:
            continue
        # What belongs to no prompt is said once, with the first set.
        here = prompts if reports else prompts | {fault.prompt for fault in faults} - _KNOWN
        concerned = [fault for fault in faults if fault.prompt in here]
        report = write_data_dir(
            out / name,
            utterances,
            rejected=[*(Rejected(fault.where, fault.reason) for fault in concerned), *differing],
            check_audio=check_audio,
            nj=nj,
        )
        n = len(voices) if single else len(couples)
        published = Published(n * len(prompts), items="recordings" if single else "pairs")
        reports.append(compared(report, published, n_items=len(utterances), n_speakers=report.n_speakers))
    return reports


@dataclass(frozen=True, slots=True)
class _Fault:
    """Something wrong with what one speaker has of one prompt."""

    prompt: str
    where: str
    reason: str


@dataclass
class _Voice:
    """A speaker's recordings: prompt -> path, prompt -> text."""

    name: str
    paths: dict[str, str]
    texts: dict[str, str]
    faults: list[_Fault]


def _voices(source: Path, wanted: str) -> list[_Voice]:
    """The wanted speakers, sorted."""
    there = {}
    for root in (source, source / "ARCTIC"):
        for name, path in folders(root) if root.is_dir() else ():
            if (match := _FOLDER.fullmatch(name)) and (Path(path) / "wav").is_dir():
                there[match[1].lower()] = Path(path)
    if not there:
        raise DataError(f"{source}: no folder such as cmu_us_bdl_arctic with a folder wav inside; is it unpacked?")
    names = sorted(there) if wanted == "all" else sorted({name.strip() for name in wanted.split(",") if name.strip()})
    if missing := [name for name in names if name not in there]:
        raise UsageError(f"speakers={wanted}: no speaker '{missing[0]}' in {source}; it has {', '.join(sorted(there))}")
    return [_voice(name, there[name]) for name in names]


def _tested(wanted: str, voices: Sequence[_Voice]) -> dict[str, list[tuple[_Voice, _Voice]]]:
    """Part -> the pair of voices that it holds, from words such as bdl-slt."""
    by_name = {voice.name: voice for voice in voices}
    sets = {}
    for pair in filter(None, map(str.strip, wanted.split(","))):
        one, _, other = pair.partition("-")
        if one not in by_name or other not in by_name or one == other:
            raise UsageError(f"test_pairs={wanted}: '{pair}' is no pair, such as bdl-slt, of {', '.join(by_name)}")
        sets[f"test_{one}_{other}"] = [(by_name[one], by_name[other])]
    return sets


def _voice(name: str, folder: Path) -> _Voice:
    faults: list[_Fault] = []
    texts = _texts(name, folder, faults)
    paths, second = sounds(folder / "wav")
    said = {fault.prompt for fault in faults}
    reasons = dict.fromkeys(texts.keys() - paths.keys(), "no audio file: its prompt is there")
    for prompt in paths.keys() - said:
        if prompt not in _KNOWN:
            reasons[prompt] = "no prompt of the corpus: names are arctic_a0001 to a0593 and arctic_b0001 to b0539"
        elif prompt not in texts:
            reasons[prompt] = f"no prompt: {paths[prompt]} has no line in the list of prompts"
    faults += [_Fault(prompt, f"{name}-{prompt}", reason) for prompt, reason in sorted(reasons.items())]
    faults += [_Fault("", file, "second audio file: another one has the same name") for file in second]
    return _Voice(name, {prompt: paths[prompt] for prompt in sorted(texts.keys() & paths.keys())}, texts, faults)


def _texts(name: str, folder: Path, faults: list[_Fault]) -> dict[str, str]:
    """Prompt -> text, from lines such as ( arctic_a0001 "Author of the danger trail." )."""
    file = next((folder / name for name in _PROMPT_FILES if (folder / name).is_file()), None)
    if file is None:
        raise DataError(f"{folder}: no {_PROMPT_FILES[0]}, which holds the prompts")
    texts: dict[str, str] = {}
    for number, line in enumerate(file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        match = _PROMPT.fullmatch(line.strip())
        prompt = match[1].decode(errors="replace") if match else f"line {number}"
        text, fault = _judged(match[2]) if match else ("", 'not of the form ( name "text" )')
        if not fault and texts.get(prompt, text) != text:
            fault = "a second text for this prompt"
        if fault:
            texts.pop(prompt, None)
            faults.append(_Fault(prompt, f"{name}-{prompt}", f"unusable prompt: {fault}, line {number} of {file}"))
        else:
            texts[prompt] = text
    return texts


def _judged(raw: bytes) -> tuple[str, str]:
    """A text, or its fault. Quotation marks inside are written with a backslash."""
    try:
        text = " ".join(raw.decode().replace('\\"', '"').split())
    except UnicodeDecodeError as error:
        return "", f"not UTF-8 ({error.reason})"
    return text, "" if text else "empty"


def _pairs(
    couples: Sequence[tuple[_Voice, _Voice]], prompts: Set[str], differing: list[Rejected]
) -> Iterator[Utterance]:
    """What one of a couple reads and the other as well, of the prompts."""
    for one, other in couples:
        for prompt in one.paths.keys() & other.paths.keys() & prompts:
            name = f"{one.name}-{other.name}-{prompt}"
            text, other_text = one.texts[prompt], other.texts[prompt]
            if _words(text) != _words(other_text):
                differing.append(Rejected(name, f"different texts: '{text}' and '{other_text}'"))
                continue
            target = {"target.scp": other.paths[prompt], "utt2tgtspk": other.name}
            yield Utterance(name, one.name, one.paths[prompt], text, tables=target)


def _recordings(voices: Sequence[_Voice], prompts: Set[str]) -> Iterator[Utterance]:
    for voice in voices:
        for prompt in voice.paths.keys() & prompts:
            yield Utterance(f"{voice.name}-{prompt}", voice.name, voice.paths[prompt], voice.texts[prompt])


def _words(text: str) -> list[str]:
    return re.sub(r"[^\w']+", " ", text.lower()).split()
