"""Sentences on images and classes that training would not suit."""

from __future__ import annotations

import numpy as np

from vision.algorithms.image_classification.hyperparameters import (
    ImageClassificationHyperparameters,
)
from vision.data.look import DataLook, SizeFindings
from vision.settings.augmentation import AugmentationSettings

# A class is rare in less than this share of the images, or of the images of the largest class.
_RARE = 0.1
# Training that sees less than this share of the pictures on average is warned of.
_LITTLE = 0.5
# The shorter side before the crop over the crop's: 256 for 224.
_USUAL_RESIZE = 256 / 224


def rare_class_advice(look: DataLook) -> tuple[str, ...]:
    """Return a sentence on what keeps training from forgetting classes that hardly occur, if there are some."""
    counts = look.class_counts[look.class_counts > 0]
    if len(counts) < 2:
        return ()
    rarest, most, several = int(counts.min()), int(counts.max()), look.task == "multi"
    if rarest >= _RARE * (len(look.sizes_px) if several else most):
        return ()
    remedy = "hp.use_weighted_loss=1" if several else "run.class_weights=balanced"
    return (
        f"of the images looked at, {rarest} show{'s' if rarest == 1 else ''} the rarest class and {most} the most "
        f"frequent: {remedy} keeps training from forgetting it",
    )


def size_findings(
    sizes_px: np.ndarray, hyperparameters: ImageClassificationHyperparameters, settings: AugmentationSettings
) -> SizeFindings:
    """Return what is to say of the part of images of these widths and heights, int64 [N, 2], that training sees.

    Windows cut at random are scaled to the crop; then, and after a pipeline, the part is that which validation sees.
    """
    _, height, width = hyperparameters.image_shape
    crop = np.array([width, height])
    scaled = sizes_px.astype(np.float64)
    if hyperparameters.resize is not None:
        scaled *= hyperparameters.resize / scaled.min(axis=1, keepdims=True)
        # As whole pixels.
        scaled = np.maximum(scaled.round(), 1)
    given = settings.given_augmentations()
    if given & {"enlarge_small_images", "random_resized_crop", "augmentation"}:
        scaled *= np.maximum((crop / scaled).max(axis=1, keepdims=True), 1.0)
    # Sides that were scaled to the crop's may be a rounding error short.
    too_small = (scaled < crop - 0.5).any(axis=1)
    warnings, sentence = [], ""
    larger = max(height, width)
    if too_small.any():
        some_width, some_height = sizes_px[too_small][0].tolist()
        sentence = (
            f"{too_small.sum()} of the {len(sizes_px)} images looked at are smaller than hp.image_shape, {width} wide "
            f"and {height} high, such as one of {some_width}x{some_height} pixels; they are not damaged, but too "
            "small to train on: run.enlarge_small_images=true enlarges them, a smaller hp.image_shape takes them as "
            "they are"
        )
    seen = (np.minimum(crop, scaled) / scaled).prod(axis=1)[~too_small]
    if len(seen) and np.median(seen) < _LITTLE:
        some_width, some_height = np.median(sizes_px[~too_small], axis=0).astype(int).tolist()
        usual = round(larger * _USUAL_RESIZE)
        is_resized = hyperparameters.resize is not None and hyperparameters.resize <= usual
        advice = "they are long and narrow" if is_resized else f"hp.resize={usual} scales their shorter side first"
        those = f" that reaches hp.image_shape ({len(seen)} of {len(sizes_px)})" if sentence else ""
        warnings.append(
            f"the network sees about {100 * np.median(seen):.2g} % of each picture{those}: {width}x{height} pixels "
            f"are cut out of images of about {some_width}x{some_height}; {advice}"
        )
    return SizeFindings(tuple(warnings), int(too_small.sum()), sentence)
