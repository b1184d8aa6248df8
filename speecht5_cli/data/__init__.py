"""Utterances and files: data dirs, audio, features, units, vocabularies, batches."""
