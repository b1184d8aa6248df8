"""Log-mels of the original code (librosa) and of the Hugging Face feature extractor."""

from pathlib import Path

import numpy as np
import pytest

from speecht5_cli.data.features import log_mel, mel_bank

HERE = Path(__file__).parent


@pytest.mark.parametrize("item", ["a", "b"])
@pytest.mark.parametrize("oracle", ["h_logmel.npz", "hf/feature_extractor.npz"])
def test_log_mel(oracle: str, item: str) -> None:
    wave = np.load(HERE / "h_logmel.npz")[f"wav_{item}"]
    np.testing.assert_allclose(log_mel(wave), np.load(HERE / oracle)[f"logmel_{item}"], atol=1e-5, rtol=0)


def test_mel_bank_and_silence() -> None:
    golden = np.load(HERE / "h_logmel.npz")
    np.testing.assert_allclose(mel_bank(), golden["mel_basis"], atol=1e-7, rtol=0)
    np.testing.assert_allclose(log_mel(np.zeros(3000)), golden["logmel_silence3000"], atol=1e-5, rtol=0)
