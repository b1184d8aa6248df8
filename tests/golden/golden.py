"""Reads what `pack.py` has cut, builds our model with the original's weights, and compares."""

import lzma
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.models.keymaps import fairseq_rules, from_foreign
from speecht5_cli.models.speecht5 import SpeechT5
from speecht5_cli.models.torch_file import read_torch_file

DATA = Path(__file__).with_name("data")
SAME = "same"  # the property that a test reports: how close an array was (see tools/fidelity.py)

BLANK, MASK, PAD, EOS = 39, 38, 1, 2
NO_DROPOUT = dict.fromkeys(
    (
        "dropout",
        "attention_dropout",
        "activation_dropout",
        "encoder_layerdrop",
        "decoder_layerdrop",
        "position_dropout",
        "prenet_dropout",
        "postnet_dropout",
    ),
    0.0,
)
SIZES: dict[str, Any] = {
    "encoder_layers": 2,
    "decoder_layers": 2,
    "d_model": 48,
    "ffn_dim": 96,
    "heads": 4,
    "conv_channels": 32,
    "relative_distance": 20,
    "unit_dim": 16,
    "xvector_dim": 16,
    "codebook_entries": 10,
    "postnet_channels": 32,
    "prenet_dim": 32,
}
LARGE: dict[str, Any] = {
    **SIZES,
    "d_model": 32,
    "heads": 2,
    "ffn_dim": 64,
    "conv_channels": 16,
    "pre_norm": True,
    "conv_norm": "layer",
}


class Cut(NamedTuple):
    """An array of the original's, of which every `step`th slice along `axis` is kept."""

    array: np.ndarray
    axis: int = 0
    step: int = 1

    def of(self, whole: np.ndarray) -> np.ndarray:
        """The same slices of another array."""
        return whole if self.step == 1 else whole[(slice(None),) * self.axis + (slice(None, None, self.step),)]


class Golden:
    """The arrays of one file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.arrays = np.load(DATA / f"{name}.npz", allow_pickle=False)
        self.cuts = {key.partition("@")[0]: key for key in self.arrays.files if "@" in key}

    def __contains__(self, key: str) -> bool:
        return key in self.cuts or key in self.arrays or f"{key}#rows" in self.arrays

    def __getitem__(self, key: str) -> np.ndarray:
        """A whole array."""
        if f"{key}#rows" in self.arrays:
            return self._from_rows(key)
        array = self.arrays[key]
        if array.dtype.kind == "U" and array.ndim == 0:
            name, _, other = str(array).removeprefix("=").rpartition("/")
            return golden(name)[other]
        return array

    def cut(self, key: str) -> Cut:
        if key not in self.cuts:
            return Cut(self[key])
        axis, step = self.cuts[key].partition("@")[2].split(":")
        return Cut(self.arrays[self.cuts[key]], int(axis), int(step))

    def tensor(self, key: str) -> torch.Tensor:
        return torch.from_numpy(np.array(self[key]))

    def lens(self, key: str) -> torch.Tensor:
        """Valid lengths of a padding mask."""
        return (~self.tensor(key)).sum(1)

    def _from_rows(self, key: str) -> np.ndarray:
        result = np.full(self.arrays[f"{key}#shape"], self.arrays[f"{key}#pad"], np.float32)
        for place, (number, start, length) in zip(result, self.arrays[f"{key}#rows"]):
            row = _rows()[str(number)][start : start + length]
            place[:length] = row / np.float32(32768) if row.dtype == np.int16 else row
        return result


@cache
def golden(name: str) -> Golden:
    return Golden(name)


@cache
def _rows() -> dict[str, np.ndarray]:
    return dict(np.load(DATA / "rows.npz"))


def unpacked(name: str, folder: Path) -> Path:
    """A compressed file of `data/`, unpacked into `folder`."""
    path = folder / Path(name).name
    path.write_bytes(lzma.decompress((DATA / f"{name}.xz").read_bytes()))
    return path


@cache
def weights(name: str) -> dict[str, torch.Tensor]:
    """The original's tensors under their own names."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder, unpacked(f"{name}.pt", Path(folder)).open("rb") as file:
        return {key: stored.load().clone() for key, stored in read_torch_file(file)["model"].items()}


