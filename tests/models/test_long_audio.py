"""A long recording in one piece, at base size: memory grows with its length, not with the square of it."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, resource, sys
import torch
from speecht5_cli.models.config import ModelConfig, Parts
from speecht5_cli.models.speecht5 import SpeechT5

resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))  # an error instead of a machine that swaps
torch.manual_seed(0)
net = SpeechT5(ModelConfig(), Parts(speech_in=True)).eval()
wave = torch.randn(1, 16_000 * int(sys.argv[1])) * 0.1
with torch.inference_mode():
    states = net.encode_speech(wave, torch.tensor([wave.size(1)])).states
print(json.dumps({
    "frames": states.size(1),
    "finite": bool(states.isfinite().all()),
    "spread": float(states.std()),
    "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_ten_minutes_encode_in_six_gigabytes() -> None:
    """Of the whole process, weights and libraries counted."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, "600"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["frames"] == 29_999
    assert found["finite"] and found["spread"] > 0.1
    assert found["peak_bytes"] < 6e9, f"{found['peak_bytes'] / 1e9:.2f} GB"
