"""SpeechT5 (Ao et al., ACL 2022) from corpus to scores."""

__version__ = "0.1.0"
