"""The command ``train`` of the container: reads what the platform gives, trains, leaves what it fetches.

The image says which algorithm it is by the environment variable VISION_ALGORITHM, as each of SageMaker's own images
is one algorithm.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from vision.sagemaker.container_job import ContainerJob
from vision.sagemaker.ending import run_to_its_end
from vision.sagemaker.job_log import log_to_stdout
from vision.sagemaker.prefix import VARIABLE, Prefix

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Train one job and return the exit status."""
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["train"], help="accepted because an image may pass it on")
    parser.add_argument("--prefix", help=f"folder in place of /opt/ml (also: {VARIABLE})")
    arguments = parser.parse_args(argv)
    prefix = Prefix.choose(arguments.prefix, os.environ)
    log_to_stdout()
    return run_to_its_end(lambda: train(prefix), prefix.failure)


def train(prefix: Prefix) -> int:
    """Check the whole job, then train it here or, with several machines or GPUs, in one process for each."""
    log.info("Reading the configuration below %s", prefix.path)
    given = ContainerJob.read(prefix, os.environ)
    if given.counted is not None:
        log.info("%s", given.counted)
    log.info("Final configuration: %s", json.dumps(given.job.hyperparameters.to_strings()))
    log.info("Run settings: %s", given.job.run.model_dump_json(exclude_defaults=True))
    warn_about_async(given)
    # Importing torch takes seconds; every settings error is out by now.
    from vision.training.accelerator import choose_accelerator

    _, processes = choose_accelerator(given.job.run)
    processes = one_reader_per_pipe(given, processes)
    if processes * len(given.hosts.names) > 1:
        from vision.sagemaker.launcher import Launcher

        return Launcher.plan(given.hosts, processes, given.job.run, os.environ).run(prefix)
    from vision.sagemaker.run_job import run_job

    run = given.job.run.model_copy(update={"devices": processes})
    return run_job(replace(given.job, run=run), given.hosts.current, prefix)


def warn_about_async(given: ContainerJob) -> None:
    """Say what differs where the job asks for asynchronous updates."""
    if given.job.hyperparameters.kv_store == "dist_async":
        log.warning(
            "hp.kv_store=dist_async: the machines update the model together after every step, as with dist_sync; "
            "SageMaker's own algorithm lets each update by itself, faster over slow networks and less exact"
        )


def one_reader_per_pipe(given: ContainerJob, processes: int) -> int:
    """Processes of this machine; only one where a channel comes by pipes, since a pipe has one reader."""
    piped = [name for name, channel in given.job.channels.items() if channel.input_mode == "Pipe"]
    if processes == 1 or not piped:
        return processes
    log.warning(
        "channel %s is in Pipe mode, whose pipes have one reader: training on one of %d GPUs of this machine; use File "
        "or FastFile mode for all of them",
        piped[0],
        processes,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
