"""A model folder as the original code reads it: checkpoint.pt, dict.txt, the SentencePiece model.

What the original builds and never uses is made anew, so that its files look as its own do.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speecht5_cli.config import from_tree
from speecht5_cli.data.assets import Assets
from speecht5_cli.data.tables import read_lines, write_lines
from speecht5_cli.data.vocabulary import FIRST, LAST, VOCAB_FILE, Vocabulary
from speecht5_cli.errors import CheckpointError
from speecht5_cli.files import atomic_dir
from speecht5_cli.folders import ASSETS, CONFIG, MODEL, model_folder, read_model_config
from speecht5_cli.models.config import ModelConfig
from speecht5_cli.models.keymaps import FAIRSEQ_LANGUAGE, Rules, fairseq_rules, renamed
from speecht5_cli.models.lm_config import LMConfig
from speecht5_cli.models.sizes import n_classes, n_symbols, n_units
from speecht5_cli.tensors import read_tensors
from speecht5_cli.train.fairseq_files import TEXT_TABLE, TIED
from speecht5_cli.train.fairseq_language import KIND, OUTPUT, TABLE
from speecht5_cli.train.fairseq_options import language_settings, speech_settings
from speecht5_cli.train.foreign import CLASSES, config_to_export

CHECKPOINT, DICTIONARY, UNIT_DICTIONARY, PIECES = "checkpoint.pt", "dict.txt", "dict.km.txt", "spm_char.model"
CLASS_HEAD = "speaker_decoder_postnet.output_projection.weight"
RELEASED_SYMBOLS = 81  # of the released character vocabulary


@dataclass
class Exported:
    """What was written."""

    folder: Path
    n_tensors: int
    made: list[str]  # tensors that the original never uses, and those with rows of its own symbols added
    absent: list[str]  # nets of the original that this model has not

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{self.folder / CHECKPOINT}: {self.n_tensors} tensors"]
        lines += [f"  made anew, as the original wants to find them: {', '.join(self.made)}"] * bool(self.made)
        lines += [f"  not in the file, since this model has none: {', '.join(self.absent)}"] * bool(self.absent)
        return lines


def export_fairseq(source: Path, out: Path, kind: str) -> Exported:
    """Write the model of `source` for the original code; `kind` is its t5_task. Raises CheckpointError."""
    folder = model_folder(source)
    cfg = config_to_export(folder, "the original")
    ours = read_tensors(folder / MODEL)
    symbols, spm = _symbols(Assets(folder / ASSETS))
    theirs = _renamed(ours, fairseq_rules(cfg.conv_norm), folder)
    if "quantizer.vars" in theirs:  # (G, E, C) -> (1, G * E, C)
        theirs["quantizer.vars"] = theirs["quantizer.vars"].flatten(0, 1)[None]
    if TEXT_TABLE in theirs:
        theirs |= dict.fromkeys(TIED, theirs[TEXT_TABLE])
    made = _unused(cfg) | _text_table(ours, cfg)
    if n_classes(ours) and symbols[: len(FIRST)] != FIRST:  # ours has the speakers only
        symbols = (*FIRST, *symbols, *LAST)
        head = theirs.pop(CLASS_HEAD)
        made[CLASS_HEAD] = torch.nn.functional.pad(head, (0, 0, len(FIRST), len(LAST)))
    with atomic_dir(out) as place:
        _write(place, {**theirs, **made}, speech_settings(cfg, ours.keys(), kind), "SpeechT5Criterion")
        # The original adds the last two itself.
        _write_symbols(place, symbols[: -len(LAST)] if symbols[-len(LAST) :] == LAST else symbols, spm)
        if units := n_units(ours):
            write_lines(place / UNIT_DICTIONARY, (f"{cluster} 1" for cluster in range(units)))
    present = {name.partition(".")[0] for name in ours}
    absent = sorted({"ctc_head", "text_encoder_prenet", "speech_encoder_prenet", "speech_decoder_prenet"} - present)
    return Exported(out, len(theirs) + len(made), sorted({_pattern(name) for name in made}), absent)


def export_language_model(source: Path, out: Path) -> Exported:
    """Write a language model as fairseq's `transformer_lm`."""
    folder = model_folder(source)
    cfg = from_tree(LMConfig, read_model_config(folder)["model"], f"{folder / CONFIG}: model")
    ours = read_tensors(folder / MODEL)
    symbols, spm = _symbols(Assets(folder / ASSETS))
    theirs = _renamed(ours, FAIRSEQ_LANGUAGE, folder)
    if cfg.tied:
        theirs[OUTPUT] = theirs[TABLE]
    made = {"decoder.version": torch.tensor([3.0]), "decoder.embed_positions._float_tensor": torch.zeros(1)}
    with atomic_dir(out) as place:
        _write(place, {**theirs, **made}, language_settings(cfg, KIND), "CrossEntropyCriterion")
        _write_symbols(place, symbols[: n_symbols(ours)], spm)
    return Exported(out, len(theirs) + len(made), sorted(made), [])


