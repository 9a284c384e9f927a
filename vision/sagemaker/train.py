"""The command ``train`` of the container: train the job that the platform describes in files.

The image sets its algorithm as the environment variable VISION_ALGORITHM: each of SageMaker's own images is one
algorithm too.
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
from vision.sagemaker.exit_status import exit_status_of
from vision.sagemaker.prefix import VARIABLE, Prefix
from vision.sagemaker.process import log_to_stdout
from vision.settings.hyperparameters import KeyValueStoreHyperparameters

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Train one job and return the exit status."""
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["train"], help="accepted because an image may pass it on")
    parser.add_argument("--prefix", help=f"folder in place of /opt/ml (also: {VARIABLE})")
    arguments = parser.parse_args(argv)
    prefix = Prefix.choose(arguments.prefix, os.environ)
    log_to_stdout()
    return exit_status_of(lambda: train(prefix), prefix.failure)


def train(prefix: Prefix) -> int:
    """Check the whole job, then train it here or, with several machines or GPUs, in one process for each."""
    log.info("Reading the configuration below %s", prefix.path)
    container = ContainerJob.read(prefix, os.environ)
    if container.counted is not None:
        log.info("%s", container.counted)
    log.info("Final configuration: %s", json.dumps(container.job.hyperparameters.to_strings()))
    log.info("Run settings: %s", container.job.run.model_dump_json(exclude_defaults=True))
    warn_about_async(container)
    # Imported after the settings are checked: importing torch takes seconds.
    from vision.training.accelerator import choose_accelerator

    _, processes = choose_accelerator(container.job.run)
    processes = one_reader_per_pipe(container, processes)
    if processes * len(container.hosts.names) > 1:
        from vision.sagemaker.launcher import Launcher

        return Launcher.plan(container.hosts, processes, container.job.run, os.environ).run(prefix)
    from vision.sagemaker.run_job import run_job

    run = container.job.run.model_copy(update={"devices": processes})
    return run_job(replace(container.job, run=run), container.hosts.current, prefix)


def warn_about_async(container: ContainerJob) -> None:
    """Log a warning if the job asks for asynchronous updates, which are made synchronously here."""
    given = container.job.hyperparameters
    if isinstance(given, KeyValueStoreHyperparameters) and given.kv_store == "dist_async":
        log.warning(
            "hp.kv_store=dist_async: the machines update the model together after every step, as with dist_sync; "
            "SageMaker's own algorithm lets each update by itself, faster over slow networks and less exact"
        )


def one_reader_per_pipe(container: ContainerJob, processes: int) -> int:
    """Return the number of processes: 1 if a channel is in Pipe mode, since a pipe has one reader."""
    piped = [name for name, channel in container.job.channels.items() if channel.input_mode == "Pipe"]
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
