"""How many bytes this process may still take, of the machine's memory or of a GPU's."""

from __future__ import annotations

from pathlib import Path

import torch

PROC = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
# Of a container: version 2, then version 1 of the kernel's control groups. What the page cache holds counts as used.
_LIMITS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


def free_memory_bytes(proc: Path = PROC, cgroup: Path = CGROUP) -> int:
    """Return what the machine has left, and the container, whichever is less; 0 where neither tells."""
    found = [_available(proc)] if proc.exists() else []
    for limit_name, used_name in _LIMITS:
        limit, used = _number(cgroup / limit_name), _number(cgroup / used_name)
        if limit is not None and used is not None:
            found.append(max(0, limit - used))
    return min(found, default=0)


def free_device_bytes(device: torch.device) -> int:
    """Return what a GPU has left."""
    return torch.cuda.mem_get_info(device)[0]


def _available(proc: Path) -> int:
    for line in proc.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _number(path: Path) -> int | None:
    """Return the number in a file; None if there is no such file, or the word "max" in it."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
