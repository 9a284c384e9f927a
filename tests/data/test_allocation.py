from __future__ import annotations

import ctypes

import numpy as np
import pytest

from vision.data.allocation import keep_freed_memory


def minor_faults() -> int:
    """Pages that this process has been given so far."""
    with open("/proc/self/stat") as file:
        return int(file.read().rpartition(")")[2].split()[7])


def test_freed_pictures_cost_no_new_pages() -> None:
    # Below the size from which numpy asks for huge pages, and together above what glibc keeps by itself.
    count, size = 16, 3 << 20
    keep_freed_memory()
    for _ in range(3):
        before = minor_faults()
        pictures = [np.ones(size, np.uint8) for _ in range(count)]
        pages = sum(len(picture) for picture in pictures) // 4096
        del pictures
    assert minor_faults() - before < pages // 4


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    keep_freed_memory()
