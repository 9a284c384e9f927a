"""``freeze_layer_pattern``: parameters of the base network that are not trained."""

from __future__ import annotations

import logging
import re

from vision.algorithms.object_detection.network import SSD, mxnet_names
from vision.settings.errors import SettingsError

log = logging.getLogger(__name__)

BASE = "base."
SHOWN = 6


def freeze(network: SSD, pattern: str) -> None:
    """Take the parameters of the base network that the pattern matches out of training.

    As in MXNet's example it must match from the beginning of a name (``re.match``). Names are MXNet's
    (``conv1_1_weight``, ``stage1_unit1_conv1_weight``; see ``network.mxnet_names``) or ours with or without
    ``base.`` (``layer1.0.conv1.weight``). The running averages of a batch normalisation are no parameters and go
    on following the images, as MXNet's do. Raises SettingsError if nothing matches.
    """
    theirs = mxnet_names(network)
    ours = {name: value for name, value in network.named_parameters() if name.startswith(BASE)}
    frozen = [
        name
        for name in ours
        if any(re.match(pattern, form) for form in (theirs.get(name, name), name, name.removeprefix(BASE)))
    ]
    if not frozen:
        names = [theirs.get(name, name) for name in ours]
        step = max(len(names) // SHOWN, 1)
        raise SettingsError(
            [
                f"Hyperparameter freeze_layer_pattern is {pattern!r}, which matches the beginning of no parameter of "
                f"{network.architecture.base_network}; they are called {', '.join(names[::step][:SHOWN])}, ...: "
                "change the pattern or leave it out"
            ]
        )
    for name in frozen:
        ours[name].requires_grad_(False)
    log.info("%d of %d parameters of the base network are frozen", len(frozen), len(ours))
