"""DALI's part of the work: encoded bytes to uint8 crops of one size. Imports DALI; nothing else does.

Legend: N batch, h w size of the crop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from nvidia.dali import Pipeline, fn, types
from nvidia.dali.plugin.pytorch import feed_ndarray
from torch import Tensor

from vision.data.augmentations.affine import Affine
from vision.data.augmentations.augmentation import Augmentation
from vision.data.augmentations.crop import Crop
from vision.data.augmentations.resize import ShortSideResize
from vision.data.dali.draws import ImageDraw, ImagePart
from vision.data.dali.loader import DaliSettings
from vision.data.side_stream import CudaStreams

_BILINEAR = {"interp_type": types.INTERP_LINEAR, "antialias": False}


class EncodedBatch(NamedTuple):
    """N images: the bytes of their files, uint8 [bytes], and what is drawn for them."""

    encoded: list[np.ndarray]
    draws: list[ImageDraw]


class CropPipeline:
    """Makes batches from encoded images; ``depth`` of them are under way at a time."""

    def __init__(
        self, augmentations: Sequence[Augmentation], batch_size: int, settings: DaliSettings, depth: int
    ) -> None:
        self._crop = next(step for step in augmentations if isinstance(step, Crop))
        self._device = torch.device("cuda", torch.cuda.current_device()) if settings.on_gpu else torch.device("cpu")
        self._streams = CudaStreams(self._device) if settings.on_gpu else None
        self._batches: Iterator[EncodedBatch] = iter(())
        self._pipeline = Pipeline(
            batch_size=batch_size,
            num_threads=settings.threads,
            device_id=self._device.index,
            prefetch_queue_depth=depth,
        )
        self._decoder = {"device": "mixed" if settings.on_gpu else "cpu", "output_type": types.RGB}
        resizes = any(isinstance(step, ShortSideResize) for step in augmentations)
        warp = next((step for step in augmentations if isinstance(step, Affine)), None)
        with self._pipeline:
            crops = self._resized_crop() if resizes and warp is None else self._steps(resizes, warp)
            self._pipeline.set_outputs(crops)
        self._pipeline.build()

    def _resized_crop(self) -> Any:
        """Decode and resize only what the crop needs, and mirror it on the way."""
        kinds = dict(zip(ImagePart._fields, 2 * [(types.INT32, 1)] + 2 * [(types.FLOAT, 1)], strict=True))
        given = self._inputs(kinds)
        place = {"start": given["start"], "shape": given["shape"], "axes": [0, 1]}
        if self._device.type == "cpu":
            image = fn.decoders.image_slice(given["encoded"], **place, **self._decoder)
        else:
            # A GPU's own decoder knows whole images only.
            image = fn.slice(fn.decoders.image(given["encoded"], **self._decoder), **place)
        corners = {"roi_start": given["first"], "roi_end": given["last"]}
        return fn.resize(image, size=[self._crop.height, self._crop.width], **corners, **_BILINEAR)

    def _steps(self, resizes: bool, warp: Affine | None) -> Any:
        """Apply one operator after another."""
        kinds = {"size": (types.FLOAT, 1)} if resizes else {}
        kinds |= {"matrix": (types.FLOAT, 2)} if warp is not None else {}
        given = self._inputs(kinds | {"corner": (types.INT32, 1), "mirrored": (types.INT32, 0)})
        image = fn.decoders.image(given["encoded"], **self._decoder)
        if resizes:
            image = fn.resize(image, size=given["size"], **_BILINEAR)
        if warp is not None:
            fill = float(warp.fill_value)
            image = fn.warp_affine(image, matrix=given["matrix"], inverse_map=False, fill_value=fill)
        image = fn.slice(image, start=given["corner"], shape=[self._crop.height, self._crop.width], axes=[0, 1])
        return fn.flip(image, horizontal=given["mirrored"])

    def _inputs(self, kinds: dict[str, tuple[Any, int]]) -> dict[str, Any]:
        """Return the encoded images, and of what is drawn for them that which is named, with types and dimensions."""
        self._used = tuple(kinds)
        kinds = {"encoded": (types.UINT8, 1), **kinds}
        dtypes, dimensions = zip(*kinds.values(), strict=True)
        nodes = fn.external_source(self._next_inputs, num_outputs=len(kinds), dtype=dtypes, ndim=dimensions)
        return dict(zip(kinds, nodes, strict=True))

    def run(self, batches: Iterator[EncodedBatch]) -> Iterator[Tensor]:
        """Yield uint8 [N, h, w, 3] of each batch, on the settings' device. Raises RuntimeError for bad data.

        ``batches`` is read ahead.
        """
        self._batches = batches
        self._pipeline.reset()
        while True:
            self._pipeline.schedule_run()
            try:
                (found,) = self._pipeline.share_outputs()
            except StopIteration:
                return
            images = self._copied(found)
            self._pipeline.release_outputs()
            yield images

    def _next_inputs(self) -> tuple[list[np.ndarray], ...]:
        """Return one batch in DALI's form; StopIteration ends the epoch."""
        encoded, draws = next(self._batches)
        if "start" in self._used:
            parts = [draw.part((self._crop.height, self._crop.width)) for draw in draws]
            inputs = {name: [getattr(part, name) for part in parts] for name in self._used}
        else:
            inputs = {
                "corner": [np.asarray(draw.corner, np.int32) for draw in draws],
                "mirrored": [np.asarray(draw.mirrored, np.int32) for draw in draws],
                "size": [np.asarray(draw.size, np.float32) for draw in draws],
                "matrix": [draw.matrix for draw in draws],
            }
        return encoded, *(inputs[name] for name in self._used)

    def _copied(self, found: Any) -> Tensor:
        shape = (len(found), self._crop.height, self._crop.width, 3)
        if self._streams is None:
            return feed_ndarray(found.as_tensor(), torch.empty(shape, dtype=torch.uint8))
        # Beside the network's work: on its own line the host would wait for all of it.
        with self._streams.beside():
            images = torch.empty(shape, dtype=torch.uint8, device=self._device)
            side = torch.cuda.current_stream(self._device)
            feed_ndarray(found.as_tensor(), images, cuda_stream=side)
            # DALI writes another batch over this one once it is released.
            side.synchronize()
        self._streams.join(iter([images]))
        return images
