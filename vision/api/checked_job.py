"""Checks a job by what its settings say alone, before its data are read."""

from __future__ import annotations

import os
from collections.abc import Mapping

from vision import algorithms
from vision.settings.channels import needed_channels
from vision.settings.errors import SettingsError
from vision.settings.hyperparameters import missing_counts
from vision.settings.job import Job, TrainingJob, occupied

# Stands in for the missing counts while the other settings are checked.
MANY = 1_000_000


def checked_job(
    algorithm: str, hyperparameters: Mapping[str, object], channels: Mapping[str, object], run: Mapping[str, object]
) -> TrainingJob:
    """Return the job, in which counts that can be counted later are made up. Raises SettingsError with all problems."""
    facts = algorithms.facts_of(algorithm)
    declared = needed_channels(facts.channels, run)
    unknown = {}
    if channels.get("train"):
        forms = facts.hyperparameters.forms()
        unknown = {name: min(MANY, int(forms[name].high or MANY)) for name in missing_counts(hyperparameters)}
    job = Job.parse(facts.name, facts.hyperparameters, {**hyperparameters, **unknown}, channels, run, declared)
    # The folder is not empty for further processes of the same run, one for each GPU: the first has written to it.
    problem = occupied(job.run) if os.environ.get("LOCAL_RANK", "0") == "0" else None
    if problem is not None:
        raise SettingsError([problem])
    return job
