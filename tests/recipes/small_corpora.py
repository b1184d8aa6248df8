"""Small corpora in the layouts in which the real ones are shipped, all parts present; tones and noise for sound."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "while", "very", "cold", "winds", "blow"]


def sound(path: Path, seconds: float = 1.2, *, rate: int = RATE, pitch: float = 1.0) -> np.ndarray:
    """Write four tones with pauses and a little noise, other ones for every name; returns the wave (n,)."""
    rng = np.random.default_rng(list(path.name.encode()))
    time_s = np.arange(round(seconds * rate)) / rate
    tones = np.sin(
        2 * np.pi * pitch * rng.choice([200, 330, 470, 620, 880], 4)[(4 * time_s / seconds).astype(int)] * time_s
    )
    wave = 0.2 * tones * np.abs(np.sin(4 * np.pi * time_s / seconds)) + 0.01 * rng.standard_normal(len(time_s))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate)
    return wave


def sentence(number: int, n_words: int = 3) -> str:
    return " ".join(np.random.default_rng(number).choice(WORDS, n_words))


def librispeech(root: Path) -> None:
    """LibriSpeech/ and the text for language models beside it."""
    numbers = iter(range(1000))
    for subset in ("train-clean-100", "train-clean-360", "train-other-500", *EVALUATED):
        for reader in _readers(subset, 2):
            folder = root / "LibriSpeech" / subset / str(reader) / "7"
            names = [f"{reader}-7-{take:04d}" for take in range(3)]
            for name in names:
                sound(folder / f"{name}.flac", pitch=1 + reader % 5 / 10)
            lines = "".join(f"{name} {sentence(next(numbers)).upper()}\n" for name in names)
            (folder / f"{reader}-7.trans.txt").write_text(lines)
    (root / "LibriSpeech" / "SPEAKERS.TXT").write_text("; ID | SEX | SUBSET | MINUTES | NAME\n")
    with gzip.open(root / "librispeech-lm-norm.txt.gz", "wt") as file:
        file.writelines(f"{sentence(number, 5).upper()}\n" for number in range(60))


EVALUATED = ("dev-clean", "dev-other", "test-clean", "test-other")


def _readers(subset: str, n: int) -> range:
    """Readers of a subset, whom no other one has."""
    subsets = ("train-clean-100", "train-clean-360", "train-other-500", *EVALUATED)
    first = 100 + 10 * subsets.index(subset)
    return range(first, first + n)


def libritts(root: Path) -> None:
    for subset in ("train-clean-100", "train-clean-360", "dev-clean", "test-clean"):
        for reader in _readers(subset, 2):
            for take in range(3 if subset.startswith("train") else 1):
                file = root / "LibriTTS" / subset / str(reader) / "7" / f"{reader}_7_{take:06d}_000000.wav"
                sound(file, rate=24_000)
                text = f'"{sentence(10 * reader + take).capitalize()}," said Zoë: 7!'
                for kind in ("normalized", "original"):
                    file.with_suffix(f".{kind}.txt").write_text(text, encoding="utf-8")
    (root / "LibriTTS" / "SPEAKERS.txt").write_text(
        "".join(f"{reader} | F | x | 1 | y\n" for reader in range(100, 160))
    )


def mustc(root: Path) -> None:
    for number, split in enumerate(("train", "dev", "tst-COMMON", "tst-HE")):
        folder = root / "en-de" / "data" / split
        (folder / "txt").mkdir(parents=True)
        texts: dict[str, list[str]] = {"yaml": [], "en": [], "de": []}
        for talk in (10 * number + 1, 10 * number + 2):
            sound(folder / "wav" / f"ted_{talk}.wav", 8.0)
            for place in range(4 if split == "train" else 2):
                texts["yaml"].append(
                    f"- {{duration: 1.300000, offset: {1.5 * place:.6f}, rW: 3, speaker_id: spk.{talk}, uW: 0, "
                    f"wav: ted_{talk}.wav}}"
                )
                texts["en"].append(f"{sentence(talk + place).capitalize()}.")
                texts["de"].append(f"Das heißt: {sentence(talk + place, 4)}.")
        for name, lines in texts.items():
            (folder / "txt" / f"{split}.{name}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def cmu_arctic(root: Path) -> None:
    prompts = [f"arctic_{name}" for name in ("a0001", "a0002", "b0340", "b0440", "b0441")]
    for k, speaker in enumerate(("bdl", "clb", "rms", "slt")):
        folder = root / f"cmu_us_{speaker}_arctic"
        for prompt in prompts:
            sound(folder / "wav" / f"{prompt}.wav", 1.0 + 0.05 * k, pitch=1 + 0.1 * k)
        (folder / "etc").mkdir()
        lines = [f'( {prompt} "{sentence(number).capitalize()}." )\n' for number, prompt in enumerate(prompts)]
        (folder / "etc" / "txt.done.data").write_text("".join(lines))


def voicebank_demand(root: Path) -> None:
    for kind, speakers in (("trainset_28spk", ("p226", "p228", "p230", "p287")), ("testset", ("p232", "p257"))):
        logs = []
        for speaker in speakers:
            for take in (1, 2):
                name = f"{speaker}_{take:03d}"
                clean = sound(root / f"clean_{kind}_wav" / f"{name}.wav", rate=48_000)
                _noisy(root / f"noisy_{kind}_wav" / f"{name}.wav", clean, rate=48_000)
                (root / f"{kind}_txt").mkdir(exist_ok=True)
                (root / f"{kind}_txt" / f"{name}.txt").write_text(f"{sentence(take)}\n")
                logs.append(f"{name} cafe {2.5 * take:g}\n")
        (root / f"log_{kind}.txt").write_text("".join(logs))


def _noisy(path: Path, clean: np.ndarray, *, rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, clean + 0.05 * np.random.default_rng(1).standard_normal(len(clean)), rate)


def libri2mix(root: Path) -> None:
    """Libri2Mix/, and the LibriSpeech that it is mixed of, whose texts it takes."""
    librispeech(root)
    for part, subset in (
        ("train-100", "train-clean-100"),
        ("train-360", "train-clean-360"),
        ("dev", "dev-clean"),
        ("test", "test-clean"),
    ):
        first, second = _readers(subset, 2)
        for one, other in ((first, second), (second, first)):
            for take in range(2):
                folder = root / "Libri2Mix" / "wav16k" / "max" / part
                name = f"{one}-7-{take:04d}_{other}-7-0000.wav"
                _noisy(folder / "mix_single" / name, sound(folder / "s1" / name))
                for kind in ("mix_clean", "mix_both", "s2", "noise"):
                    sound(folder / kind / name)


def wham(root: Path) -> None:
    """WSJ0, wham_noise and wham_scripts: what the mixtures are made of."""
    for split, folder in (("tr", "si_tr_s"), ("cv", "si_dt_05"), ("tt", "si_et_05")):
        names = []
        for speaker in ("011", "22g") if split != "tt" else ("440", "441"):
            for take in ("0101", "0102"):
                utterance = f"{speaker}a{take}"
                wave = sound(root / "wsj0" / folder / speaker / f"{utterance}.wav")
                (root / "wsj0" / folder / speaker / f"{utterance}.wav").unlink()
                wv1 = root / "wsj0" / folder / speaker / f"{utterance}.wv1"
                soundfile.write(wv1, wave, RATE, format="NIST")
                dots = root / "wsj0" / "transcrp" / "dots" / folder / speaker / f"{utterance}.dot"
                dots.parent.mkdir(parents=True, exist_ok=True)
                dots.write_text(f"{sentence(int(take)).capitalize()} .PERIOD ({utterance})\n")
                names.append((f"{utterance}_0.5_401c020{len(names)}_-0.5", f"wsj0/{folder}/{speaker}/{utterance}.wav"))
        for name, _ in names:
            left = sound(root / "wham_noise" / split / f"{name}.wav", 1.5)
            soundfile.write(root / "wham_noise" / split / f"{name}.wav", np.stack([left, left], 1), RATE)
        _write_wham_tables(root, split, names)


def _write_wham_tables(root: Path, split: str, names: list[tuple[str, str]]) -> None:
    metadata, lists = root / "wham_noise" / "metadata", root / "wham_scripts" / "data"
    metadata.mkdir(exist_ok=True)
    lists.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{name}.wav,0,0,1\n" for name, _ in names)
    header = "utterance_id,noise_samples_beginning_16k,noise_samples_end_16k,target_speaker1_snr_db\n"
    (metadata / f"mix_param_meta_{split}.csv").write_text(header + rows)
    ones = np.ones(len(names))
    np.savez(
        metadata / f"scaling_{split}.npz",
        speech_start_sample_16k=np.full(len(names), 1600),
        scaling_wsjmix_16k_max=np.stack([ones, ones], 1),
        scaling_wham_speech_16k_max=ones,
        scaling_wham_noise_16k_max=0.2 * ones,
    )
    listed = "".join(f"{name}.wav,{path},wsj0/x.wav\n" for name, path in names)
    (lists / f"mix_2_spk_filenames_{split}.csv").write_text(f"output_filename,s1_path,s2_path\n{listed}")


def voxceleb1(root: Path) -> None:
    def listed() -> Iterator[str]:
        for number, speaker in enumerate(("id10001", "id10002", "id10270")):
            for code, video in ((1, "aAaaaaaaaa1"), (1, "-bbbbbbbbbb"), (2, "ccccccccccc"), (3, "_dddddddddd")):
                for take in (1, 2):
                    path = f"{speaker}/{video}/{take:05d}.wav"
                    archive = "test" if speaker == "id10270" else "dev"
                    sound(root / archive / "wav" / path, pitch=1 + 0.2 * number)
                    yield f"{code} {path}\n"

    (root / "iden_split.txt").write_text("".join(list(listed())))


def fsdd(root: Path) -> None:
    """The clone of the repository, with one recording for validation and for test of each digit."""
    for number, speaker in enumerate(("george", "jackson")):
        for digit in range(10):
            for index in (0, 5, 10, 11):
                file = root / "free-spoken-digit-dataset" / "recordings" / f"{digit}_{speaker}_{index}.wav"
                sound(file, 0.4, rate=8000, pitch=0.8 + 0.2 * number)


MAKERS: dict[str, Callable[[Path], None]] = {
    "fsdd": fsdd,
    "librispeech": librispeech,
    "libritts": libritts,
    "mustc": mustc,
    "cmu_arctic": cmu_arctic,
    "wham": wham,
    "voicebank_demand": voicebank_demand,
    "libri2mix": libri2mix,
    "voxceleb1": voxceleb1,
}
