"""Every kind of error has an exit code of its own."""

from speecht5_cli import errors
from speecht5_cli.errors import SpeechT5Error


def test_exit_codes() -> None:
    """A promise to scripts: 1 is left for a failed job or a fault of ours, 130 for an interruption."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SpeechT5Error)]
    assert {kind.__name__: kind.exit_code for kind in kinds} == {
        "SpeechT5Error": 1,
        "UsageError": 2,
        "DataError": 3,
        "ConfigError": 4,
        "CheckpointError": 5,
        "TrainingError": 6,
    }
