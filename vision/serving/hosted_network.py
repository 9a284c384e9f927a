"""A network in memory that takes encoded images: decoding threads of the process, and a batcher of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch

from vision.api.model import PreparedImage
from vision.data.containers.image_parts import ImageBody, ImageHeader
from vision.data.image_codec import check_image, decode_checked, prepare_process
from vision.serving.batcher import Batcher, Cores, use_cores
from vision.serving.decoder_pools import DecoderPools
from vision.serving.decoder_process import decode_elsewhere
from vision.serving.metrics import Metrics
from vision.serving.request_body import EncodedImage
from vision.serving.settings import ServingSettings
from vision.settings.errors import DataError
from vision.settings.run import RunSettings
from vision.training.accelerator import choose_device

# Some 0.7 s on one core: a plain JPEG of any size that is allowed, a progressive one of 12 megapixels.
MAX_THREAD_WORK = 1 << 27
# Some 20 ms: more than most requests send, less than a phone's photo.
MAX_SMALL_WORK = 1 << 22

R = TypeVar("R")
Describe = Callable[[object, tuple[int, int]], bytes]
Use = Callable[[np.ndarray, str], R]
"""(pixels uint8 [H, W, 3], what to call the image) -> what they are decoded for."""


@dataclass(frozen=True)
class Answer:
    """The answer for one image: its ``body``, or the ``problem`` with the image."""

    body: bytes = b""
    problem: str | None = None


class SharedResources:
    """What the networks of one process share: threads that decode, and the cores of the network."""

    def __init__(self, settings: ServingSettings, metrics: Metrics) -> None:
        prepare_process()
        self.settings = settings
        self.metrics = metrics
        self.decoders = DecoderPools(settings)
        self.run = RunSettings.parse({"device": settings.device, "max_archive_gb": settings.max_archive_gb})
        self.cores = Cores(settings.thread_count() if choose_device(self.run, "device").type == "cpu" else 1)


class HostedNetwork:
    """Answers encoded images by ``prepare`` (decoded pixels and a name) and ``predict`` (a batch of such images)."""

    def __init__(
        self,
        prepare: Callable[[np.ndarray, str], PreparedImage],
        predict: Callable[[list[PreparedImage]], list[object]],
        device: torch.device,
        shared: SharedResources,
    ) -> None:
        self._prepare_decoded, self._predict_prepared = prepare, predict
        self._device, self._shared = device, shared
        settings = shared.settings
        self._batcher = Batcher(
            self._predict,
            max_batch=settings.max_batch,
            max_wait_s=settings.max_wait_ms / 1000,
            cores=shared.cores,
            begin=self._warm_up,
            observe=shared.metrics.count_batch,
        )

    def _warm_up(self) -> None:
        """Answer one image, and on a GPU a full batch, to know that its memory suffices."""
        encoded = cv2.imencode(".jpg", np.full((64, 64, 3), 128, np.uint8))[1].tobytes()
        prepared, _, _ = self._decode_small(EncodedImage(encoded, "the warm-up image"), self._prepare_decoded)
        assert prepared is not None
        sizes = (1, self._shared.settings.max_batch) if self._device.type == "cuda" else (1,)
        with self._shared.cores.use() as share:
            self._pack(prepared)
            for size in sizes:
                prediction = self._predict([prepared] * size, share.cores)[0]
        self._note_first(prediction, prepared)

    def _pack(self, prepared: PreparedImage) -> None:
        """Make the network ready for images like this one."""

    def _note_first(self, prediction: object, prepared: PreparedImage) -> None:
        """Do what answers do with the first prediction."""

    @property
    def is_healthy(self) -> bool:
        """Return whether the last predictions did not all fail."""
        return self._batcher.is_healthy

    def close(self) -> None:
        """Answer what waits, then stop."""
        self._batcher.close()

    @contextmanager
    def expected(self) -> Iterator[None]:
        """Let batches wait for an image that is on its way, while the context lasts."""
        self._batcher.expect(1)
        try:
            yield
        finally:
            self._batcher.expect(-1)

    async def predict(self, images: Sequence[EncodedImage], describe: Describe) -> list[Answer]:
        """Return one answer for each image: what ``describe`` makes of (prediction, original size in pixels)."""
        turns = asyncio.Semaphore(self._shared.decoders.most_of_request)
        return list(await asyncio.gather(*(self._predict_one(image, describe, turns) for image in images)))

    async def _predict_one(self, image: EncodedImage, describe: Describe, turns: asyncio.Semaphore) -> Answer:
        metrics, decoders = self._shared.metrics, self._shared.decoders
        try:
            with self.expected():
                async with turns:
                    prepared = await self.decoded(image, self._prepare_decoded)
                waiting = self._batcher.submit(prepared)
        except DataError as error:
            metrics.count("vision_images_total", 'outcome="broken"')
            return Answer(problem=str(error))
        prediction = await waiting
        body = await decoders.small.run(lambda: describe(prediction, prepared.size_px))
        metrics.count("vision_images_total", 'outcome="answered"')
        return Answer(body)

    async def decoded(self, image: EncodedImage, use: Use[R]) -> R:
        """Decode in the pool that fits the work, and return what ``use`` makes there. Raises DataError."""
        decoders = self._shared.decoders
        found, header, body = await decoders.small.run(lambda: self._decode_small(image, use))
        if found is not None:
            return found
        if body.work <= MAX_THREAD_WORK:
            return await decoders.large.run(lambda: use(decode_checked(header, body, image.key), image.key))
        return await decoders.heavy.run(lambda: self._decode_heavy(image, use))

    def _decode_small(self, image: EncodedImage, use: Use[R]) -> tuple[R | None, ImageHeader, ImageBody]:
        """Check an image, and decode it if that is little work."""
        header, body = check_image(bytes(image.encoded), image.key, max_pixels=self._shared.settings.max_pixels)
        if body.work > MAX_SMALL_WORK:
            return None, header, body
        return use(decode_checked(header, body, image.key), image.key), header, body

    def _decode_heavy(self, image: EncodedImage, use: Use[R]) -> R:
        """Decode in a process, which can be killed; a thread cannot."""
        settings = self._shared.settings
        pixels = decode_elsewhere(
            image.encoded,
            image.key,
            max_pixels=settings.max_pixels,
            limit_s=settings.decode_limit_s,
            timeout_s=settings.timeout_s,
        )
        return use(pixels, image.key)

    def _predict(self, images: list[PreparedImage], cores: int) -> list[object]:
        if self._device.type == "cpu":
            use_cores(cores)
        return self._predict_prepared(images)
