"""Search over text and generation of speech."""