def _write(place: Path, model: dict[str, Tensor], settings: dict[str, Any], criterion: str) -> None:
    history = {"criterion_name": criterion, "optimizer_name": "FairseqAdam", "num_updates": 0}
    content = {
        "args": None,
        "cfg": settings,
        "model": model,
        "criterion": None,
        "optimizer_history": [history | {"lr_scheduler_state": {"best": None}}],
        "task_state": {},
        "extra_state": {"train_iterator": {"epoch": 1}, "val_loss": None},
        "last_optimizer_state": None,
    }
    torch.save(content, place / CHECKPOINT)


def _renamed(ours: dict[str, Tensor], rules: Rules, folder: Path) -> dict[str, Tensor]:
    theirs = {}
    for name, tensor in ours.items():
        other = renamed(name, rules)
        if other is None:
            raise CheckpointError(f"{folder}: {name} has no counterpart in the original; only its own tasks go back")
        theirs[other] = tensor
    return theirs


def _unused(cfg: ModelConfig) -> dict[str, Tensor]:
    """The tensors of the original that take part in nothing."""
    made = {
        "encoder.version": torch.tensor([3.0]),
        "decoder.version": torch.tensor([3.0]),
        "decoder.pos_emb.pe_k.weight": torch.zeros(2 * cfg.relative_distance, cfg.head_dim),
        "speech_encoder_prenet.embed_positions._float_tensor": torch.zeros(1),
        "text_decoder_prenet.embed_positions._float_tensor": torch.zeros(1),
    }
    stacks = {"decoder": cfg.decoder_layers} | ({} if cfg.pre_norm else {"encoder": cfg.encoder_layers})
    for stack, n_layers in stacks.items():
        for layer in range(n_layers):
            made[f"{stack}.layers.{layer}.norm_k.weight"] = torch.ones(cfg.head_dim)
            made[f"{stack}.layers.{layer}.norm_k.bias"] = torch.zeros(cfg.head_dim)
    return made


def _text_table(ours: dict[str, Tensor], cfg: ModelConfig) -> dict[str, Tensor]:
    """The output projection for text, which the original wants to find in every file."""
    if n_symbols(ours):
        return {}
    return {"text_decoder_postnet.output_projection.weight": torch.zeros(RELEASED_SYMBOLS, cfg.d_model)}


def _symbols(assets: Assets) -> tuple[tuple[str, ...], bytes | None]:
    """What the rows of the text table or of the class head stand for, and a SentencePiece model."""
    if VOCAB_FILE in assets:
        vocabulary = Vocabulary.load(assets.path(VOCAB_FILE))
        return vocabulary.symbols, vocabulary.spm
    return tuple(read_lines(assets.path(CLASSES))) if CLASSES in assets else (), None


def _write_symbols(place: Path, symbols: tuple[str, ...], spm: bytes | None) -> None:
    """dict.txt, which leaves out the first four."""
    if symbols:
        write_lines(place / DICTIONARY, (f"{symbol} 1" for symbol in symbols[len(FIRST) :]))
    if spm is not None:
        (place / PIECES).write_bytes(spm)


def _pattern(name: str) -> str:
    return ".".join("*" if part.isdigit() else part for part in name.split("."))
