"""torchaudio, which imports only beside the torch that it was built for; one place that says so when it does not."""

from importlib.metadata import PackageNotFoundError, requires, version
from types import ModuleType

from speecht5_cli.errors import SpeechT5Error


def torchaudio() -> ModuleType:
    """The module `torchaudio`, with `torchaudio.compliance.kaldi` loaded.

    Raises SpeechT5Error that names both versions and the way to mend them.
    """
    try:
        import torchaudio as module
        import torchaudio.compliance.kaldi  # a submodule that torchaudio leaves to its users to import
    except (ImportError, OSError, RuntimeError) as error:  # a shared library that is not there; another CUDA
        raise SpeechT5Error(
            f"torchaudio {_installed('torchaudio')} does not import beside torch {_installed('torch')}: {error}. "
            "The two must be a pair and of the same build (CPU or the same CUDA); "
            f"install them again in one command: pip install --force-reinstall {_the_pair()}"
        ) from None
    return module


def _the_pair() -> str:
    """What pyproject.toml requires of the two: 'torch==...' 'torchaudio==...'."""
    return " ".join(f"'{line}'" for line in requires("speecht5") or () if line.startswith("torch"))


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
