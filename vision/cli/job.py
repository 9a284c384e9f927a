"""Makes a checked job of composed settings, as training, checking and the search for a rate take it."""

from __future__ import annotations

from dataclasses import replace

from vision import algorithms
from vision.api.checked_job import checked_job
from vision.cli.overrides import Settings
from vision.settings.errors import SettingsError
from vision.settings.hyperparameters import missing_counts
from vision.settings.job import TrainingJob


def job_of(settings: Settings) -> TrainingJob:
    """Return the checked job, with the counts that were left out, which a line on stderr states.

    Raises SettingsError with every problem of every part.
    """
    # All other problems come first: counting reads the data, and a wrong setting should not wait for that.
    job = check_settings(settings)
    if not missing_counts(settings["hp"]):
        return job
    from vision.data.counting import print_counts, with_counts

    facts = algorithms.facts_of(job.algorithm)
    suffixes, shown = facts.label_suffixes("train"), job.run.progress in ("auto", "bar")
    counted = with_counts(settings["hp"], settings["channels"], suffixes, shows_progress=shown)
    job = replace(job, hyperparameters=facts.hyperparameters.parse(counted))
    print_counts(settings["hp"], job.hyperparameters.to_strings())
    return job


def check_settings(settings: Settings) -> TrainingJob:
    """Return the job as far as its settings say, without a look at data. Raises one SettingsError with all problems."""
    name = settings["algorithm"]
    if name is None:
        known = " or ".join(algorithms.names())
        raise SettingsError(
            [
                f"Setting algorithm is required but missing: give algorithm={known}, or the path of your images alone"
                ", for example photos/."
            ]
        )
    return checked_job(str(name), settings["hp"], settings["channels"], settings["run"])
