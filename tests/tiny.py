"""A corpus of tones and a net of forty thousand weights: what training and decoding are tested on.

A letter is a tone of its own, 60 ms long, so that a net can learn in seconds which letters were said.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speecht5_cli.config import Tree, merged, parse_overrides
from speecht5_cli.data.audio import SAMPLE_RATE, write_audio
from speecht5_cli.data.datadir import write_tables
from speecht5_cli.data.frames import UNIT_HOP_SAMPLES, n_unit_frames
from speecht5_cli.data.speaker_vectors import write_vectors
from speecht5_cli.data.units import UnitInfo
from speecht5_cli.data.vocabulary import SPACE, VOCAB_FILE, Vocabulary
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.plugins import load_task
from speecht5_cli.train.config import RunConfig, run_config

if TYPE_CHECKING:
    from speecht5_cli.models.speecht5 import SpeechT5

LETTERS = "abcdef"
UNITS = len(LETTERS) + 1  # silence is cluster 0
XVECTOR_DIM = 8
_LETTER_SAMPLES = SAMPLE_RATE * 60 // 1000
_GAP_SAMPLES = SAMPLE_RATE * 20 // 1000

MODEL: Tree = {
    "size": "tiny",
    "reduction": 2,  # as the base model
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "ffn_dim": 64,
    "heads": 2,
    "relative_distance": 16,
    "conv_channels": 16,
    "position_kernel": 16,
    "position_groups": 4,
    "prenet_dim": 16,
    "postnet_layers": 3,
    "postnet_channels": 16,
    "xvector_dim": XVECTOR_DIM,
    "unit_dim": 16,
    "codebook_entries": 8,
    "feature_grad_scale": 1.0,
}
EXACT: Tree = {  # nothing random in the net
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "position_dropout": 0.0,
    "prenet_dropout": 0.0,
    "postnet_dropout": 0.0,
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
}


@dataclass(frozen=True)
class TinyCorpus:
    """What a recipe's stages 1 to 3 leave, on a small scale."""

    root: Path
    train: Path  # 18 utterances of 3 speakers
    dev: Path  # 6
    vocabulary: Path
    train_text: Path
    dev_text: Path


def make_corpus(root: Path) -> TinyCorpus:
    """Write the corpus below `root`: the same in every call."""
    rng = np.random.default_rng(7)
    vocabulary = root / "vocab"
    Vocabulary.of_pieces([SPACE, *LETTERS]).save(vocabulary / VOCAB_FILE)
    texts = [random_text(rng) for _ in range(24)]
    ids = [f"s{number % 3 + 1}-{number:02d}" for number in range(24)]
    train = _data_dir(root / "train", dict(zip(ids[:18], texts[:18])), rng)
    dev = _data_dir(root / "dev", dict(zip(ids[18:], texts[18:])), rng)
    for name, n_lines in (("train.txt", 60), ("dev.txt", 8)):
        (root / name).write_text("".join(random_text(rng) + "\n" for _ in range(n_lines)), encoding="utf-8")
    return TinyCorpus(root, train, dev, vocabulary, root / "train.txt", root / "dev.txt")


def random_text(rng: np.random.Generator) -> str:
    """Two words of one to three letters."""
    return " ".join("".join(rng.choice(list(LETTERS), rng.integers(1, 4))) for _ in range(2))


