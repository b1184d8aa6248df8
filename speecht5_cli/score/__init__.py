"""Hypotheses against references, from files only."""
