"""Batches cut from decoded images, on the host or on a device, without decoding or waiting.

Legend: N batch, h w size of the crop, C channels.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from vision.data.cache.decoded_images import DecodedImages, Layout
from vision.data.cache.transform_split import Drawn, RandomPart

# OpenCV's weights of ITU-R BT.601, of 2^15.
_GREY_WEIGHTS = (9798, 19235, 3735)
_GREY_BITS = 15
_MAX_HUE = 180.0
_UNIT = 1.0 / 255.0


def augment_on_device(
    pixels: Tensor, layout: Layout, indices: np.ndarray, random_part: RandomPart, drawn: Drawn
) -> Tensor:
    """Return uint8 [N, h, w, C] of the images that ``indices`` int64 [N] name; ``pixels`` uint8 [bytes] are of all.

    Crop, mirror and grey give the host's pixels exactly; color differs by the rounding of one level.
    """
    assert random_part.affine is None, "the affine map is made on the host"
    widths = layout.shapes[indices, 1]
    corners = layout.starts[indices] // layout.channels + drawn.tops * widths + drawn.lefts
    places = to_device(np.stack([corners, widths, drawn.mirrored], axis=1).astype(np.int64), pixels.device)
    cut = _cut(pixels.view(-1, layout.channels), places, random_part.crop.height, random_part.crop.width)
    if drawn.hls_offsets is not None:
        cut = shift_hls(cut, to_device(drawn.hls_offsets, pixels.device))
    return cut if random_part.grey is None else to_grey(cut)


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy a small array to the device, without waiting for what the device is doing."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _cut(pixels: Tensor, places: Tensor, height: int, width: int) -> Tensor:
    """Crop and mirror in one gather of ``pixels`` [all, C]. ``places`` int64 [N, 3]: first pixel of the crop, pixels in
    a row of its image, mirrored.
    """
    corner, row_pixels, mirrored = (column[:, None] for column in places.unbind(1))
    rows = corner + row_pixels * torch.arange(height, device=pixels.device)
    columns = torch.arange(width, device=pixels.device).expand(len(places), -1)
    columns = torch.where(mirrored > 0, width - 1 - columns, columns)
    gathered = pixels.index_select(0, (rows[:, :, None] + columns[:, None, :]).reshape(-1))
    return gathered.reshape(len(places), height, width, -1)


def to_grey(images: Tensor) -> Tensor:
    """Turn RGB uint8 [..., 3] into luminance uint8 [..., 1], in OpenCV's integers."""
    # Numbers one by one: a tensor of them would have to travel to the device, for which the host waits.
    red, green, blue = (
        channel * weight for channel, weight in zip(images.to(torch.int32).unbind(-1), _GREY_WEIGHTS, strict=True)
    )
    half = 1 << (_GREY_BITS - 1)
    return ((red + green + blue + half) >> _GREY_BITS).to(torch.uint8).unsqueeze(-1)


def shift_hls(images: Tensor, offsets: Tensor) -> Tensor:
    """Add ``offsets`` int64 [N, 3] to hue, lightness and saturation of uint8 [N, h, w, 3], as ``HLSShift`` does."""
    hue, lightness, saturation = _to_hls(images.float() * _UNIT)
    added = offsets.to(torch.float32)[:, :, None, None].unbind(1)
    hue = (hue.round() + added[0]).clamp(0.0, _MAX_HUE)
    lightness = ((lightness * 255.0).round() + added[1]).clamp(0.0, 255.0) * _UNIT
    saturation = ((saturation * 255.0).round() + added[2]).clamp(0.0, 255.0) * _UNIT
    shifted = (_to_rgb(hue, lightness, saturation) * 255.0).round().clamp(0.0, 255.0).to(torch.uint8)
    return torch.where((offsets != 0).any(dim=1)[:, None, None, None], shifted, images)


