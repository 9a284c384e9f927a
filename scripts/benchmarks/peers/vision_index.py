"""Opens an index, shuffles its records and draws a batch; tells how long that took and how much memory more."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from vision.data.recordio.idx_file import read_idx
from vision.data.sampler import TrainSampler


def memory_mb(name: str) -> float:
    """VmRSS, what the process holds, or VmHWM, the most that it held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


# Importing took more memory than it kept: from now on the peak is counted anew.
Path("/proc/self/clear_refs").write_text("5")
held = memory_mb("VmRSS")
wall, cpu = time.perf_counter(), time.process_time()
_, offsets = read_idx(Path(sys.argv[1]))
next(iter(TrainSampler(len(offsets), 256, seed=0)))
times = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
print(json.dumps({**times, "peak_mb": memory_mb("VmHWM") - held}))
