"""torchaudio, which imports only beside the torch that it was built for; one place that says so when it does not."""

from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from speecht5_cli.errors import SpeechT5Error


def torchaudio() -> ModuleType:
    """The module `torchaudio`, with `torchaudio.compliance.kaldi` loaded.

    Raises SpeechT5Error that names both versions and the way to mend them.
    """
    try:
        import torchaudio as module
        import torchaudio.compliance.kaldi  # a submodule that torchaudio leaves to its users to import
    except (ImportError, OSError) as error:  # OSError: a shared library that is not there
        raise SpeechT5Error(
            f"torchaudio {_installed('torchaudio')} does not import beside torch {_installed('torch')}: {error}. "
            "The two must have the same minor version and come from the same build (CPU or the same CUDA); "
            "install them again in one command: pip install --force-reinstall 'torch==2.11.*' 'torchaudio==2.11.*'"
        ) from None
    return module


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"
