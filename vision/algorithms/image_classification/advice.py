"""Settings of image classification that fit an inspected data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vision.algorithms.image_classification.hyperparameters import (
    SMALL_HEIGHT_PX,
    ImageClassificationHyperparameters,
)
from vision.data.inspect.issues import InspectedChannel, Recommendation
from vision.settings.augmentation import AugmentationSettings
from vision.settings.counted import counted

# A class is rare in less than this share of the images, or of the images of the largest class.
_RARE = 0.1
# Training that sees less than this share of the pictures on average is warned of.
_LITTLE = 0.5
# The shorter side before the crop over the crop's: 256 for 224.
_USUAL_RESIZE = 256 / 224


def recommended_settings(channels: Sequence[InspectedChannel]) -> list[Recommendation]:
    """Return the settings that fit the training channel, which is the first of ``channels``."""
    train = channels[0]
    sound = train.sizes_px[train.sizes_px[:, 0] > 0]
    found = for_several_labels() if train.multi_label else []
    found += _for_rare_classes(train)
    return found + (_for_sizes(sound) if len(sound) else [])


def for_several_labels() -> list[Recommendation]:
    """Return the settings for images that have several classes or none."""
    return [
        Recommendation("hp.multi_label", "1", "images have several classes or none"),
        Recommendation("run.objective", "mAP", "accuracy is high as well where nothing is found"),
    ]


def _for_rare_classes(train: InspectedChannel) -> list[Recommendation]:
    """Return what keeps training from forgetting classes that hardly occur."""
    counts = train.class_counts[train.class_counts > 0]
    if len(counts) < 2:
        return []
    rarest, most = int(counts.min()), int(counts.max())
    if train.multi_label:
        if rarest >= _RARE * len(train):
            return []
        return [Recommendation("hp.use_weighted_loss", "1", f"a class is in {rarest} of {len(train)} images only")]
    if rarest >= _RARE * most:
        return []
    return [Recommendation("run.class_weights", "balanced", f"a class has {counted(rarest, 'image')}, another {most}")]


def _for_sizes(sizes_px: np.ndarray) -> list[Recommendation]:
    width, height = (int(side) for side in np.median(sizes_px, axis=0))
    seen = f"half of the images are at most {width}x{height} pixels"
    if max(width, height) <= SMALL_HEIGHT_PX:
        side = min(width, height)
        return [
            Recommendation("hp.image_shape", f"3,{side},{side}", seen),
            Recommendation("hp.num_layers", "20", "a network for small images"),
        ]
    resize = min(width, height)
    if resize < 224:
        return [Recommendation("hp.image_shape", f"3,{resize},{resize}", seen)]
    return [
        Recommendation("hp.image_shape", "3,224,224", seen),
        Recommendation("hp.resize", "256", "shorter edge before the crop"),
    ]


def size_warnings(
    sizes_px: np.ndarray, hyperparameters: ImageClassificationHyperparameters, settings: AugmentationSettings
) -> tuple[str, ...]:
    """Return sentences on the part of images of these widths and heights, int64 [N, 2], that training sees.

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
    found = []
    larger = max(height, width)
    if too_small.any():
        some_width, some_height = sizes_px[too_small][0].tolist()
        found.append(
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
        found.append(
            f"the network sees about {100 * np.median(seen):.2g} % of each picture: {width}x{height} pixels are cut "
            f"out of images of about {some_width}x{some_height}; {advice}"
        )
    return tuple(found)