def model(
    padding: str = "original", *, weights_of: str = "ckpt_pretrain", classes: int = 0, **changes: Any
) -> SpeechT5:
    """Our model, all nets, with the original's weights and without dropout, in evaluation mode."""
    sizes = LARGE if weights_of == "ckpt_large_prenorm" else SIZES
    cfg = ModelConfig(**{**sizes, **NO_DROPOUT, "padding": padding, **changes})
    parts = Parts(
        speech_in=True,
        text_in=True,
        text_out=True,
        speech_out=True,
        codebook=True,
        vocabulary=40,
        blank=BLANK,
        units=25,
        classes=classes,
    )
    net = SpeechT5(cfg, parts)
    theirs = weights(weights_of)
    if classes:
        theirs = theirs | {
            key: torch.from_numpy(array) for key, array in np.load(DATA / "sid_extra_weights.npz").items()
        }
    ours = from_foreign(net.state_dict(), theirs, fairseq_rules(cfg.conv_norm))
    ours["quantizer.codebook"] = ours["quantizer.codebook"].view_as(net.quantizer.codebook)
    net.load_state_dict(ours)
    return net.eval()


class Kept:
    """In place of the speech decoder's dropout while it generates: given masks (steps, 2, units), or none."""

    def __init__(self, units: int, masks: torch.Tensor | None = None) -> None:
        self.units, self.masks = units, masks

    def __call__(self, *_: object) -> "Kept":
        return self

    def kept(self, utterances: list[int], step: int) -> tuple[torch.Tensor, torch.Tensor]:
        if self.masks is None:
            return torch.ones(1, 1, self.units), torch.ones(1, 1, self.units)
        return self.masks[step, 0][None, None], self.masks[step, 1][None, None]


class Same:
    """Asserts that an array is the original's, within a tolerance, and records the largest difference."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self.record = record

    def __call__(self, file: str, key: str, got: Any, *, atol: float = 1e-4, rtol: float = 0.0) -> None:
        """`got` has the shape of the whole array, also where only slices of it are kept."""
        wanted = golden(file).cut(key)
        array = wanted.of(got.detach().cpu().numpy() if isinstance(got, torch.Tensor) else np.asarray(got))
        self.arrays(f"{file}/{key}", array, wanted.array, atol=atol, rtol=rtol)

    def arrays(self, name: str, got: np.ndarray, wanted: np.ndarray, *, atol: float = 1e-4, rtol: float = 0.0) -> None:
        assert got.shape == wanted.shape, f"{name}: shape {got.shape}, expected {wanted.shape}"
        if wanted.dtype.kind in "iub":
            assert np.array_equal(got, wanted), f"{name}: {(got != wanted).sum()} of {wanted.size} differ"
            self.record(SAME, [name, "equal", 0.0, 0.0])
            return
        finite = np.isfinite(wanted)
        assert np.array_equal(np.isfinite(got), finite), f"{name}: infinite at other places"
        if not finite.any():
            return
        difference = np.abs(got[finite].astype(np.float64) - wanted[finite])
        allowed = atol + rtol * np.abs(wanted[finite])
        worst = int((difference - allowed).argmax())
        assert difference[worst] <= allowed[worst], (
            f"{name}: {got[finite][worst]} where {wanted[finite][worst]} is expected, allowed {allowed[worst]:.1e}"
        )
        if rtol:
            difference = difference / np.maximum(np.abs(wanted[finite]), atol / rtol + 1e-30)
        self.record(SAME, [name, "relative" if rtol else "absolute", float(difference.max()), rtol or atol])
