"""Speech from espeak-ng, which runs as a separate program (see espeak_server.py)."""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from speecht5_cli.errors import DataError, UsageError

if TYPE_CHECKING:
    import numpy as np

PACKAGE = "espeakng-loader"


@dataclass(frozen=True, slots=True)
class SpeakingStyle:
    """How espeak-ng is to say something."""

    voice: str  # a language, and a variant of its voice: "en-us+f2"
    rate: int = 165  # words a minute
    pitch: int = 50  # 0 to 99
    range: int = 50  # 0 to 99: how far the pitch moves


class Espeak:
    """A running espeak-ng; to be used in a `with` block, by one thread."""

    def __init__(self) -> None:
        library, data = _library()
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the program; closed in close()
        self._server = subprocess.Popen(
            [sys.executable, "-m", "speecht5_cli.corpora.espeak_server", library, data],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )
        try:
            self.rate = int.from_bytes(self._read(4), "little")  # Hz
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Espeak":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process that speaks."""
        assert self._server.stdin and self._server.stdout
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()
        self._complaints.close()

    def speak(self, text: str, style: SpeakingStyle) -> "np.ndarray":
        """`text` as float32 (n_samples,) in [-1, 1] at `self.rate` Hz; the same request gives the same samples.

        Raises DataError with espeak-ng's complaint when it fails.
        """
        import numpy as np

        assert self._server.stdin
        request = json.dumps({"text": text, **asdict(style)})
        try:
            self._server.stdin.write(request.encode() + b"\n")
            self._server.stdin.flush()
        except BrokenPipeError:
            raise DataError(f"espeak-ng ended: {self._complaint()}") from None
        pcm = self._read(int.from_bytes(self._read(4), "little"))
        return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768

    def _read(self, n_bytes: int) -> bytes:
        assert self._server.stdout
        data = self._server.stdout.read(n_bytes)
        if len(data) < n_bytes:
            self._server.wait()
            raise DataError(f"espeak-ng ended with code {self._server.returncode}: {self._complaint()}")
        return data

    def _complaint(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return "; ".join(lines[-3:]) or "it gave no reason"


def espeak_version() -> str:
    """The version of the package that brings espeak-ng. Raises UsageError when it is not installed."""
    _library()
    return version(PACKAGE)


def _library() -> tuple[str, str]:
    """Paths of the shared library and of its data."""
    try:
        import espeakng_loader
    except ImportError:
        raise UsageError(
            "the mini corpus is spoken by espeak-ng, which is not installed; "
            "install it with: pip install 'speecht5[mini]'"
        ) from None
    return espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
