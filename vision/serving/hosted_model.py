"""A model in memory that answers requests: decoding threads, batcher and network, warmed up by a real image."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from vision.api.model import Model, PreparedImage, load
from vision.data.collate import stack_images
from vision.data.containers.image_parts import ImageBody, ImageHeader
from vision.data.image_codec import check_image, decode_checked, prepare_process
from vision.nn.cpu_inference import can_pack, fold_batch_norm, pack_convolutions
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

Describe = Callable[[object, tuple[int, int]], bytes]


@dataclass(frozen=True)
class Answer:
    """The answer for one image: its ``body``, or the ``problem`` with the image."""

    body: bytes = b""
    problem: str | None = None


class SharedResources:
    """What the models of one process share: threads that decode, and the cores of the network."""

    def __init__(self, settings: ServingSettings, metrics: Metrics) -> None:
        prepare_process()
        self.settings = settings
        self.metrics = metrics
        self.decoders = DecoderPools(settings)
        self.run = RunSettings.parse({"device": settings.device, "max_archive_gb": settings.max_archive_gb})
        self.cores = Cores(settings.thread_count() if choose_device(self.run, "device").type == "cpu" else 1)


class HostedModel:
    """Answers encoded images with the answers that SageMaker's endpoints give. The network of ``model`` is its own."""

    def __init__(self, model: Model, shared: SharedResources) -> None:
        self.model = model
        self.forms = model.algorithm.facts.answer_forms
        self.bytes = sum(tensor.nbytes for tensor in model.network.state_dict().values())
        self._shared = shared
        settings = shared.settings
        self._batcher = Batcher(
            self._predict,
            max_batch=settings.max_batch,
            max_wait_s=settings.max_wait_ms / 1000,
            cores=shared.cores,
            begin=self._warm_up,
            observe=shared.metrics.count_batch,
        )

    @classmethod
    def load(cls, path: Path, shared: SharedResources) -> HostedModel:
        """Read a model folder, archive or run folder and answer a first image. Raises UserError."""
        return cls(load(path, shared.run), shared)

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

    async def answer(self, images: Sequence[EncodedImage], form: str) -> list[Answer]:
        """Return one answer for each image, as SageMaker's endpoints give it. A broken image disturbs no other."""
        return await self.predict(images, self._respond(form))

    async def predict(self, images: Sequence[EncodedImage], describe: Describe) -> list[Answer]:
        """Return one answer for each image: what ``describe`` makes of (prediction, original size in pixels)."""
        turns = asyncio.Semaphore(self._shared.decoders.most_of_request)
        return list(await asyncio.gather(*(self._predict_one(image, describe, turns) for image in images)))

    async def _predict_one(self, image: EncodedImage, describe: Describe, turns: asyncio.Semaphore) -> Answer:
        metrics, decoders = self._shared.metrics, self._shared.decoders
        try:
            with self.expected():
                async with turns:
                    prepared = await self._prepare(image)
                waiting = self._batcher.submit(prepared)
        except DataError as error:
            metrics.count("vision_images_total", 'outcome="broken"')
            return Answer(problem=str(error))
        prediction = await waiting
        body = await decoders.small.run(lambda: describe(prediction, prepared.size_px))
        metrics.count("vision_images_total", 'outcome="answered"')
        return Answer(body)

    async def _prepare(self, image: EncodedImage) -> PreparedImage:
        """Decode and resize in the pool that fits the work. Raises DataError."""
        decoders = self._shared.decoders
        prepared, header, body = await decoders.small.run(lambda: self._prepare_small(image))
        if prepared is not None:
            return prepared
        if body.work <= MAX_THREAD_WORK:
            return await decoders.large.run(
                lambda: self.model.prepare_decoded(decode_checked(header, body, image.key), image.key)
            )
        return await decoders.heavy.run(lambda: self._prepare_heavy(image))

    def _prepare_small(self, image: EncodedImage) -> tuple[PreparedImage | None, ImageHeader, ImageBody]:
        """Check an image, and prepare it if that is little work."""
        header, body = check_image(bytes(image.encoded), image.key, max_pixels=self._shared.settings.max_pixels)
        if body.work > MAX_SMALL_WORK:
            return None, header, body
        return self._decode(header, body, image.key), header, body

    def _decode(self, header: ImageHeader, body: ImageBody, key: str) -> PreparedImage:
        return self.model.prepare_decoded(decode_checked(header, body, key), key)

    def _prepare_heavy(self, image: EncodedImage) -> PreparedImage:
        """Decode in a process, which can be killed; a thread cannot."""
        settings = self._shared.settings
        decoded = decode_elsewhere(
            image.encoded,
            image.key,
            max_pixels=settings.max_pixels,
            limit_s=settings.decode_limit_s,
            timeout_s=settings.timeout_s,
        )
        return self.model.prepare_decoded(decoded, image.key)

    def _predict(self, images: list[PreparedImage], cores: int) -> list[object]:
        if self.model.device.type == "cpu":
            use_cores(cores)
        return self.model.predict_prepared(images)

    def _warm_up(self) -> None:
        """Answer one image, and on a GPU a full batch, to know that its memory suffices."""
        encoded = cv2.imencode(".jpg", np.full((64, 64, 3), 128, np.uint8))[1].tobytes()
        prepared, _, _ = self._prepare_small(EncodedImage(encoded, "the warm-up image"))
        assert prepared is not None
        sizes = (1, self._shared.settings.max_batch) if self.model.device.type == "cuda" else (1,)
        with self._shared.cores.use() as share:
            if self._shared.settings.prepack and can_pack(self.model.device):
                with torch.inference_mode():
                    fold_batch_norm(self.model.network)
                    pack_convolutions(self.model.network, stack_images([prepared.pixels]))
            for size in sizes:
                prediction = self._predict([prepared] * size, share.cores)[0]
        self._respond(self.forms[0])(prediction, prepared.size_px)

    def _respond(self, form: str) -> Describe:
        names = self.model.class_names
        return lambda prediction, size_px: self.model.algorithm.respond(prediction, form, size_px, names)
