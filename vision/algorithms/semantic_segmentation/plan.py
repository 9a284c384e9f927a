"""Settings of semantic segmentation that suit some data and a machine, by a quick look at both."""

from __future__ import annotations

from collections.abc import Mapping

from vision.algorithms.plan import Plan, Recommendation, batch_size, epochs_within, side_px, start_of
from vision.data.look import DataLook
from vision.settings.counted import counted
from vision.settings.device import Machine

_CPU_S, _GPU_S = 1200.0, 1800.0
# With output stride 8, for a crop of 240 pixels.
_GFLOPS_AT_240, _DEEP_GFLOPS = {"resnet-18": 8.0, "resnet-34": 15.0, "resnet-50": 30.0}, 47.0
_STEP_PX = 8


def plan(look: DataLook, machine: Machine, given: Mapping[str, str]) -> Plan:
    """Return settings for training on what was looked at, by the network and at the size that a user names, if any."""
    network = given.get("hp.backbone") or ("resnet-50" if machine.has_gpu else "resnet-18")
    start = start_of(network.replace("-", ""), machine, given)
    longer, shorter = max(look.median_px) or 520, min(look.median_px) or 520
    base = max(min(longer, 520), 17)
    side = shorter * base // longer
    crop = max(min(side, 240 if machine.has_gpu else 160) // _STEP_PX * _STEP_PX, 24)
    gflops = _GFLOPS_AT_240.get(network, _DEEP_GFLOPS) * ((side_px(given, "hp.crop_size") or crop) / 240) ** 2
    seconds = _GPU_S if machine.has_gpu else _CPU_S
    batch = min(batch_size(look.num_images), 16)
    epochs, why = epochs_within(seconds, look.num_images, gflops, machine, 10, 60)
    width, height = look.median_px
    seen = "most of the shorter side" if 4 * crop >= 3 * side else f"a part of the {side} pixels at a time, for speed"
    found = [
        Recommendation("hp.backbone", network, f"a network for a {'GPU' if machine.has_gpu else 'CPU'}"),
        Recommendation("hp.use_pretrained_model", str(start.is_pretrained), start.reason),
        Recommendation("hp.base_size", str(base), f"half of the images have at most {width}x{height} pixels"),
        Recommendation("hp.crop_size", str(crop), seen),
        Recommendation("hp.mini_batch_size", str(batch), f"for {counted(look.num_images, 'image')}"),
        Recommendation("hp.learning_rate", "0.02", "for SGD with this batch"),
        Recommendation("hp.epochs", str(epochs), why),
    ]
    return Plan(tuple(found), start.is_pretrained, gflops, start.advice)
