"""Decodes HEIC images in a process of its own: the library that does it crashes on some damaged files.

Run as ``python -m vision.data.heic_decoder``. For each image it reads its length and bytes from stdin and writes width,
height and uint8 RGB pixels to stdout, or a size of 0x0 for what it cannot decode.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import numpy as np

LIBRARY = "pi_heif"

_LENGTH, _SIZE = struct.Struct("<Q"), struct.Struct("<II")
# A photo of 50 megapixels takes some seconds.
_TIMEOUT_S = 60.0
# What the largest image needs while it is decoded, and the libraries.
_MOST_PIXELS, _BYTES_PER_PIXEL, _LIBRARY_BYTES = 1 << 27, 20, 1 << 29


@functools.cache
def can_decode() -> bool:
    """Return whether the library of the extra ``heif`` is installed."""
    return importlib.util.find_spec(LIBRARY) is not None


def decode_heic(encoded: bytes) -> np.ndarray | None:
    """Return uint8 [H, W, 3] RGB, turned and cut as the file says; None for what cannot be decoded."""
    try:
        # Taking one from a list is safe among threads.
        decoder = _IDLE.pop()
    except IndexError:
        decoder = _Decoder()
    image, is_alive = decoder.decode(encoded)
    if is_alive:
        _IDLE.append(decoder)
    return image


class _Decoder:
    """One process that decodes, an image after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vision.data.heic_decoder"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def decode(self, encoded: bytes) -> tuple[np.ndarray | None, bool]:
        """Return the image, and whether the process can decode others; a crashed or slow one is ended."""
        assert self._process.stdin is not None
        end_s = time.monotonic() + _TIMEOUT_S
        try:
            for part in (_LENGTH.pack(len(encoded)), encoded):
                _write(self._process.stdin, part)
            width, height = _SIZE.unpack(self._read(_SIZE.size, end_s))
            pixels = self._read(3 * width * height, end_s)
        except (OSError, EOFError):
            self._process.kill()
            self._process.communicate()
            return None, False
        return (np.frombuffer(pixels, np.uint8).reshape(height, width, 3) if pixels else None), True

    def _read(self, count: int, end_s: float) -> bytearray:
        """Return so many bytes of the answer. Raises EOFError where they do not come in time."""
        assert self._process.stdout is not None
        descriptor, found = self._process.stdout.fileno(), bytearray()
        ready = select.poll()
        ready.register(descriptor, select.POLLIN)
        while len(found) < count:
            if not ready.poll(max(0.0, end_s - time.monotonic()) * 1000):
                raise EOFError
            part = os.read(descriptor, min(count - len(found), 1 << 20))
            if not part:
                raise EOFError
            found += part
        return found


# Processes that wait for an image: as many as there were threads at once. Those of a parent are not this process's.
_IDLE: list[_Decoder] = []
os.register_at_fork(after_in_child=_IDLE.clear)


def _write(stream: IO[bytes], data: bytes) -> None:
    """Write everything: a stream without a buffer may take a part."""
    left = memoryview(data)
    while left:
        left = left[stream.write(left) :]


def main() -> None:
    """Decode images until stdin ends."""
    # The parent, which the interrupt is meant for, may go on for a while.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = in_use + _LIBRARY_BYTES + _BYTES_PER_PIXEL * _MOST_PIXELS
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    while len(head := sys.stdin.buffer.read(_LENGTH.size)) == _LENGTH.size:
        pixels = _pixels(sys.stdin.buffer.read(*_LENGTH.unpack(head)))
        sys.stdout.buffer.write(_SIZE.pack(pixels.shape[1], pixels.shape[0]))
        sys.stdout.buffer.write(pixels.data.cast("B"))
        sys.stdout.buffer.flush()


def _pixels(encoded: bytes) -> np.ndarray:
    import pi_heif

    try:
        image = pi_heif.open_heif(encoded, convert_hdr_to_8bit=True)
        return np.ascontiguousarray(image.to_pillow().convert("RGB"))
    except Exception:  # libheif's errors come as several types
        return np.zeros((0, 0, 3), np.uint8)


if __name__ == "__main__":
    main()
