"""The HiFi-GAN generator, from log-mels to samples."""

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import torch

from speecht5_cli.bench.measure import Effort, Row, extra_bytes, in_turns
from speecht5_cli.bench.nets import vocoder_pair
from speecht5_cli.data.features import LOG_MEL
from speecht5_cli.decode.waveform import Synthesis
from speecht5_cli.models.vocoder import in_bfloat16

CASES = ((400, 1), (1875, 1), (400, 8))  # frames (6.4 s, 30 s), batch


def rows(effort: Effort) -> Iterator[Row]:
    """Log-mels of some lengths, as `speecht5 decode` gives them to the vocoder."""
    net, theirs = vocoder_pair()
    exact, rounded = Synthesis(net, LOG_MEL), Synthesis(in_bfloat16(deepcopy(net)), LOG_MEL)
    cases = [(exact, "", *case) for case in CASES[: 1 if effort.quick else None]]
    for synthesis, precision, frames, batch in [*cases, (rounded, ", bf16 beside fp32", *CASES[0])]:
        log_mels = [log_mel(frames, number) for number in range(batch)]
        stacked = torch.from_numpy(np.stack(log_mels))

        def ours(synthesis: Synthesis = synthesis, log_mels: list[np.ndarray] = log_mels) -> list[np.ndarray]:
            return synthesis(log_mels)

        def other(stacked: torch.Tensor = stacked) -> torch.Tensor:
            with torch.inference_mode():
                return theirs(stacked)

        wave = other().numpy().reshape(batch, -1)
        error = np.stack(ours()) - wave
        our_bytes, their_bytes = extra_bytes(ours), extra_bytes(other)
        mine, peer = in_turns(ours, other, effort, units=batch)
        yield Row(
            "vocoder",
            f"{frames / LOG_MEL.rate_hz:.1f} s, batch {batch}{precision}",
            "utterance",
            mine,
            peer,
            our_bytes=our_bytes,
            peer_bytes=their_bytes,
            difference=float(np.abs(error).max()),
            note=f"error {20 * np.log10(np.linalg.norm(error) / np.linalg.norm(wave)):.0f} dB",
        )


def log_mel(frames: int, seed: int) -> np.ndarray:
    """(L, M) of something that changes slowly."""
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(0, 0.1, (frames, LOG_MEL.n_mels)), axis=0).clip(-5, 1).astype(np.float32)
