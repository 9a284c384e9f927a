"""A trial of a sweep: ``vision train`` in a process that ends when the sweep does.

``python -m vision.cli.trial DESCRIPTOR STATUS_FILE WORD...``: the descriptor is the reading end of a pipe whose
writing end the sweep keeps open while it runs.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from vision.cli.main import main, print_problems
from vision.files.atomic_file import write_whole
from vision.settings.errors import UserError

GRACE_S = 60.0


def run_trial(argv: Sequence[str]) -> int:
    """Train, then write the exit status to the file, so that a resumed sweep knows how the trial ended."""
    descriptor, status_file, *words = argv
    if "LOCAL_RANK" in os.environ:
        # A further process of the same trial, one for each GPU: it ends with the first and has no pipe.
        return main(["train", *words])
    threading.Thread(target=_end_with_the_sweep, args=(int(descriptor),), daemon=True).start()
    status = main(["train", *words])
    try:
        write_whole(status_file, str(status))
    except UserError as error:
        # The sweep, if it still waits for this process, gets the status from the system.
        print_problems(error)
    return status


def _end_with_the_sweep(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(run_trial(sys.argv[1:]))
