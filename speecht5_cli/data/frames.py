"""How many frames a sound of so many samples has, at each of the three frame rates in use.

| frames                           | hop (samples) | rate (Hz) | count for n samples at 16 kHz      |
|----------------------------------|---------------|-----------|------------------------------------|
| speech encoder, unit labels      | 320           | 50        | through seven convolutions (below) |
| MFCC                             | 160           | 100       | whole 25 ms windows only           |
| log-mel                          | 256           | 62.5      | 1 + floor(n / 256): centred        |
"""

from speecht5_cli.data.audio import SAMPLE_RATE

# (kernel, stride) of the speech encoder's convolutions: 5 * 2**6 = 320 samples between frames, each of which sees 400.
ENCODER_CONVOLUTIONS = ((10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2))
UNIT_HOP_SAMPLES = 320
UNIT_RATE_HZ = SAMPLE_RATE / UNIT_HOP_SAMPLES  # 50

MFCC_WINDOW_SAMPLES = SAMPLE_RATE * 25 // 1000  # 25 ms = 400
MFCC_HOP_SAMPLES = SAMPLE_RATE * 10 // 1000  # 10 ms = 160
MFCC_RATE_HZ = SAMPLE_RATE / MFCC_HOP_SAMPLES  # 100

LOG_MEL_HOP_SAMPLES = 256  # 16 ms
LOG_MEL_RATE_HZ = SAMPLE_RATE / LOG_MEL_HOP_SAMPLES  # 62.5


def n_unit_frames(n_samples: int) -> int:
    """Frames of the speech encoder: floor((n - 400) / 320) + 1, and 0 below 400 samples."""
    n = n_samples
    for kernel, stride in ENCODER_CONVOLUTIONS:
        if n < kernel:
            return 0
        n = (n - kernel) // stride + 1
    return n


def n_mfcc_frames(n_samples: int) -> int:
    """Frames of an MFCC without padding at the edges; 0 below 400 samples.

    Every second of them lies on a frame of the encoder, and no encoder frame is without: n_unit_frames is half of
    this, rounded up.
    """
    return max(0, (n_samples - MFCC_WINDOW_SAMPLES) // MFCC_HOP_SAMPLES + 1)


def n_log_mel_frames(n_samples: int) -> int:
    """Frames of a centred log-mel: 1 + floor(n / 256)."""
    return 1 + n_samples // LOG_MEL_HOP_SAMPLES
