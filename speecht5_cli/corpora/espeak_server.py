"""A speaking program around the espeak-ng library: one request a line on stdin, one recording each on stdout.

espeak-ng carries state from one utterance to the next, so the same text sounds different the second time, and it draws
the breath of some voices from random numbers that it seeds with the time. This program therefore loads the library
once, never speaks itself, and forks a child for each utterance, which seeds the random numbers from its request: the
same request gives the same bytes. It runs as a process of its own (espeak-ng is GPL) and imports nothing but the
standard library, so that the forked state does not depend on the caller.

Request: JSON with text, voice, rate (words a minute), pitch and range (0 to 99). Answer: length in bytes (4, little
endian), then 16-bit samples. The sample rate (4 bytes) comes before the first answer.
"""

import ctypes
import json
import os
import sys
import zlib
from typing import Any

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: the callback gets the samples before espeak_Synth returns
_UTF8 = 1  # espeakCHARS_UTF8
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def serve(library: str, data: str) -> None:
    """Answer requests until stdin ends. Leaves with a message when the library or a request is no good."""
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever the library prints must not fall among the answers
    espeak = ctypes.CDLL(library)
    rate = espeak.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), 0)
    if rate <= 0:
        sys.exit(f"espeak-ng cannot read its data in {data} (it wants a path of less than 160 characters)")
    _write(answers, rate.to_bytes(4, "little"))
    for line in sys.stdin.buffer:
        child = os.fork()
        if child == 0:
            _answer(espeak, line, answers)
        if os.waitpid(child, 0)[1] != 0:
            sys.exit(f"espeak-ng failed on {line.decode()}")


def _answer(espeak: ctypes.CDLL, line: bytes, answers: int) -> None:
    """Speak one request, write the samples, and end this (child) process."""
    try:
        pcm = _spoken(espeak, zlib.crc32(line), **json.loads(line))
        _write(answers, len(pcm).to_bytes(4, "little") + pcm)
    except Exception as error:  # noqa: BLE001 - the child must never fall back into the server's loop
        print(error, file=sys.stderr, flush=True)  # noqa: T201 - stderr is this program's only way to speak to people
        os._exit(1)
    os._exit(0)


def _spoken(espeak: ctypes.CDLL, seed: int, text: str, voice: str, rate: int, pitch: int, range: int) -> bytes:
    pieces: list[bytes] = []

    @_CALLBACK
    def collect(samples: Any, n_samples: int, _events: Any) -> int:
        if samples and n_samples > 0:
            pieces.append(ctypes.string_at(samples, 2 * n_samples))
        return 0

    espeak.espeak_SetSynthCallback(collect)
    if espeak.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice '{voice}'")
    for parameter, value in ((_RATE, rate), (_PITCH, pitch), (_RANGE, range)):
        espeak.espeak_SetParameter(parameter, value, 0)
    espeak.espeak_ng_SetRandSeed(ctypes.c_long(seed))
    ctypes.CDLL(None).srand(ctypes.c_uint(seed))  # parts of the library draw from the C library instead
    encoded = text.encode() + b"\0"
    if espeak.espeak_Synth(encoded, len(encoded), 0, 1, 0, _UTF8, None, None) != 0:
        raise RuntimeError("espeak_Synth failed")
    return b"".join(pieces)


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


if __name__ == "__main__":
    serve(*sys.argv[1:])
