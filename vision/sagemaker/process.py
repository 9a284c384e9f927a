"""A process of a training container, which may be one of several: its log, and the entry point of the launcher's."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from typing import NoReturn

from vision.sagemaker.container_job import ContainerJob
from vision.sagemaker.exit_status import PEER_LOST, exit_status_of
from vision.sagemaker.prefix import Prefix

_PR_SET_PDEATHSIG = 1


def log_to_stdout() -> None:
    """Send warnings and progress to stdout, in order with the metric lines, as SageMaker's own algorithms do.

    Only the first process of a job logs progress.
    """
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING,
        format="[%(asctime)s %(levelname)s %(process)d] %(message)s",
        datefmt="%m/%d/%Y %H:%M:%S",
        force=True,
    )


def main() -> int:
    """Train this process's share and return the exit status. The first process of all writes the job's output."""
    _end_with_parent()
    log_to_stdout()
    prefix = Prefix.choose(None, os.environ)
    return exit_status_of(lambda: _train(prefix), prefix.failure)


def _end_with_parent() -> None:
    """Die with the launcher, so that no process keeps a GPU when the launcher is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _train(prefix: Prefix) -> int:
    from vision.sagemaker.run_job import run_job
    from vision.training.processes import PeerLostError

    container = ContainerJob.read(prefix, os.environ)
    try:
        return run_job(container.job, container.hosts.current, prefix)
    except PeerLostError as error:
        # The process that failed first knows the reason and may have written it already.
        print(error, file=sys.stderr, flush=True)
        return PEER_LOST


def _run() -> NoReturn:
    status = main()
    from vision.training.processes import end_process

    end_process(status)


if __name__ == "__main__":
    _run()