def _to_hls(rgb: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Turn RGB 0..1 [..., 3] into hue 0..180 (unit 2 degrees), lightness and saturation 0..1, each [...].

    In OpenCV's order of operations, since lightness often lies between two levels and rounding then follows the
    last bit.
    """
    red, green, blue = rgb.unbind(-1)
    high, low = rgb.amax(-1), rgb.amin(-1)
    spread, total = high - low, high + low
    lightness = total * 0.5
    grey = spread <= torch.finfo(torch.float32).eps
    saturation = spread / torch.where(lightness < 0.5, total, 2.0 - high - low).masked_fill(grey, 1.0)
    scale = 60.0 / spread.masked_fill(grey, 1.0)
    degrees = torch.where(
        high == red,
        (green - blue) * scale,
        torch.where(high == green, (blue - red) * scale + 120.0, (red - green) * scale + 240.0),
    )
    degrees = torch.where(degrees < 0.0, degrees + 360.0, degrees)
    return (degrees * 0.5).masked_fill(grey, 0.0), lightness, saturation.masked_fill(grey, 0.0)


def _to_rgb(hue: Tensor, lightness: Tensor, saturation: Tensor) -> Tensor:
    """The way back, to RGB 0..1 [..., 3]: each channel rises, stays and falls along the circle, six sectors long."""
    upper = torch.where(
        lightness <= 0.5, lightness * (1.0 + saturation), lightness + saturation - lightness * saturation
    )
    lower = 2.0 * lightness - upper
    sector = hue * (6.0 / _MAX_HUE)
    channels = []
    for start in (2.0, 0.0, 4.0):
        place = torch.remainder(sector + start, 6.0)
        channels.append(lower + (upper - lower) * torch.minimum(place, 4.0 - place).clamp(0.0, 1.0))
    return torch.stack(channels, dim=-1)


def augment_on_host(kept: DecodedImages, indices: np.ndarray, random_part: RandomPart, drawn: Drawn) -> np.ndarray:
    """Return uint8 [N, h, w, C] of the decoded images that ``indices`` int64 [N] name."""
    if kept.stacked is not None and random_part.affine is None:
        cut = _cut_at_once(kept.stacked, indices, random_part, drawn)
    else:
        cut = _cut_one_by_one(kept, indices, random_part, drawn)
    if random_part.color is not None:
        assert drawn.hls_offsets is not None
        for row, (hue, lightness, saturation) in enumerate(drawn.hls_offsets.tolist()):
            cut[row] = random_part.color.apply(cut[row], hls_offsets=(hue, lightness, saturation))
    for row in np.flatnonzero(drawn.mirrored).tolist():
        cv2.flip(cut[row], 1, dst=cut[row])
    if random_part.grey is not None:
        # A batch is one tall picture to what works pixel by pixel.
        count, height, width, channels = cut.shape
        cut = random_part.grey.apply(cut.reshape(-1, width, channels)).reshape(count, height, width, 1)
    return cut


def _cut_at_once(images: np.ndarray, indices: np.ndarray, random_part: RandomPart, drawn: Drawn) -> np.ndarray:
    """Cut all crops in one indexing: every window of every image is a view, of which NumPy copies those drawn."""
    window = (random_part.crop.height, random_part.crop.width)
    windows = np.lib.stride_tricks.sliding_window_view(images, window, axis=(1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 3)[indices, drawn.tops, drawn.lefts]


def _cut_one_by_one(kept: DecodedImages, indices: np.ndarray, random_part: RandomPart, drawn: Drawn) -> np.ndarray:
    height, width = random_part.crop.height, random_part.crop.width
    cut = np.empty((len(indices), height, width, kept.layout.channels), np.uint8)
    places = zip(indices.tolist(), drawn.tops.tolist(), drawn.lefts.tolist(), strict=True)
    for row, (index, top, left) in enumerate(places):
        image = kept[index]
        if random_part.affine is not None:
            assert drawn.matrices is not None
            image = random_part.affine.apply(image, matrix=drawn.matrices[row])
        cut[row] = image[top : top + height, left : left + width]
    return cut
