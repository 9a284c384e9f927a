"""``vision sweep --help``."""

from __future__ import annotations

from vision import algorithms
from vision.cli.train_help import setting_rows
from vision.sweeps.range_text import ALLOWED
from vision.sweeps.settings import SweepSettings

TEXT = """\
Usage: vision sweep algorithm=NAME channels.NAME=PATH ... [hp.NAME=VALUE or RANGE] [run.NAME=VALUE]
                    [sweep=FILE] [sweep.NAME=VALUE]
       vision sweep sweep.output=FOLDER sweep.resume=true [sweep.trials=MORE]
       vision sweep --space algorithm=NAME [hp.optimizer=NAME]

Trains many times, each trial in a process of its own, to find the hyperparameters with the highest
objective: {objectives}. A hyperparameter
with one value has it in all trials. What varies is, in this order:
  hp.NAME=RANGE    {ranges}
  sweep.space=FILE ranges in a YAML file, sweep=NAME in one of configs/sweep
  neither          all that SageMaker documents as tunable, but what has a value already; of
                   the hyperparameters that belong to optimizers only those of the drawn one
Hopeless trials end early. A sweep that was killed goes on with sweep.resume=true: ended trials stay,
those under way go on from their checkpoints. --space prints the documented ranges as such a file.

Example: vision sweep algorithm=image_classification channels.train=train.rec channels.validation=val.rec \\
             hp.epochs=10 hp.learning_rate='tag(log,interval(0.001,0.5))' hp.optimizer=sgd,nag sweep.trials=12

Sweep settings (sweep.NAME=):
{rows}"""


def sweep_help() -> str:
    """Return the help with its table of settings."""
    declared = map(algorithms.facts_of, algorithms.names())
    objectives = " or ".join(f"{facts.objective.sagemaker} ({facts.title.lower()})" for facts in declared)
    return TEXT.format(objectives=objectives, ranges=ALLOWED, rows=setting_rows(SweepSettings.rows()))
