"""Named tensors on disk: safetensors, never a pickle."""

from pathlib import Path
from typing import TYPE_CHECKING

from speecht5_cli.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor


def write_tensors(path: Path, tensors: "dict[str, Tensor]") -> None:
    """Write tensors of any device as a safetensors file. Raises OSError when the disk refuses."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, str(path))
    except SafetensorError as error:  # a full disk, in the library's words
        raise OSError(str(error)) from error


def read_tensors(path: Path) -> "dict[str, Tensor]":
    """Raises CheckpointError for a missing, truncated or foreign file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(str(path))
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable as safetensors, perhaps cut short: {error}") from None


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape, from the head of the file alone. Raises CheckpointError as `read_tensors` does."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no dict
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: not readable as safetensors, perhaps cut short: {error}") from None
