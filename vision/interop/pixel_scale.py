"""What was done to the pixels before a network from MXNet saw them: no file says it, but its statistics show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vision.nn.normalize import IMAGENET_MEAN, IMAGENET_STD
from vision.settings.errors import DataError

# Red, green, blue: what MXNet's examples subtract.
MXNET_MEAN = (123.0, 117.0, 104.0)
# Half way from 0, the mean of centred pixels, to that of raw ones; pictures darker than this are rare.
LEAST_RAW_MEAN = 57.0
# Below this the pixels were scaled: even dull photographs deviate by 20 grey levels.
LARGEST_SCALED_VARIANCE = 25.0


@dataclass(frozen=True)
class PixelScale:
    """``mean`` and ``std`` on the 0..255 scale for each channel; ``reason`` is the sentence for the user."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    reason: str


def from_batch_norm(arrays: Mapping[str, np.ndarray], pairs: Mapping[str, str], channels: int, name: str) -> PixelScale:
    """Decide by ``bn_data``, whose parameters have the names ``pairs`` in the file ``name``."""
    statistics = []
    for role in ("moving_mean", "moving_var"):
        parameter = pairs[f"bn_data_{role}"]
        array = arrays.get(parameter)
        if array is None or array.shape != (channels,) or array.dtype.kind != "f" or not np.isfinite(array).all():
            raise DataError(f"{name} parameter {parameter[:80]!r}", f"is missing or is no {channels} finite numbers")
        statistics.append(array)
    return from_statistics(*statistics)


def raw_pixels(channels: int, reason: str) -> PixelScale:
    return PixelScale((0.0,) * channels, (1.0,) * channels, reason)


def from_statistics(moving_mean: np.ndarray, moving_var: np.ndarray) -> PixelScale:
    """Decide by the running statistics [C] of the batch normalization that sees the pixels first."""
    channels = len(moving_mean)
    seen = "/".join(f"{value:.4g}" for value in moving_mean)
    facts = f"its running mean of the pixels is {seen}"
    mean = float(np.mean(moving_mean))
    if float(np.max(moving_var)) < LARGEST_SCALED_VARIANCE and float(np.max(np.abs(moving_mean))) < 5:
        if float(np.max(moving_var)) < 0.2 and mean > 0.05:
            reason = f"The network was trained on pixels divided by 255 ({facts}), and gets them so."
            return PixelScale((0.0,) * channels, (255.0,) * channels, reason)
        return imagenet(channels, f"The network was trained on normalised pixels ({facts})")
    if float(np.min(moving_mean)) >= 0 and mean >= LEAST_RAW_MEAN:
        return raw_pixels(channels, f"The network was trained on raw RGB 0..255 ({facts}), and gets raw pixels.")
    return centered(channels, f"The network was trained on mean-subtracted pixels ({facts})")


def centered(channels: int, because: str) -> PixelScale:
    """Return a scale that subtracts MXNet's mean and divides by nothing."""
    mean = _channels(MXNET_MEAN, channels)
    text = ", ".join(f"{value:g}" for value in mean)
    return PixelScale(mean, (1.0,) * channels, f"{because}: {text} is subtracted from RGB 0..255.")


def imagenet(channels: int, because: str) -> PixelScale:
    """Return ImageNet's mean and deviation, by which Gluon and torchvision normalize pixels."""
    reason = f"{because}: they are normalised by ImageNet's mean and deviation."
    return PixelScale(_channels(IMAGENET_MEAN, channels), _channels(IMAGENET_STD, channels), reason)


def given(mean: tuple[float, ...], channels: int) -> PixelScale:
    """Return a scale that subtracts what the user gives: one value, or one for each channel."""
    mean = mean * channels if len(mean) == 1 else mean
    text = ", ".join(f"{value:g}" for value in mean)
    return PixelScale(mean, (1.0,) * channels, f"As asked, {text} is subtracted from RGB 0..255.")


def _channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values if channels == len(values) else (float(np.mean(values)),) * channels
