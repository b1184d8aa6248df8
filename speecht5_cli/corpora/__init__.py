"""Corpora as shipped -> data dirs: one function `prepare(source, out, ...)` for each, found through entry points."""
