"""Opens a trained model in Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from torch import nn

from vision import api
from vision.api.model import ImageSource, several
from vision.nn.backbones import own_network
from vision.python.keywords import RunKeywords
from vision.python.prediction import Prediction
from vision.settings.run import RunSettings

K = TypeVar("K")


class DataclassObject(Protocol):
    """An object of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


class Model(api.Model):
    """A model that answers with predictions which know the names of their classes and can be plotted."""

    def predict(self, images: ImageSource | Iterable[ImageSource], batch_size: int = 32) -> list[Prediction]:
        """Return one prediction for each image.

        An image is a path, the bytes of an encoded file, an image of Pillow, or an array uint8 of RGB [H, W, 3], grey
        [H, W] or RGB and alpha [H, W, 4]; several are a list, a generator or an array [N, H, W, 3]. It is resized to
        the network's input without keeping its aspect, as SageMaker's endpoints do. ``batch_size`` images go through
        the network at a time. Raises DataError naming a broken image.
        """
        numbered, found = enumerate(several(images)), []
        while batch := list(islice(numbered, batch_size)):
            prepared = [self.prepare_source(number, image) for number, image in batch]
            for (_, image), ready, raw in zip(batch, prepared, self.predict_prepared(prepared), strict=True):
                found.append(Prediction(raw, ready.size_px, image, self))
        return found

    def describe(self, prediction: object) -> dict[str, object]:
        """Return a prediction as a JSON object: SageMaker's ``prediction`` and class names."""
        return super().describe(prediction.raw if isinstance(prediction, Prediction) else prediction)


def load(
    model: str | Path, *, run: RunKeywords | Mapping[str, object] | None = None, network: nn.Module | None = None
) -> Model:
    """Load a model folder, model.tar.gz or run folder, ready to ``predict``, on a GPU if there is one.

    ``run`` holds run settings by name, ``{"device": "cpu"}`` for example. A model of a ``network`` that was given to
    ``fit`` needs such a network again, with any weights.

    >>> model = vision.load("runs/first")
    >>> best = model.predict("cat.jpg")[0]
    >>> best.label, best.score
    """
    with own_network(network):
        return become(Model, api.load(model, RunSettings.parse(run or {})))


def become(kind: type[K], found: DataclassObject, **changes: object) -> K:
    """Return ``found`` as an object of a subclass that has the same fields, with ``changes`` by name."""
    return kind(**({field.name: getattr(found, field.name) for field in dataclasses.fields(found)} | changes))
