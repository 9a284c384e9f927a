from __future__ import annotations

import subprocess
import sys

# In a process of its own: malloc's settings last.
PROBE = """
import resource, threading
import numpy as np
from vision.data.allocation import keep_large_blocks
print(keep_large_blocks(1 << 29))
def work():
    for turn in range(20):
        if turn == 10:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        np.ones(64 << 20, np.uint8)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def test_large_blocks_are_reused_without_new_pages() -> None:
    kept, faults = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True).stdout.split()
    assert kept == "True"
    # Ten blocks of 64 MiB are 163,840 pages of 4 KiB, or 320 huge ones.
    assert int(faults) < 100


RETURNED = """
import numpy as np
from vision.data.allocation import keep_large_blocks, return_freed_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) // 256
keep_large_blocks(1 << 29)
blocks = [np.ones(64 << 20, np.uint8) for _ in range(4)]
# Above the others, it keeps them from being cut off at the end.
last = np.ones(1 << 20, np.uint8)
del blocks
before = resident()
return_freed_memory()
print(before - resident())
"""


def test_what_is_kept_can_be_returned_once() -> None:
    done = subprocess.run([sys.executable, "-c", RETURNED], capture_output=True, text=True, check=True)
    # MiB of 256.
    assert int(done.stdout) > 200
