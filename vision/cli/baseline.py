"""``vision baseline``: train what people used before networks, in a minute, as a yardstick."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from vision import algorithms
from vision.cli.assignments import fill_places, read_assignments
from vision.settings.channels import needed_channels
from vision.settings.errors import SettingsError, UserError
from vision.settings.file_names import local_path
from vision.settings.job import Job, occupied

HELP = """\
Usage: vision baseline IMAGES [channels.NAME=PATH] [run.NAME=VALUE]

Measures shapes (HOG), colors, texture (LBP, Gabor), edges and visual words (SIFT, k-means) in each image, trains a
linear SVM and a random forest on each and on all, and keeps the best by cross-validation within the training images.
The model lies in a run folder as a network's does: vision predict, evaluate, compare and serve take it.

  images      labeled images, one class each, as `vision train` takes them; what holds no validation part is divided
  channels    channels.train and channels.validation, in place of the path
  run         run settings, for example run.output=runs/baseline (vision train --help lists them)

scikit-learn trains it: pip install 'vision[baseline]'.

Example: vision baseline photos run.output=runs/baseline
         vision compare runs/baseline runs/flowers"""

SHARE = "0.2"
# As the recipe auto leaves out broken photos, so that both train on the same folder.
MAX_BROKEN = "0.2"


def run(argv: Sequence[str]) -> int:
    """Train the baseline, print what it reaches, write the report. Returns the exit status."""
    if {"-h", "--help"}.intersection(argv):
        print(HELP)
        return 0
    words = fill_places(read_assignments(argv, names=(), sections=("channels", "run"), allow_files=True), ("images",))
    facts = next(found for found in algorithms.all_facts() if found.baseline is not None)
    assert facts.baseline is not None
    channels, settings = dict(words.sections["channels"]), dict(words.sections["run"])
    if "images" in words.names:
        from vision.recipes.data_finder import find_data

        found = find_data(local_path(words.names["images"])).channels
        channels = {**{name: str(path) for name, path in found.items()}, **channels}
        settings.setdefault("max_broken", MAX_BROKEN)
    if not channels:
        raise SettingsError(["There are no images: give their path, as in vision baseline photos."])
    if "validation" not in channels:
        settings.setdefault("validation_share", SHARE)
    from vision.data.counting import with_counts
    from vision.data.labels import TASK_NAMES
    from vision.data.look import look_at
    from vision.data.readers.open import open_channel
    from vision.settings.channels import parse_channels

    look = look_at(open_channel(parse_channels(channels, ("train",)), "train"))
    if look is not None and look.task != "single":
        raise UserError(
            f"vision baseline needs {TASK_NAMES['single']}, but the labels here are {TASK_NAMES[look.task]}: "
            "train a network, vision train PATH"
        )
    counted = with_counts(facts.baseline, channels, facts.label_suffixes("train"))
    declared = needed_channels(facts.channels, settings)
    job = Job.parse(facts.name, facts.hyperparameters, counted, channels, settings, declared)
    problem = occupied(job.run)
    if problem is not None:
        raise SettingsError([problem])
    print(
        f"vision: {job.channels['train'].path}: {job.hyperparameters.num_training_samples:,} images; measuring shapes, "
        "colors, texture, edges and visual words, then training on them",
        file=sys.stderr,
        flush=True,
    )
    # Imported after the settings are checked: importing torch takes seconds.
    from vision.api.baseline import train_baseline
    from vision.cli.train import show

    show(train_baseline(job))
    return 0
