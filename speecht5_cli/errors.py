"""What can go wrong, and the exit code of each kind.

A message says where, what is wrong, what was expected, and what to do. The command line prints it without a traceback
(`--debug` shows one). Exit code 1 is left for a failed job or a fault of our own, 130 for an interruption.
"""


class SpeechT5Error(Exception):
    """Any error that the user can understand and mend."""

    exit_code = 1


class InputWarning(UserWarning):
    """A result is there, but something of the input is not in it."""


class SlowWarning(UserWarning):
    """What was asked for is done, but this machine has a much faster way."""


class UsageError(SpeechT5Error):
    """The command was called in a way that cannot work."""

    exit_code = 2


class DataError(SpeechT5Error):
    """Data on disk break a rule; the message names file, line and utterance."""

    exit_code = 3


class ConfigError(SpeechT5Error):
    """A configuration has an unknown key, a wrong type, or values that contradict each other."""

    exit_code = 4


class CheckpointError(SpeechT5Error):
    """A checkpoint cannot be read, does not fit the model, or cannot be written."""

    exit_code = 5


class TrainingError(SpeechT5Error):
    """Training cannot go on; the message names the step and the utterances."""

    exit_code = 6
