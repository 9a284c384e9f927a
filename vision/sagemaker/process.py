"""One process of a job with several; the launcher starts it. The first of all writes what the job leaves."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from vision.sagemaker.container_job import ContainerJob
from vision.sagemaker.ending import PEER_LOST, run_to_its_end
from vision.sagemaker.job_log import log_to_stdout
from vision.sagemaker.prefix import Prefix

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Train this process's share and return the exit status."""
    _end_with_parent()
    log_to_stdout()
    prefix = Prefix.choose(None, os.environ)
    return run_to_its_end(lambda: _train(prefix), prefix.failure)


def _end_with_parent() -> None:
    """A launcher that is killed must not leave processes behind that hold a GPU."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _train(prefix: Prefix) -> int:
    from vision.sagemaker.run_job import run_job
    from vision.training.processes import PeerLostError

    given = ContainerJob.read(prefix, os.environ)
    try:
        return run_job(given.job, given.hosts.current, prefix)
    except PeerLostError as error:
        # The process that went first has the reason, and may have left it as the job's.
        print(error, file=sys.stderr, flush=True)
        return PEER_LOST


if __name__ == "__main__":
    sys.exit(main())
