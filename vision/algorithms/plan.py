"""Settings that an algorithm chooses for people who choose nothing: what suits the data and the machine, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vision.data.look import DataLook
    from vision.settings.device import Machine

# A batch has this part of the images at most, so that an epoch has some steps.
_STEPS_PER_EPOCH = 20
_BATCHES = (64, 32, 16, 8)


class Recommendation(NamedTuple):
    """A setting by its full name, its value, and the reason in words."""

    setting: str
    value: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Settings, and what training with them takes.

    ``is_pretrained``: training starts from published weights. ``gflops_per_image`` is the work of one forward pass.
    ``advice`` are sentences on what would help.
    """

    settings: tuple[Recommendation, ...]
    is_pretrained: bool = False
    gflops_per_image: float = 0.0
    advice: tuple[str, ...] = ()


def nothing_planned(look: DataLook, machine: Machine, given: Mapping[str, str]) -> Plan:
    """Leave everything to the defaults."""
    return Plan(())


@dataclass(frozen=True)
class Start:
    """Whether training can start from ImageNet weights, the reason, and what would help if it cannot."""

    is_pretrained: bool
    reason: str
    advice: tuple[str, ...] = ()


def start_of(network: str, machine: Machine, given: Mapping[str, str]) -> Start:
    """Return how the training of a network that torchvision names so starts on this machine, or as ``given``."""
    from vision.nn.weights_files import PUBLISHED, find_imagenet

    stated = given.get("hp.use_pretrained_model")
    if stated is not None:
        return Start(stated.lower() in ("1", "true"), "as you say")
    if network not in PUBLISHED:
        return Start(False, "there are no ImageNet weights for this network")
    found = find_imagenet(network, machine.weights_folder)
    if found is not None:
        return Start(True, f"from {found.name}, which is on this machine")
    file = f"{PUBLISHED[network][0].stem}.pth"
    place = f"{machine.weights_folder}" if machine.weights_folder else "a folder, add run.weights_folder=FOLDER,"
    advice = (
        f"ImageNet weights would help more than anything else, the more the fewer the photos: put {file} (from "
        f"https://download.pytorch.org/models/{file}) into {place} and run this again"
    )
    return Start(False, "ImageNet weights are not on this machine", (advice,))


def side_px(given: Mapping[str, str], name: str) -> int | None:
    """Return the longer side in pixels that a setting states, such as 224 of "3,200,224"; None if it states none."""
    sides = [int(number) for number in re.findall(r"\d{1,5}", given.get(name, ""))][-2:]
    return max(sides, default=None)


def batch_size(num_images: int) -> int:
    """Return a batch that leaves an epoch some steps."""
    fitting = next((size for size in _BATCHES if num_images >= size * _STEPS_PER_EPOCH), _BATCHES[-1])
    # A fifth may be held out.
    return min(fitting, max(num_images * 4 // 5, 2))


def epochs_within(
    seconds: float, num_images: int, gflops_per_image: float, machine: Machine, least: int, most: int
) -> tuple[int, str]:
    """Return about as many epochs as fit into the time, within bounds, and the reason."""
    fitting = int(seconds * machine.images_per_s(gflops_per_image) / max(num_images, 1))
    if fitting >= most:
        return most, "more would not help so few images"
    if fitting < least:
        return least, "fewer would hardly learn"
    return fitting, f"what fits into {seconds / 60:.0f} minutes or so"
