"""The network that turns images into the vectors of an index: a trained model of ours, or one trained on ImageNet."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from vision import algorithms
from vision.algorithms.algorithm import AnyAlgorithm
from vision.api.model import load
from vision.data.collate import stack_images
from vision.data.dataset import Transform
from vision.data.given_images import encoded_images
from vision.data.image_codec import decode_rgb
from vision.data.sample import Reader
from vision.progress_bar import progress_bar
from vision.settings.device import usable_cores
from vision.settings.errors import DataError, UserError
from vision.settings.file_names import local_path
from vision.settings.run import RunSettings
from vision.training.accelerator import choose_device
from vision.training.out_of_memory import explain_out_of_memory

log = logging.getLogger(__name__)

IMAGENET = "imagenet"
CLASSICAL = "classical"
LIBRARY_MARK = ":"
# What a classifier with published weights is asked for by; its classes do not matter here.
_PUBLISHED = {"num_classes": "2", "num_training_samples": "1", "use_pretrained_model": "1", "num_layers": "50"}
_BATCH = 32
# Batches decoded ahead of the network, so that memory stays bounded however many images there are.
_AHEAD = 2


class Content(NamedTuple):
    """An image to embed: its ``name``, and its encoded bytes or why they cannot be read."""

    name: str
    encoded: bytes | memoryview | DataError


def contents_of(paths: Iterable[Path], advance: Callable[[int], None] = lambda count: None) -> Iterator[Content]:
    """Yield the images of files, and of data sets in one file, each by a name of its own.

    ``advance`` is called with 1 after each.
    """
    for path in paths:
        for key, encoded in encoded_images([path]):
            # Two data sets of equal names would else share the names of their images.
            yield Content(key if key == str(path) else str(path.parent / key), encoded)
            advance(1)


def content_of(reader: Reader, index: int) -> Content:
    """Return an image of a data set by its key."""
    key = reader.key(index)
    try:
        return Content(key, reader[index].encoded)
    except DataError as error:
        return Content(key, error)


class Pixels(NamedTuple):
    """A decoded image to embed, uint8 [H, W, 3] RGB."""

    name: str
    rgb: np.ndarray


class Embedded(NamedTuple):
    """``vector`` float32 [D] of length 1, or the sentence on why there is none."""

    name: str
    vector: np.ndarray | str


class EmbeddingModel:
    """A network whose last feature map, pooled, says what an image shows.

    ``name`` is what the user gave, ``sha256`` the digest of its weights: vectors of other weights say nothing beside
    these.
    """

    def __init__(
        self, algorithm: AnyAlgorithm, network: nn.Module, transform: Transform, device: torch.device, name: str
    ) -> None:
        if not algorithm.facts.capabilities.embedding:
            raise UserError(f"{name} is a model of {algorithm.facts.name}, which makes no vectors of images.")
        self.algorithm = algorithm
        self.network = network
        self.transform = transform
        self.device = device
        self.name = name
        self.sha256 = _digest(network)

    @cached_property
    def dimension(self) -> int:
        """The length of a vector."""
        blank = self.prepare(np.zeros((64, 64, 3), np.uint8), "a blank image")
        return self.vectors([blank]).shape[1]

    @classmethod
    def open(cls, name: str, run: RunSettings) -> EmbeddingModel:
        """Load a model folder, archive or run folder; ``imagenet`` is ResNet-50, ``timm:NAME`` one of timm's networks.

        ``classical`` measures shapes, colors and texture without weights. Those of published networks come from
        run.weights_folder, their caches or their publishers. Raises UserError.
        """
        path = local_path(name)
        if path.exists():
            model = load(path, run)
            return cls(model.algorithm, model.network, model.transform, model.device, name)
        if name == CLASSICAL:
            return cls._classical()
        if name != IMAGENET and LIBRARY_MARK not in name:
            raise UserError(
                f"Setting model is {name[:200]!r}, which does not exist: give a model folder, archive or run folder, "
                f"{IMAGENET}, timm:NAME, or {CLASSICAL}."
            )
        return cls._published(name, run)

    @classmethod
    def _published(cls, name: str, run: RunSettings) -> EmbeddingModel:
        """Return a classifier with published weights below its last layer, which nothing here reads."""
        facts = next(facts for facts in algorithms.all_facts() if facts.capabilities.backbones)
        algorithm = algorithms.get(facts.name)
        hyperparameters = facts.hyperparameters.parse(_PUBLISHED)
        architecture = algorithm.architecture(hyperparameters, None if name == IMAGENET else name)
        network = algorithm.build_network(architecture)
        log.info("%s", algorithm.load_pretrained(network, architecture, run.weights_folder))
        # The untrained last layer is no part of what the weights are known by.
        for key, tensor in network.state_dict().items():
            if algorithm.is_head(key, architecture):
                tensor.zero_()
        device = choose_device(run)
        network.eval().to(device).to(memory_format=torch.channels_last)
        return cls(algorithm, network, algorithm.transform(hyperparameters, "inference"), device, name)

    @classmethod
    def _classical(cls) -> EmbeddingModel:
        """Return what measures images without weights."""
        facts, settings = next((one, one.baseline) for one in algorithms.all_facts() if one.baseline is not None)
        algorithm = algorithms.get(facts.name)
        hyperparameters = facts.hyperparameters.parse({**settings, "num_classes": "2", "num_training_samples": "1"})
        network = algorithm.untrained_baseline(hyperparameters).eval()
        transform = algorithm.transform(hyperparameters, "inference")
        return cls(algorithm, network, transform, torch.device("cpu"), CLASSICAL)

    def vectors(self, images: list[np.ndarray]) -> np.ndarray:
        """Return the vectors float32 [N, D] of images uint8 [h, w, C] as ``prepare`` returns them, each of length 1."""
        what = f"embedding {len(images)} images at once"
        with explain_out_of_memory(what, self.device, "take the CPU (run.device=cpu)"), torch.inference_mode():
            pixels = stack_images(images).to(self.device)
            found: np.ndarray = F.normalize(self.algorithm.embed(self.network, pixels).float()).cpu().numpy()
            return found

    def embed(self, contents: Iterable[Content | Pixels]) -> Iterator[Embedded]:
        """Yield the vector of each image, in order; some are decoded ahead, on all cores."""
        with ThreadPoolExecutor(usable_cores()) as pool:
            waiting: list[list[tuple[str, Future[np.ndarray]]]] = []
            source = iter(contents)
            while True:
                batch = [(one.name, pool.submit(self._prepare, one)) for one in islice(source, _BATCH)]
                if batch:
                    waiting.append(batch)
                if not waiting:
                    return
                if not batch or len(waiting) > _AHEAD:
                    yield from self._finished(waiting.pop(0))

    def embed_all(self, title: str, contents: Iterable[Content | Pixels], count: int) -> tuple[list[int], np.ndarray]:
        """Return the places of those of ``count`` images that have a vector, and the vectors float16 [M, D].

        ``title`` is that of the progress bar.
        """
        places, vectors = [], []
        with progress_bar(title, count) as advance:
            for place, embedded in enumerate(self.embed(contents)):
                advance(1)
                if not isinstance(embedded.vector, str):
                    places.append(place)
                    vectors.append(embedded.vector.astype(np.float16))
        return places, np.stack(vectors) if vectors else np.zeros((0, self.dimension), np.float16)

    def _prepare(self, content: Content | Pixels) -> np.ndarray:
        if isinstance(content, Pixels):
            return self.prepare(content.rgb, content.name)
        if isinstance(content.encoded, DataError):
            raise content.encoded
        return self.prepare(decode_rgb(content.encoded, content.name), content.name)

    def prepare(self, image: np.ndarray, name: str) -> np.ndarray:
        """Resize an image uint8 [H, W, 3] RGB to what the network takes."""
        return self.transform(image, None, None, name)[0]

    def _finished(self, batch: list[tuple[str, Future[np.ndarray]]]) -> Iterator[Embedded]:
        problems: dict[int, str] = {}
        images: list[np.ndarray] = []
        for place, (_, future) in enumerate(batch):
            try:
                images.append(future.result())
            except DataError as error:
                problems[place] = str(error)
        vectors = iter(self.vectors(images) if images else ())
        for place, (name, _) in enumerate(batch):
            yield Embedded(name, problems[place] if place in problems else next(vectors))


def _digest(network: nn.Module) -> str:
    found = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        found.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
