"""Settings of object detection that suit some data and a machine, by a quick look at both."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vision.algorithms.object_detection.hyperparameters import ObjectDetectionHyperparameters
from vision.algorithms.plan import Plan, Recommendation, batch_size, epochs_within, side_px, start_of
from vision.data.look import DataLook
from vision.settings.counted import counted
from vision.settings.device import Machine

# Below this many pixels of 300 half of the boxes are seen by the finest feature map only.
_SMALL_BOX_PX_OF_300 = 30.0
_CPU_S, _GPU_S = 1200.0, 1800.0
_GFLOPS_AT_300, _GFLOPS_OF_VGG = {"resnet-18": 5.0, "resnet-34": 9.0, "resnet-50": 12.0}, 31.0


def plan(look: DataLook, machine: Machine, given: Mapping[str, str]) -> Plan:
    """Return settings for training on what was looked at, by the network and at the size that a user names, if any."""
    network = given.get("hp.base_network") or ("resnet-50" if machine.has_gpu else "resnet-18")
    start = start_of(network.replace("-", ""), machine, given)
    median = float(np.median(look.box_sides_unit)) * 300 if len(look.box_sides_unit) else 300.0
    side = 512 if machine.has_gpu and median < _SMALL_BOX_PX_OF_300 else 300
    gflops = _GFLOPS_AT_300.get(network, _GFLOPS_OF_VGG) * ((side_px(given, "hp.image_shape") or side) / 300) ** 2
    seconds = _GPU_S if machine.has_gpu else _CPU_S
    batch = min(batch_size(look.num_images), 16)
    epochs, why = epochs_within(seconds, look.num_images, gflops, machine, 10, 100)
    reason = f"half of the boxes have a side below {median:.0f} pixels of 300"
    found = [
        Recommendation("hp.base_network", network, f"a network for a {'GPU' if machine.has_gpu else 'CPU'}"),
        Recommendation("hp.use_pretrained_model", str(int(start.is_pretrained)), start.reason),
        Recommendation("hp.image_shape", str(side), reason),
        Recommendation("hp.mini_batch_size", str(batch), f"for {counted(look.num_images, 'image')}"),
        Recommendation("hp.learning_rate", "0.0005" if start.is_pretrained else "0.001", "for Adam"),
        Recommendation("hp.epochs", str(epochs), why),
    ]
    default = ObjectDetectionHyperparameters.model_fields["label_width"].default
    if look.label_width > default:
        found.append(Recommendation("hp.label_width", str(look.label_width), "the longest label"))
    return Plan(tuple(found), start.is_pretrained, gflops, start.advice)
