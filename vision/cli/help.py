"""``vision train --help`` and ``vision sweep --help``: every setting, from the tables that also check them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from vision import algorithms
from vision.cli.composition import RECIPE, config_folders, config_groups
from vision.recipes.recipe import recipe_names
from vision.settings.hyperparameters import HyperparameterRow
from vision.settings.run import RunSettings
from vision.sweeps.settings import SweepSettings
from vision.sweeps.space import ALLOWED

_WIDTH = 100
_NAME_WIDTH = 28


def train_help(argv: Sequence[str]) -> str:
    """Return the help for the algorithm that ``argv`` names, or for all if it names none."""
    chosen = [text.partition("=")[2] for text in argv if text.startswith("algorithm=")]
    names = [algorithms.full_name(name) for name in chosen] or algorithms.names()
    groups = config_groups(tuple(argv))
    parts = [
        "Usage: vision train PATH [PATH of validation] [recipe=NAME] [hp.NAME=VALUE] [run.NAME=VALUE]\n"
        "       vision train algorithm=NAME [hp.NAME=VALUE] [channels.NAME=PATH] [run.NAME=VALUE] [GROUP=NAME]",
        _PATH_ALONE + ", ".join(recipe_names(folder / RECIPE for folder in config_folders(argv))),
        _examples(),
        "Options:\n  -m, --multirun   run once for each combination of comma-separated values\n"
        "  --cfg job        print the composed settings and stop\n"
        "  --config-dir DIR look for config files there too",
        "Config files:\n" + "\n".join(f"  {group}={', '.join(found)}" for group, found in groups.items()),
    ]
    for name in names:
        rows = algorithms.facts_of(name).hyperparameters.rows()
        parts.append(f"Hyperparameters of {name} (hp.NAME=), as SageMaker documents them:\n{setting_rows(rows)}")
    described = "\n".join(f"  {name:<{_NAME_WIDTH}}{text}" for name, text in _channels(names).items())
    parts.append(
        "Channels (channels.NAME=PATH, or channels.NAME.path= with .content_type=, .input_mode=,"
        f" .attributes=, .label_format=):\n{described}"
    )
    parts.append(f"Run settings (run.NAME=), ours:\n{setting_rows(RunSettings.rows())}")
    return "\n\n".join(parts)


def _channels(names: Sequence[str]) -> dict[str, str]:
    """Return what each channel of these algorithms holds, with their names where not all have it."""
    declared = {name: {one.name: one.holds for one in algorithms.facts_of(name).channels} for name in names}
    found: dict[str, str] = {}
    for channel in (channel for held in declared.values() for channel in held):
        owners = [name for name, held in declared.items() if channel in held]
        owned = "" if len(owners) == len(declared) else f"{', '.join(owners)}: "
        found[channel] = owned + declared[owners[0]][channel]
    return found


_PATH_ALONE = """\
PATH is a folder with a folder of images for each class, a .rec file, a manifest, a COCO, VOC or YOLO data
set, or images with masks. What it holds decides about the algorithm, sizes, network and length; a fifth of
the images is held out for validation unless the data have parts named train and validation. What is chosen
is printed as a command of the second form.
Recipes (recipe=NAME; sagemaker has the documented defaults, and holds where algorithm= is given): """


def _examples() -> str:
    return textwrap.dedent("""\
        Examples:
          vision train photos/
          vision train photos/ hp.epochs=20 run.output=runs/photos
          vision train algorithm=image_classification experiment=quick \\
              channels.train=train.rec channels.validation=test.rec
          vision train algorithm=object_detection \\
              channels.train=train.rec channels.validation=val.rec hp.base_network=resnet-50
          vision train -m experiment=cifar10_resnet20 hp.learning_rate=0.1,0.01 run.output=runs/rates""")


_SWEEP_HELP = """\
Usage: vision sweep PATH [recipe=NAME] hp.NAME=RANGE ... [run.NAME=VALUE] [sweep.NAME=VALUE]
       vision sweep algorithm=NAME channels.NAME=PATH ... [hp.NAME=VALUE or RANGE] [run.NAME=VALUE]
                    [sweep=FILE] [sweep.NAME=VALUE]
       vision sweep sweep.output=FOLDER sweep.resume=true [sweep.trials=MORE]
       vision sweep --space algorithm=NAME [hp.optimizer=NAME]

Trains many times, each trial in a process of its own, to find the hyperparameters with the highest
objective: {objectives}. A hyperparameter
with one value has it in all trials. What varies is, in this order:
  hp.NAME=RANGE    {ranges}
  sweep.space=FILE ranges in a YAML file, sweep=NAME in one of configs/sweep
  neither          all hyperparameters that SageMaker documents as tunable and that have no value
                   yet; of those that belong to an optimizer, only those of the drawn optimizer
Hopeless trials end early. A killed sweep resumes with sweep.resume=true: finished trials stay, and
the others continue from their checkpoints. --space prints the documented ranges as such a file.

Example: vision sweep algorithm=image_classification channels.train=train.rec channels.validation=val.rec \\
             hp.epochs=10 hp.learning_rate='tag(log,interval(0.001,0.5))' hp.optimizer=sgd,nag sweep.trials=12

Sweep settings (sweep.NAME=):
{rows}"""


def sweep_help() -> str:
    """Return the help with its table of settings."""
    declared = algorithms.all_facts()
    objectives = " or ".join(f"{facts.objective.sagemaker} ({facts.title.lower()})" for facts in declared)
    return _SWEEP_HELP.format(objectives=objectives, ranges=ALLOWED, rows=setting_rows(SweepSettings.rows()))


def setting_rows(rows: Iterable[HyperparameterRow]) -> str:
    """Return a table of settings, a row each, as help prints it."""
    return "\n".join(_row(row) for row in rows)


def _row(row: HyperparameterRow) -> str:
    standard = "required" if row.required else f"default {row.default}" if row.default else "default unset"
    tunable = f"; tune {row.tunable}" if row.tunable else ""
    indent = " " * (_NAME_WIDTH + 2)
    text = f"{row.description}: {row.valid}; {standard}{tunable}"
    lines = textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return f"  {row.name:<{_NAME_WIDTH}}" + "\n".join(lines)[len(indent) :]
