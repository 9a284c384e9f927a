"""Libraries of networks that classify: ``run.backbone`` names one as LIBRARY:NAME, as in ``timm:convnext_tiny``.

A package adds a library by an entry point of the group ``vision.backbones`` that leads to an instance of ``Backbones``.
Legend: N batch, H and W in pixels, K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from importlib.metadata import entry_points
from pathlib import Path

from torch import Tensor, nn

from vision.nn.normalize import IMAGENET_MEAN, IMAGENET_STD
from vision.settings.errors import UserError
from vision.settings.nearest import did_you_mean, shown
from vision.settings.run import OWN_LIBRARY

GROUP = "vision.backbones"


class Backbones(ABC):
    """A library of networks that turn float32 [N, 3, H, W] into logits [N, K]."""

    version: str = ""
    """What a model records beside the network's name."""

    @abstractmethod
    def check(self, name: str) -> None:
        """Raise UserError where there is no such network, naming the nearest."""

    def pixel_scale(self, name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation of RGB, 0..255, by which the network's input is normalized."""
        return IMAGENET_MEAN, IMAGENET_STD

    @abstractmethod
    def build(self, name: str, size_px: tuple[int, int], num_classes: int) -> nn.Module:
        """Return the network for images of that height and width, with weights at random. Raises UserError."""

    @abstractmethod
    def head(self, name: str) -> tuple[str, ...]:
        """Return the names of the modules that depend on the number of classes."""

    def stage_modules(self, network: nn.Module) -> tuple[str, ...]:
        """Return the names of the modules with which the stages of the base network begin, behind its stem."""
        return ()

    def embed(self, network: nn.Module, x: Tensor) -> Tensor:
        """Return vectors [N, D] of normalized images, which are like for like images. Raises UserError."""
        raise UserError(f"A {type(network).__name__} of this library has no vectors to compare images by.")

    def load_pretrained(self, name: str, network: nn.Module, size_px: tuple[int, int], folder: Path | None) -> str:
        """Put trained weights below the head, and return a sentence that says which. Raises UserError."""
        raise UserError(f"There are no trained weights for {name}: set hp.use_pretrained_model=0.")


class OwnNetwork(Backbones):
    """One network from Python, which a model folder knows by the name of its class only."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    @property
    def name(self) -> str:
        """What a model records."""
        return type(self.network).__name__

    def check(self, name: str) -> None:
        if name != self.name:
            raise UserError(f"The model's network is a {name}, but the network that was given is a {self.name}.")

    def build(self, name: str, size_px: tuple[int, int], num_classes: int) -> nn.Module:
        self.check(name)
        return deepcopy(self.network)

    def head(self, name: str) -> tuple[str, ...]:
        return (list(self.network.state_dict())[-1].rpartition(".")[0],)


_given: ContextVar[OwnNetwork | None] = ContextVar("_given", default=None)


@contextmanager
def own_network(network: nn.Module | None) -> Iterator[None]:
    """Let models of the library ``own`` be built from this network for the block."""
    token = _given.set(None if network is None else OwnNetwork(network))
    try:
        yield
    finally:
        _given.reset(token)


def own_backbone(network: nn.Module) -> str:
    """Return the value of ``run.backbone`` that stands for a network from Python."""
    return f"{OWN_LIBRARY}:{OwnNetwork(network).name}"


def split_name(backbone: str) -> tuple[str, str]:
    """Return library and network of a backbone's name."""
    found, _, network = backbone.partition(":")
    return found, network


def library(name: str) -> Backbones:
    """Return the library of that name. Raises UserError naming the nearest if there is none."""
    if name == OWN_LIBRARY:
        own = _given.get()
        if own is None:
            raise UserError(
                "The model's network came from Python and is in no library: give it to vision.load(..., network=...), "
                f"or offer it to all commands by an entry point of the group {GROUP}."
            )
        return own
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name == "timm":
        # Ours, of the extra timm; PyTorch and it are imported when it is asked for.
        from vision.nn.timm_backbones import TIMM

        return TIMM
    if name not in found:
        known = did_you_mean(name, ["timm", *found])
        raise UserError(f"Run setting backbone names the library {shown(name)}, which is unknown: {known}")
    loaded = found[name].load()
    if not isinstance(loaded, Backbones):
        raise UserError(
            f"The entry point {name} of {GROUP} leads to {shown(loaded)}, which is no instance of Backbones."
        )
    return loaded
