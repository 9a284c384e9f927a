from __future__ import annotations

from pathlib import Path

import pytest

from vision.data.cache.free_memory import free_memory_bytes

MEMINFO = "MemTotal:       24000 kB\nMemFree:         100 kB\nMemAvailable:   20000 kB\n"
AVAILABLE = 20000 * 1024


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, AVAILABLE),
        ({"memory.max": "max", "memory.current": "500"}, AVAILABLE),
        ({"memory.max": "9000", "memory.current": "500"}, 8500),
        ({"memory.max": "9000", "memory.current": "9500"}, 0),
        ({"memory/memory.limit_in_bytes": "7000", "memory/memory.usage_in_bytes": "1000"}, 6000),
        ({"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.usage_in_bytes": "1"}, AVAILABLE),
    ],
)
def test_the_machines_or_the_containers_memory(files: dict[str, str], expected: int, tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    proc = tmp_path / "meminfo"
    proc.write_text(MEMINFO)
    assert free_memory_bytes(proc, tmp_path) == expected


def test_a_system_that_tells_nothing_has_nothing_free(tmp_path: Path) -> None:
    assert free_memory_bytes(tmp_path / "absent", tmp_path) == 0
