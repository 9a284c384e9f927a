"""Opens a trained model, ours or MXNet's, and answers with it."""

from __future__ import annotations

import logging
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from vision import algorithms
from vision.algorithms.algorithm import AnyAlgorithm
from vision.artifacts.model_folder import StoredModel, load_model
from vision.artifacts.model_place import ForeignArchive
from vision.data.collate import stack_images
from vision.data.dataset import Transform
from vision.data.image_codec import decode_rgb
from vision.metrics.evaluation import Evaluation
from vision.settings.counted import counted
from vision.settings.errors import DataError, UserError
from vision.settings.regular_file import open_regular
from vision.settings.run import RunSettings
from vision.training.accelerator import choose_device
from vision.training.out_of_memory import explain_out_of_memory

log = logging.getLogger(__name__)

GIGABYTE = 10**9
_FEWER = "give fewer at a time (a server: lower max_batch), or take the CPU (device=cpu)"

ImageSource = str | Path | bytes | np.ndarray | Image.Image


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """The network's input for one image, uint8 [h, w, C], and the (width, height) of the original image."""

    pixels: np.ndarray
    size_px: tuple[int, int]


@dataclass(frozen=True, repr=False)
class Model:
    """A network in evaluation mode with everything its answers need.

    ``hyperparameters`` are those it was trained with, ``class_names`` in the order of the class ids.
    """

    algorithm: AnyAlgorithm
    hyperparameters: Any
    class_names: tuple[str, ...]
    architecture: Any
    network: nn.Module
    transform: Transform
    device: torch.device
    stored: StoredModel

    def __repr__(self) -> str:
        names, count = self.class_names, len(self.class_names)
        weights = sum(weight.numel() for weight in self.network.parameters())
        return (
            f"<Model of {self.algorithm.facts.name}: {counted(count, 'class')} "
            f"({', '.join(names[:5])}{', ...' if count > 5 else ''}), {weights:,} weights, on {self.device}>"
        )

    def predict(self, images: ImageSource | Iterable[ImageSource]) -> list[Any]:
        """Return the algorithm's own prediction for each image; ``read_pixels`` says what an image may be.

        It is resized to the network's input without keeping its aspect, as SageMaker's endpoints do. Raises DataError
        naming a broken image.
        """
        return self.predict_prepared([self.prepare_source(*numbered) for numbered in enumerate(several(images))])

    def predict_prepared(self, images: Sequence[PreparedImage]) -> list[Any]:
        """Return the predictions of images that ``prepare`` made, those of one shape as one batch."""
        places_by_shape: dict[tuple[int, ...], list[int]] = {}
        for place, image in enumerate(images):
            places_by_shape.setdefault(image.pixels.shape, []).append(place)
        predictions: list[Any] = [None] * len(images)
        for places in places_by_shape.values():
            for place, prediction in zip(places, self._predict_batch([images[p] for p in places]), strict=True):
                predictions[place] = prediction
        return predictions

    def _predict_batch(self, images: Sequence[PreparedImage]) -> list[Any]:
        shape = "x".join(map(str, images[0].pixels.shape))
        with explain_out_of_memory(
            f"answering {counted(len(images), 'image')} of {shape} at once", self.device, _FEWER
        ):
            with torch.inference_mode():
                outputs = self.network(stack_images([image.pixels for image in images]).to(self.device))
            sizes_px = [image.size_px for image in images]
            return self.algorithm.predict(outputs, self.network, self.hyperparameters, sizes_px)

    def prepare(self, encoded: bytes | memoryview, key: str) -> PreparedImage:
        """Decode and resize an encoded image to what the network takes. Raises DataError."""
        return self.prepare_decoded(decode_rgb(encoded, key), key)

    def prepare_decoded(self, image: np.ndarray, key: str) -> PreparedImage:
        """Resize an image uint8 [H, W, 3] RGB to what the network takes."""
        height, width = image.shape[:2]
        return PreparedImage(self.transform(image, None, None, key)[0], (width, height))

    def describe(self, prediction: object) -> dict[str, Any]:
        """Return one prediction as a JSON object: SageMaker's ``prediction`` and class names."""
        return self.algorithm.describe_prediction(prediction, self.class_names)

    def explain(self, evaluation: Evaluation, image_of: Callable[[int], np.ndarray | None]) -> Evaluation:
        """Return the evaluation with pictures of why the model was wrong: see ``Algorithm.explain``."""
        return self.algorithm.explain(evaluation, self.network, self.hyperparameters, image_of)

    def predict_files(
        self, encoded: Iterable[tuple[str, bytes | memoryview | DataError]], batch_size: int = 32
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (key, JSON object) for each (key, encoded image), in order.

        For a broken image, or a DataError in place of one that could not be read, the object is
        ``{"error": sentence}``; the other images are not affected.
        """
        keys: list[str] = []
        results: list[PreparedImage | str] = []
        for key, content in encoded:
            keys.append(key)
            try:
                if isinstance(content, DataError):
                    raise content
                results.append(self.prepare(content, key))
            except DataError as error:
                results.append(str(error))
            if len(keys) == batch_size:
                yield from self._answer(keys, results)
                keys, results = [], []
        yield from self._answer(keys, results)

    def _answer(self, keys: list[str], results: list[PreparedImage | str]) -> Iterator[tuple[str, dict[str, Any]]]:
        predictions = iter(self.predict_prepared([image for image in results if not isinstance(image, str)]))
        for key, result in zip(keys, results, strict=True):
            yield (
                key,
                {"error": result} if isinstance(result, str) else self.describe(next(predictions)),
            )

    def prepare_source(self, number: int, image: ImageSource) -> PreparedImage:
        """Read and resize image ``number`` to what the network takes. Raises DataError."""
        return self.prepare_decoded(*read_pixels(image, number))


def several(images: ImageSource | Iterable[ImageSource]) -> Iterable[ImageSource]:
    """Return the images of one image, an array [N, H, W, C] or anything that can be walked through.

    What is neither counts as one image, which is refused when it is read.
    """
    if isinstance(images, Image.Image | str | Path | bytes) or not isinstance(images, Iterable):
        return [images]
    return [images] if isinstance(images, np.ndarray) and images.ndim < 4 else images


def read_pixels(image: ImageSource, number: int) -> tuple[np.ndarray, str]:
    """Return an image uint8 [H, W, 3] RGB and what to call it. ``number`` names one that has no name.

    An image is a path, the bytes of an encoded file, an image of Pillow, or an array uint8 of grey [H, W] or
    [H, W, 1], RGB [H, W, 3] or RGB and alpha [H, W, 4], whose alpha is dropped. Raises DataError.
    """
    key = f"image {number}"
    if isinstance(image, Image.Image):
        if image.mode in ("I", "F") or image.mode.startswith("I;"):
            raise DataError(key, f"is an image of Pillow of mode {image.mode}; convert it to 8 bits (mode RGB or L)")
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB")), key
    if isinstance(image, np.ndarray):
        pixels = image[..., None] if image.ndim == 2 else image
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4):
            raise DataError(
                key,
                f"is an array {image.dtype} {list(image.shape)}; uint8 [height, width, 3] in RGB is expected, or "
                "[height, width] of grey, or [height, width, 4] with alpha",
            )
        return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels[..., :3], key
    if isinstance(image, bytes):
        return decode_rgb(image, key), key
    if not isinstance(image, str | Path):
        raise DataError(key, f"is of the type {type(image).__name__}; give a path, bytes, an array or a Pillow image")
    try:
        with open_regular(image) as file:
            return decode_rgb(file.read(), str(image)), str(image)
    except OSError as error:
        raise DataError(str(image), f"cannot be read ({error.strerror})") from error


def load(path: str | Path, run: RunSettings | None = None) -> Model:
    """Load a model folder, a model.tar.gz or a run folder, on a GPU if there is one. Raises UserError."""
    run = run or RunSettings()
    stored = open_model(path, run)
    return model_of(stored, str(path), choose_device(run))


def model_of(stored: StoredModel, shown: str, device: torch.device) -> Model:
    """Build the network of a stored model and fill it. ``shown`` names the model in messages."""
    algorithm = algorithms.get(stored.algorithm)
    hyperparameters = algorithm.facts.hyperparameters.parse(stored.hyperparameters)
    architecture = algorithm.read_architecture(stored.architecture)
    if len(stored.class_names) != hyperparameters.num_classes:
        raise UserError(
            f"{shown} is damaged: {len(stored.class_names)} class names for {hyperparameters.num_classes} classes"
        )
    network = algorithm.build_network(architecture)
    fill_network(network, stored.state_dict(), shown)
    network.eval().to(device).to(memory_format=torch.channels_last)
    return Model(
        algorithm=algorithm,
        hyperparameters=hyperparameters,
        class_names=tuple(stored.class_names),
        architecture=architecture,
        network=network,
        transform=algorithm.transform(hyperparameters, "inference"),
        device=device,
        stored=stored,
    )


def open_model(path: str | Path, run: RunSettings) -> StoredModel:
    """Open a model folder, a model.tar.gz or a run folder. A model of MXNet is imported in passing.

    What the import decided or assumed is logged; ``run.class_names`` names its classes. Raises UserError.
    """
    max_bytes = int(run.max_archive_gb * GIGABYTE)
    try:
        return load_model(path, max_bytes)
    except ForeignArchive as foreign:
        return _import(foreign, run, max_bytes)


def _import(foreign: ForeignArchive, run: RunSettings, max_bytes: int) -> StoredModel:
    from vision.interop.imported_model import ImportOptions
    from vision.interop.mxnet_import import import_mxnet

    imported = import_mxnet(foreign.path, ImportOptions(labels=run.class_names), max_bytes)
    for remark in imported.remarks:
        log.warning("%s: %s", foreign.path, remark)
    folder = Path(tempfile.mkdtemp(prefix="vision-imported-"))
    try:
        imported.save(folder)
        stored = StoredModel.open(folder, str(foreign.path), max_bytes)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(stored, shutil.rmtree, folder, ignore_errors=True)
    return stored


def fill_network(network: nn.Module, state: dict[str, Tensor], shown: str) -> None:
    """Copy weights into the network. Raises UserError naming the first that is missing, unknown or of another shape."""
    own = network.state_dict()
    for name, tensor in own.items():
        if name not in state:
            raise UserError(f"{shown} has no weights for {name}; it is damaged or made by another version")
        if state[name].shape != tensor.shape:
            raise UserError(
                f"{shown} has {name} of shape {list(state[name].shape)}, but the network that it describes needs "
                f"{list(tensor.shape)}; it is damaged"
            )
    unknown = next((name for name in state if name not in own), None)
    if unknown is not None:
        raise UserError(
            f"{shown} has weights {unknown[:100]!r} that the network that it describes does not have; it is damaged"
        )
    network.load_state_dict(state)
