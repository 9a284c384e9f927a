"""Decodes one image in a process of its own, which is killed if it takes too long or too much memory.

Run as ``python -m vision.serving.decoder_process MAX_PIXELS SECONDS`` by ``decode_elsewhere``: the encoded image comes
on stdin, height, width and uint8 RGB pixels go to stdout, or a sentence with exit status 3.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

from vision.data.image_codec import decode_rgb, prepare_threads
from vision.settings.errors import DataError

_REFUSED = 3
_SIZE = struct.Struct("<II")
# What the largest image needs while it is decoded (coefficients of 4 channels, pixels twice), and the libraries.
_BYTES_PER_PIXEL, _LIBRARY_BYTES = 20, 1 << 29
# Large images must not keep small ones waiting.
_NICENESS = 5


def decode_elsewhere(
    encoded: bytes | memoryview, key: str, *, max_pixels: int, limit_s: float, timeout_s: float
) -> np.ndarray:
    """Return uint8 [H, W, 3] RGB, as ``decode_rgb`` does. Raises DataError under ``key``.

    ``limit_s`` limits processor time, ``timeout_s`` elapsed time.
    """
    command = [sys.executable, "-m", "vision.serving.decoder_process", str(max_pixels), str(round(max(limit_s, 1)))]
    try:
        ended = subprocess.run(command, input=encoded, stdout=subprocess.PIPE, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise DataError(key, f"was not decoded within {timeout_s:g} seconds; save it as a plain JPEG") from None
    if ended.returncode == _REFUSED:
        raise DataError(key, ended.stdout.decode("utf-8", "replace"))
    if ended.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise DataError(
            key,
            f"takes more than the {limit_s:g} seconds to decode that decode_limit_s allows; save it as a plain JPEG",
        )
    if ended.returncode != 0:
        raise DataError(key, "cannot be decoded within the memory that max_pixels allows; save it as a plain JPEG")
    height, width = _SIZE.unpack_from(ended.stdout)
    return np.frombuffer(ended.stdout, np.uint8, offset=_SIZE.size).reshape(height, width, 3)


def main(max_pixels: int, limit_s: int) -> int:
    """Decode the image on stdin and return the exit status."""
    prepare_threads()
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    most = in_use + _LIBRARY_BYTES + _BYTES_PER_PIXEL * max_pixels
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        image = decode_rgb(sys.stdin.buffer.read(), "", max_pixels=max_pixels)
    except DataError as error:
        sys.stdout.buffer.write(error.reason.encode())
        return _REFUSED
    sys.stdout.buffer.write(_SIZE.pack(*image.shape[:2]))
    sys.stdout.buffer.write(image.data.cast("B"))
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
