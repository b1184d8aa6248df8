"""Generated speech as a picture: what was said, what should have been said, and where the decoder looked."""

from pathlib import Path

import numpy as np

from speecht5_cli.data.features import LOG_MEL
from speecht5_cli.files import atomic_write


def draw_speech(path: Path, said: np.ndarray, true: np.ndarray | None, attention: np.ndarray | None) -> None:
    """Write a PNG of log-mels (L, M) and the attention (U, T) of decoder steps to encoder positions.

    A monotone line in the attention is the sign of a model that has learnt to read its input from start to end.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels: list[tuple[str, np.ndarray, str]] = [("said", said.T, "mel band")]
    if true is not None:
        panels.append(("true", true.T, "mel band"))
    if attention is not None:
        panels.append(("attention", attention.T, "input position"))
    figure = Figure(figsize=(8, 2.4 * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, image, label) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels):
        end_s = said.shape[0] / LOG_MEL.rate_hz if title != "true" else image.shape[1] / LOG_MEL.rate_hz
        axes.imshow(image, aspect="auto", origin="lower", extent=(0, end_s, 0, image.shape[0]), interpolation="nearest")
        axes.set(title=title, ylabel=label)
    axes.set_xlabel("seconds")
    with atomic_write(path, "wb") as out:
        figure.savefig(out, format="png", dpi=80)
