"""Characters of the training texts that the vocabulary does not have: told before the training."""

from collections import Counter
from collections.abc import Sequence

from speecht5_cli.data.assets import Assets
from speecht5_cli.data.rows import Rows, UtteranceRows
from speecht5_cli.data.speech_text import spoken
from speecht5_cli.data.vocabulary import VOCAB_FILE, Vocabulary
from speecht5_cli.data.vocabulary_build import listed
from speecht5_cli.plugins import Stream


def unsupported(streams: Sequence[Stream], rows: Sequence[Rows], assets: Assets) -> Counter[str]:
    """Character -> how often it becomes <unk> in the texts of data dirs; plain text files may be too large to read."""
    counts: Counter[str] = Counter()
    if not (assets.folder / VOCAB_FILE).exists():
        return counts
    vocabulary = assets.read(VOCAB_FILE, Vocabulary.load)
    for stream, stream_rows in zip(streams, rows):
        if isinstance(stream_rows, UtteranceRows):
            for table in (*stream.inputs, *stream.targets):
                for text in stream_rows.lines(table) if table.partition(".")[0] == "text" else ():
                    counts.update(vocabulary.unsupported(spoken(text, stream.numbers)))
    return counts


def told(counts: Counter[str]) -> str:
    """In a line."""
    return f"not in the vocabulary, so <unk> in the training texts: {listed(counts)}"
