"""An albumentations pipeline that a user saved, restricted to the transforms of albumentations itself."""

from __future__ import annotations

import inspect
import json
import random
import threading
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import albumentations as A
import numpy as np
from albumentations.core.composition import BaseCompose
from albumentations.core.serialization import SERIALIZABLE_REGISTRY, register_additional_transforms, shorten_class_name
from albumentations.core.type_definitions import Targets

from vision.data.augmentations.augmentation import IGNORED_CLASS, SpatialTarget
from vision.data.augmentations.image_random import MANTISSA, ImageRandom
from vision.settings.errors import DataError, SettingsError

_CLASS = "__class_fullname__"
_PARTS = "transforms"
_TRIAL_SIDES_PX = (512, 2048)
_TRIALS = 4
_WORDS = {Targets.BBOXES: "boxes", Targets.MASK: "masks"}
# What of the pipeline's own settings for boxes is kept: their form is ours.
_BOX_LIMITS = ("min_area", "min_visibility", "min_width", "min_height", "max_accept_ratio")


class Pipeline:
    """Runs the pipeline in ``text``, the JSON of ``albumentations.to_dict``, on an image and what lies in it.

    The random numbers are the image's. Nothing that the text names is imported or run but transforms that
    albumentations itself registers. Pixels of masks that a transform uncovers count for nothing, where albumentations'
    default is class 0. Raises SettingsError with a sentence for what is no such pipeline.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        # A composition holds its random numbers, so that each thread needs one of its own.
        self._by_thread = threading.local()
        try:
            self._compose()
        except (KeyError, TypeError, ValueError, RecursionError, NotImplementedError) as error:
            raise SettingsError([_sentence(_one_line(error))]) from error

    def __reduce__(self) -> tuple[type[Pipeline], tuple[str]]:
        return Pipeline, (self.text,)

    def check(self, *, has_boxes: bool, has_masks: bool) -> None:
        """Raise SettingsError if it cannot work on images in which boxes or masks lie, tried on noise."""
        for transform in _transforms(self._compose()):
            targets = _targets(transform)
            if Targets.IMAGE not in targets:
                raise SettingsError([_sentence(f"{type(transform).__name__} does not work on images")])
            moves = not isinstance(transform, A.ImageOnlyTransform)
            for given, kind in ((has_boxes, Targets.BBOXES), (has_masks, Targets.MASK)):
                if given and moves and kind not in targets:
                    raise SettingsError([_sentence(f"{type(transform).__name__} cannot move {_WORDS[kind]}")])
        # A pipeline may be for images of one size, and some of its draws fail on others.
        problems = []
        for side_px in _TRIAL_SIDES_PX:
            problem = self._trial(side_px, has_boxes, has_masks)
            if problem is None:
                return
            problems.append(problem)
        raise SettingsError([_sentence(problems[0])])

    def _trial(self, side_px: int, has_boxes: bool, has_masks: bool) -> str | None:
        """Return why it works on no square of noise of a size; None if it does."""
        noise = np.random.default_rng(0).integers(0, 256, (side_px, side_px, 3), np.uint8)
        boxes = np.array([[0.1, 0.1, 0.9, 0.9, 0.0]]) if has_boxes else None
        mask = noise[:, :, 0] // 128 if has_masks else None
        problem = None
        for seed in range(_TRIALS):
            try:
                self.run(noise, SpatialTarget(boxes, mask), ImageRandom(seed), "a trial image")
                return None
            except DataError as error:
                problem = f"{error.reason} (an image of {side_px}x{side_px} pixels)"
        return problem

    def run(
        self, image: np.ndarray, target: SpatialTarget, rng: ImageRandom, key: str
    ) -> tuple[np.ndarray, SpatialTarget]:
        """Return an image uint8 [h, w, 3] of any size and what lies in it. Raises DataError if it does not work."""
        compose = self._compose()
        seed = rng.randrange(MANTISSA)
        compose.set_random_state(np.random.default_rng(seed), random.Random(seed + 1))
        given = {"image": image, "bboxes": target.boxes_xyxy_unit, "mask": target.mask}
        try:
            found = compose(**{name: value for name, value in given.items() if value is not None})
        except Exception as error:
            # Any transform may refuse an image in its own way.
            raise DataError(key, f"run.augmentation fails on it: {_one_line(error)}") from error
        result = found["image"]
        if result.dtype != np.uint8 or result.ndim != 3 or result.shape[2] != 3:
            raise DataError(
                key,
                f"run.augmentation makes it {result.dtype} {list(result.shape)} instead of uint8 [height, width, 3]:"
                " leave out Normalize, ToFloat, ToTensorV2 and the like, which the network does itself",
            )
        boxes = target.boxes_xyxy_unit
        if boxes is not None:
            boxes = np.asarray(found["bboxes"], np.float64).reshape(-1, boxes.shape[1])
        return np.ascontiguousarray(result), SpatialTarget(boxes, found.get("mask"))

    def _compose(self) -> A.Compose:
        composed = self._by_thread.__dict__.get("composed")
        if composed is None:
            composed = self._by_thread.__dict__["composed"] = _built(self.text)
        return composed


def _built(text: str) -> A.Compose:
    saved = json.loads(text)
    described = saved.get("transform", saved)
    register_additional_transforms()
    parts = list(_parts(described))
    for part in parts:
        _check(part)
        if part is not described and "bbox_params" in part:
            part["bbox_params"] = None
        if part.get("fill_mask") == 0:
            part["fill_mask"] = IGNORED_CLASS
    name = shorten_class_name(described[_CLASS])
    inner = described[_PARTS] if name == "Compose" else [described]
    limits = described.get("bbox_params") if name == "Compose" else None
    boxes = {key: value for key, value in (limits or {}).items() if key in _BOX_LIMITS}
    with warnings.catch_warnings():
        # That no transform moves boxes, say, which is no mistake.
        warnings.simplefilter("ignore")
        return A.Compose(
            [A.from_dict({"transform": part}) for part in inner],
            bbox_params=A.BboxParams(format="albumentations", clip=True, filter_invalid_bboxes=True, **boxes),
            p=described.get("p", 1.0) if name == "Compose" else 1.0,
            strict=True,
        )


def _parts(described: Any) -> Iterator[dict[str, Any]]:
    """Yield a transform and all inside it."""
    if not isinstance(described, dict) or not isinstance(described.get(_CLASS), str):
        raise ValueError(f"it holds no transform of albumentations.save, which is a mapping with {_CLASS}")
    yield described
    inside = described.get(_PARTS, [])
    if not isinstance(inside, list):
        raise ValueError(f"{_PARTS} of {described[_CLASS]} is not a list")
    for part in inside:
        yield from _parts(part)


def _check(part: dict[str, Any]) -> None:
    """Raise ValueError unless the transform is one of albumentations' own, with arguments that it has.

    albumentations also saves arguments of a transform's base classes, which it then would not take: they are left out.
    """
    name = shorten_class_name(part[_CLASS])
    kind = SERIALIZABLE_REGISTRY.get(name)
    if kind is None or not kind.__module__.startswith("albumentations."):
        raise ValueError(f"{part[_CLASS]} is not a transform that albumentations {A.__version__} can save and load")
    own, inherited = ({name for one in kinds for name in _arguments(one)} for kinds in ([kind], kind.__mro__[1:-1]))
    for argument in sorted(map(str, part.keys() - own - {_CLASS, "p"})):
        if argument not in inherited:
            raise ValueError(f"{part[_CLASS]} has no argument {argument}")
        del part[argument]


def _arguments(kind: type) -> Iterable[str]:
    return inspect.signature(kind).parameters


def _transforms(composed: BaseCompose) -> Iterator[A.BasicTransform]:
    """Yield the transforms of a composition and of all compositions inside it."""
    for part in composed.transforms:
        if isinstance(part, BaseCompose):
            yield from _transforms(part)
        else:
            yield part


def _targets(transform: A.BasicTransform) -> set[Targets]:
    declared = getattr(type(transform), "_targets", ())
    return set(declared) if isinstance(declared, tuple) else {declared}


def _sentence(problem: str) -> str:
    return f"Run setting augmentation cannot be used: {problem}."


def _one_line(error: Exception) -> str:
    # Errors of other kinds may hold no more than a name.
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())[:300]
