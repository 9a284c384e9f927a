"""A classifier on a network of a library, as ``run.backbone`` names it, or on one that came from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from vision.algorithms.checked_plan import IMPOSSIBLE, checked_plan
from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.algorithms.image_classification.network import LARGEST_CLASSES, Classifier, Divisor, Pixel, Side
from vision.nn.backbones import library, split_name
from vision.nn.stages import Stages

FAMILY = "library"
_NETWORK = "network"

Name = Annotated[str, Field(min_length=1, max_length=200)]
Rgb = Field(min_length=3, max_length=3)


class LibraryArchitecture(BaseModel):
    """What decides the network's shape, as the model folder records it.

    ``library`` and ``network`` name it, ``version`` is the library's when it was trained. ``head`` are the modules of
    the network that depend on the number of classes. ``mean`` and ``std`` of RGB are on the 0..255 scale.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    family: Literal["library"] = "library"
    library: Name
    network: Name
    version: str
    num_classes: Annotated[int, Field(ge=1, le=LARGEST_CLASSES)]
    image_shape: tuple[Literal[1, 3], Side, Side]
    mean: Annotated[tuple[Pixel, ...], Rgb]
    std: Annotated[tuple[Divisor, ...], Rgb]
    head: tuple[str, ...]

    @property
    def backbone(self) -> str:
        """The value of run.backbone that asks for it."""
        return f"{self.library}:{self.network}"


class LibraryClassifier(Classifier):
    """Pixels to logits; ``network`` is the library's own module."""

    def __init__(self, architecture: LibraryArchitecture) -> None:
        super().__init__(architecture)
        self.architecture = architecture
        found = library(architecture.library)
        found.check(architecture.network)
        _, *size_px = architecture.image_shape
        self.network = found.build(architecture.network, (size_px[0], size_px[1]), architecture.num_classes)

    def logits(self, normalized: Tensor) -> Tensor:
        logits: Tensor = self.network(normalized)
        return logits

    def embedding(self, normalized: Tensor) -> Tensor:
        return library(self.architecture.library).embed(self.network, normalized)


def library_architecture_for(hyperparameters: ImageClassificationHyperparameters, backbone: str) -> LibraryArchitecture:
    """Return the plan of a new network of that name, LIBRARY:NAME. Raises UserError."""
    name, network = split_name(backbone)
    found = library(name)
    found.check(network)
    mean, std = found.pixel_scale(network)
    values = {
        "library": name,
        "network": network,
        "version": found.version,
        "num_classes": hyperparameters.num_classes,
        "image_shape": hyperparameters.image_shape,
        "mean": mean,
        "std": std,
        "head": found.head(network),
    }
    return checked_plan(LibraryArchitecture, values, IMPOSSIBLE)


def load_library_weights(network: LibraryClassifier, weights_folder: Path | None) -> str:
    """Put the library's trained weights below the head; a sentence says which they are. Raises UserError."""
    plan = network.architecture
    _, height, width = plan.image_shape
    return library(plan.library).load_pretrained(plan.network, network.network, (height, width), weights_folder)


def is_library_head(parameter: str, architecture: LibraryArchitecture) -> bool:
    """Return whether a key of the classifier's state dict depends on the number of classes."""
    return parameter.startswith(tuple(f"{_NETWORK}.{module}." for module in architecture.head))


def library_stages(network: LibraryClassifier) -> Stages:
    """Return the stages of the base network: its stem, then what begins with each module that the library names."""
    plan = network.architecture
    modules = [f"{_NETWORK}.{module}." for module in library(plan.library).stage_modules(network.network)]
    stages: list[list[str]] = [[]]
    begun: set[str] = set()
    for name, _ in network.named_parameters():
        if is_library_head(name, plan):
            continue
        entered = next((module for module in modules if name.startswith(module)), None)
        if entered is not None and entered not in begun:
            begun.add(entered)
            stages.append([])
        stages[-1].append(name)
    return tuple(tuple(stage) for stage in stages if stage)
