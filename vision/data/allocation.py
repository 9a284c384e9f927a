"""Makes the C library keep the memory that was freed, because getting it back from the kernel costs more than decoding.

A picture's pixels are more than glibc keeps by itself: it returns them to the kernel when they are freed, and the next
picture's pages are mapped and cleared one by one, which was a third of the time of decoding 500x375. A network's
buffers come and go with every batch, too: of ResNet-18 at 224 a batch of 16 takes a sixth more time of a core.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

# malloc.h of glibc; its largest threshold is 32 MiB.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -3, -4, -8
_LARGEST_KEPT_BYTES = 32 << 20
_KEPT_BYTES = 256 << 20
_NEVER = -1


def keep_freed_memory() -> None:
    """Let this process keep up to 256 MiB of freed memory for its next use. Nothing happens without glibc."""
    mallopt = _mallopt()
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def keep_large_blocks(kept_bytes: int | None) -> bool:
    """Let malloc reuse blocks of any size instead of returning them; whether it is glibc's and obeys.

    It keeps up to ``kept_bytes`` of freed memory, or all. Call it before other threads start.
    """
    mallopt = _mallopt()
    if mallopt is None:
        return False
    wanted = ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER if kept_bytes is None else kept_bytes))
    return all([mallopt(name, value) == 1 for name, value in wanted])


def return_freed_memory() -> None:
    """Give what is freed back to the kernel once, after work that is not repeated. Nothing happens without glibc."""
    trim = _of_the_c_library("malloc_trim")
    if trim is not None:
        trim(0)


def _mallopt() -> Callable[[int, int], int] | None:
    return _of_the_c_library("mallopt")


def _of_the_c_library(name: str) -> Callable[..., int] | None:
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    return found
