"""DALI's part of the work: encoded bytes to uint8 crops of one size. Imports DALI; nothing else does.

Legend: N batch, h w size of the crop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from vision.data.dali.draws import ImageDraw
from vision.data.dali.settings import DaliSettings


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
        self._batches: Iterator[EncodedBatch] = iter(())
        self._pipeline = Pipeline(
            batch_size=batch_size,
            num_threads=settings.threads,
            device_id=self._device.index,
            prefetch_queue_depth=depth,
        )
        with self._pipeline:
            self._pipeline.set_outputs(self._graph(augmentations, "mixed" if settings.on_gpu else "cpu"))
        self._pipeline.build()

    def _graph(self, augmentations: Sequence[Augmentation], decoder: str) -> Any:
        resizes = any(isinstance(step, ShortSideResize) for step in augmentations)
        warp = next((step for step in augmentations if isinstance(step, Affine)), None)
        shape = [self._crop.height, self._crop.width]
        # Without a warp in between, only the pixels of the crop are made, already mirrored.
        kinds = {"encoded": (types.UINT8, 1)}
        if resizes and warp is None:
            kinds |= {"first_corner": (types.FLOAT, 1), "last_corner": (types.FLOAT, 1)}
        else:
            kinds |= {"size": (types.FLOAT, 1)} if resizes else {}
            kinds |= {"matrix": (types.FLOAT, 2)} if warp is not None else {}
            kinds |= {"corner": (types.INT32, 1), "mirrored": (types.INT32, 0)}
        self._used = tuple(kinds)
        dtypes, dimensions = zip(*kinds.values(), strict=True)
        nodes = fn.external_source(self._next_inputs, num_outputs=len(kinds), dtype=dtypes, ndim=dimensions)
        given = dict(zip(kinds, nodes, strict=True))
        image = fn.decoders.image(given["encoded"], device=decoder, output_type=types.RGB)
        bilinear = {"interp_type": types.INTERP_LINEAR, "antialias": False}
        if "first_corner" in given:
            corners = {"roi_start": given["first_corner"], "roi_end": given["last_corner"]}
            return fn.resize(image, size=shape, **corners, **bilinear)
        if resizes:
            image = fn.resize(image, size=given["size"], **bilinear)
        if warp is not None:
            fill = float(warp.fill_value)
            image = fn.warp_affine(image, matrix=given["matrix"], inverse_map=False, fill_value=fill)
        image = fn.slice(image, start=given["corner"], shape=shape, axes=[0, 1])
        return fn.flip(image, horizontal=given["mirrored"])

    def run(self, batches: Iterator[EncodedBatch]) -> Iterator[Tensor]:
        """Uint8 [N, h, w, 3] of each batch, on the settings' device. Raises RuntimeError for bad data.

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
        """One batch in DALI's form; StopIteration ends the epoch."""
        encoded, draws = next(self._batches)
        shape = (self._crop.height, self._crop.width)
        inputs: dict[str, Callable[[], list[np.ndarray]]] = {
            "encoded": lambda: encoded,
            "first_corner": lambda: [draw.decoded_corners(shape)[0] for draw in draws],
            "last_corner": lambda: [draw.decoded_corners(shape)[1] for draw in draws],
            "corner": lambda: [np.asarray(draw.corner, np.int32) for draw in draws],
            "mirrored": lambda: [np.asarray(draw.mirrored, np.int32) for draw in draws],
            "size": lambda: [np.asarray(draw.size, np.float32) for draw in draws],
            "matrix": lambda: [draw.matrix for draw in draws],
        }
        return tuple(inputs[name]() for name in self._used)

    def _copied(self, found: Any) -> Tensor:
        shape = (len(found), self._crop.height, self._crop.width, 3)
        images = torch.empty(shape, dtype=torch.uint8, device=self._device)
        stream = torch.cuda.current_stream(self._device) if self._device.type == "cuda" else None
        feed_ndarray(found.as_tensor(), images, cuda_stream=stream)
        if stream is not None:
            # DALI writes another batch over this one once it is released.
            stream.synchronize()
        return images
