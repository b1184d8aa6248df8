"""What the tests of checkpoints share: the command, tensors of files, a SentencePiece model."""

from pathlib import Path

import torch
import typer
from typer.testing import CliRunner

from speecht5_cli.commands import checkpoint
from speecht5_cli.models.torch_file import read_torch_file

GOLDEN = Path(__file__).parents[1] / "golden" / "data"


def run(*words: object) -> str:
    """What `speecht5 checkpoint` says."""
    app = typer.Typer()
    checkpoint.add_to(app)
    result = CliRunner().invoke(app, ["checkpoint", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """Of a file of the original's."""
    with path.open("rb") as file:
        return {name: stored.load().clone() for name, stored in read_torch_file(file)["model"].items()}


def make_pieces(symbols: tuple[str, ...]) -> bytes:
    """A SentencePiece model of characters that numbers them as the vocabulary does."""
    import io

    import sentencepiece

    text = "".join(symbol for symbol in symbols if len(symbol) == 1 and symbol != "\u2581")
    model = io.BytesIO()
    # Rarer characters come later, so that their order is that of the symbols.
    lines = [" ".join(["x y"] * 200)[:1], *(character * (len(text) - n) for n, character in enumerate(text))]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line + " " * 50 for line in lines]),
        model_writer=model,
        model_type="char",
        vocab_size=len(text) + 5,
        character_coverage=1.0,
        bos_id=0,
        pad_id=1,
        eos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    return model.getvalue()