def spoken(text: str, *, pitch: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A text as tones (n_samples,) float32, and the letter of each sample (n_samples,): 0 in pauses."""
    time_s = np.arange(_LETTER_SAMPLES) / SAMPLE_RATE
    sounds, letters = [np.zeros(_GAP_SAMPLES)], [np.zeros(_GAP_SAMPLES, int)]
    for letter in text:
        number = LETTERS.find(letter) + 1
        tone = np.sin(2 * np.pi * 250 * pitch * 1.6**number * time_s) if number else np.zeros(_LETTER_SAMPLES)
        sounds += [tone * np.hanning(_LETTER_SAMPLES), np.zeros(_GAP_SAMPLES)]
        letters += [np.full(_LETTER_SAMPLES, number), np.zeros(_GAP_SAMPLES, int)]
    wave = 0.3 * np.concatenate(sounds)
    return (wave + 0.003 * rng.standard_normal(len(wave))).astype(np.float32), np.concatenate(letters)


def _data_dir(folder: Path, texts: dict[str, str], rng: np.random.Generator) -> Path:
    """With text, units at 50 Hz, and vectors of utterances and speakers."""
    speakers = {utterance: utterance.split("-")[0] for utterance in texts}
    vectors = {
        speaker: rng.standard_normal(XVECTOR_DIM).astype(np.float32) for speaker in sorted(set(speakers.values()))
    }
    tables: dict[str, dict[str, str]] = {"wav.scp": {}, "utt2spk": speakers, "text": texts, "units": {}, "utt2dur": {}}
    for utterance, text in texts.items():
        wave, letters = spoken(text, pitch=1 + 0.02 * int(speakers[utterance][1]), rng=rng)
        path = folder.parent / "wav" / f"{utterance}.wav"
        write_audio(path, wave)
        labels = letters[UNIT_HOP_SAMPLES // 2 :: UNIT_HOP_SAMPLES][: n_unit_frames(len(wave))]
        tables["wav.scp"][utterance] = str(path)
        tables["utt2dur"][utterance] = f"{len(wave) / SAMPLE_RATE:.6f}"
        tables["units"][utterance] = " ".join(map(str, labels))
    write_tables(folder, tables)
    UnitInfo(50.0, UNITS, None).save(folder)
    write_vectors(folder, "xvector", {utterance: vectors[speaker] for utterance, speaker in speakers.items()})
    write_vectors(folder, "spk_xvector", vectors)
    return folder


def tiny_tree(corpus: TinyCorpus, task: str, *words: str) -> Tree:
    """A configuration that trains on the corpus for eight updates; `key=value` words win."""
    tree: Tree = {
        "model": MODEL,
        "data": {"train": str(corpus.train), "dev": str(corpus.dev), "batch_seconds": 3.0, "workers": 0},
        "optim": {"lr": 2e-3, "schedule": "constant", "warmup_steps": 4},
        "train": {
            "max_steps": 8,
            "seed": 1,
            "precision": "fp32",
            "log_every": 1,
            "validate_every": 4,
            "save_every_steps": 4,
            "decode_dev": 1,
        },
        task: {"vocabulary": str(corpus.vocabulary)},
    }
    if task == "pretrain":
        texts = {"train_text": str(corpus.train_text), "dev_text": str(corpus.dev_text), "batch_tokens": 60}
        tree["data"] = {**tree["data"], **texts}
    elif task == "asr":
        own = {"freeze_encoder_steps": 0, "time_mask": {"prob": 0.3}, "channel_mask": {"prob": 0.1, "length": 4}}
        tree[task] = {**tree[task], **own, "decode": {"beam": 2}}
    return merged(tree, parse_overrides(words))


def tiny_config(corpus: TinyCorpus, task: str, *words: str, model: Tree | None = None) -> RunConfig:
    """As `tiny_tree`, checked; `model` overrides the net's sizes."""
    return run_config(load_task(task), merged(tiny_tree(corpus, task, *words), {"model": model or {}}))


def exact_config(corpus: TinyCorpus, task: str, *words: str) -> RunConfig:
    """As `tiny_config`, with nothing random but the order of the data: no dropout, no masks."""
    quiet: dict[str, Any] = {"asr": ("asr.time_mask.prob=0", "asr.channel_mask.prob=0")}
    return tiny_config(corpus, task, *quiet.get(task, ()), *words, model=EXACT)


def tiny_net(*, seed: int = 0, **changes: Any) -> "SpeechT5":
    """A net with all parts, 13 symbols (the last is the blank), in evaluation mode; `changes` go to its configuration.

    Its weights are larger than fresh ones, so that no part is too weak to be noticed.
    """
    import torch

    from speecht5_cli.models.speecht5 import SpeechT5

    torch.manual_seed(seed)
    parts = Parts(
        speech_in=True,
        text_in=True,
        text_out=True,
        speech_out=True,
        codebook=True,
        vocabulary=13,
        blank=12,
        units=UNITS,
        classes=5,
    )
    net = SpeechT5(ModelConfig(**ModelConfig.expand({**MODEL, "init_std": 0.3, **changes})), parts)
    return net.eval()
