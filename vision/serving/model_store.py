"""The models of a multi-model server: loaded and unloaded by name, within a bound on their weights."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vision.data.allocation import return_freed_memory
from vision.serving.hosted_model import HostedModel
from vision.serving.hosted_network import SharedResources
from vision.serving.request_failure import PlatformFailure, RequestFailure
from vision.serving.settings import GIGABYTE
from vision.settings.errors import UserError, is_out_of_memory
from vision.settings.nearest import shown

log = logging.getLogger(__name__)

_LONGEST_NAME = 1024
# The folders of an absolute path, which clients must not see.
_FOLDERS = re.compile(r"(?<![^\s'\"(])/(?:[^/\s'\"]+/)+")


@dataclass(eq=False)
class LoadedModel:
    """A model under the name that the platform gave it, loaded or being loaded.

    ``users`` counts the requests that wait for it or are being answered by it; ``idle`` is set while there are none.
    """

    name: str
    url: str
    makes_room: bool
    arrival: asyncio.Future[HostedModel] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    users: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def model(self) -> HostedModel:
        """Return the loaded model, or raise the exception that loading it raised."""
        return self.arrival.result()

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep the model in memory for the block."""
        self.users += 1
        self.idle.clear()
        try:
            yield
        finally:
            self.users -= 1
            if self.users == 0:
                self.idle.set()


class ModelStore:
    """Loads one model at a time, while loaded ones keep answering."""

    def __init__(self, shared: SharedResources) -> None:
        self._shared = shared
        self._root = shared.settings.model.resolve()
        # In the order of their last use, oldest first.
        self._models: dict[str, LoadedModel] = {}
        self._coming: dict[str, LoadedModel] = {}
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0

    def list(self) -> list[LoadedModel]:
        """Return all loaded models, the least recently used first."""
        return list(self._models.values())

    def get(self, name: str) -> LoadedModel:
        """Return a loaded model. Raises RequestFailure 404."""
        if name not in self._models:
            raise RequestFailure(404, f"model {shown(name)} is not loaded; load it with POST /models")
        return self._models[name]

    def path_of(self, text: str) -> Path | None:
        """Return the path that a client names in the folder of models; None if it leads out of it or does not exist.

        Links inside the folder are followed: its owner has put them there.
        """
        try:
            path = Path(os.path.normpath(self._root / text))
            if not path.is_relative_to(self._root):
                # The client may know the folder itself by another name.
                path = path.resolve()
            return path if path.is_relative_to(self._root) and path != self._root and path.exists() else None
        except (OSError, ValueError, RuntimeError):
            # Too long, impossible to encode, with a zero byte, or a circle of links.
            return None

    @asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[HostedModel]:
        """Yield a loaded model and keep it in memory for the block. Raises RequestFailure 404."""
        loaded = self.get(name)
        with loaded.used():
            self._note_use(loaded)
            yield loaded.model

    @asynccontextmanager
    async def use_or_load(self, path: Path) -> AsyncIterator[HostedModel]:
        """Yield the model at ``path``, loaded first if necessary; others are unloaded to make room for it.

        Its name is its path relative to the folder of models, however the client wrote it. Raises RequestFailure 400
        (no model there) or 507 (larger than all memory for models), PlatformFailure 429 (still loading) or 503 (too
        many wait).
        """
        name = path.relative_to(self._root).as_posix()
        loaded = self._models.get(name) or self._coming.get(name) or self._start(name, name, path, makes_room=True)
        loaded.makes_room = True
        with loaded.used():
            await self._wait_for(loaded)
            self._note_use(loaded)
            yield loaded.model

    async def load(self, name: str, url: str) -> None:
        """Load a model from a path below the folder of models.

        Raises RequestFailure 409 (is loaded), 507 (no memory) or 400 (no model there).
        """
        if not 0 < len(name) <= _LONGEST_NAME:
            raise RequestFailure(400, f"model_name must have 1 to {_LONGEST_NAME} characters")
        path = self.path_of(url)
        if path is None:
            raise RequestFailure(400, f"url is {shown(url)}, but models are loaded from below the folder of models")
        if name in self._models or name in self._coming:
            raise RequestFailure(409, f"model {shown(name)} is loaded already; unload it first")
        await asyncio.shield(self._start(name, url, path, makes_room=False).arrival)

    async def unload(self, name: str) -> None:
        """Unload a model when its last requests are answered. Raises RequestFailure 404."""
        async with self._changing:
            await self._unload(self.get(name))

    def _note_use(self, loaded: LoadedModel) -> None:
        if self._models.get(loaded.name) is loaded:
            self._models[loaded.name] = self._models.pop(loaded.name)

    async def _wait_for(self, loaded: LoadedModel) -> None:
        """Wait until a model is loaded or has failed. Raises PlatformFailure 429 or 503 if that takes too long."""
        settings = self._shared.settings
        if loaded.arrival.done():
            return
        if self._waiting >= settings.max_requests:
            raise PlatformFailure(
                503, f"{self._waiting} requests wait for models, as many as max_requests allows", retry_after_s=1
            )
        self._waiting += 1
        try:
            done, _ = await asyncio.wait([loaded.arrival], timeout=settings.timeout_s)
        finally:
            self._waiting -= 1
        if not done:
            raise PlatformFailure(
                429,
                f"model {shown(loaded.name)} could not be loaded within the {settings.timeout_s:g} seconds that"
                " timeout_s allows; ask again in a moment",
                retry_after_s=1,
            )

    def _start(self, name: str, url: str, path: Path, *, makes_room: bool) -> LoadedModel:
        """Start to load a model; loading continues even if the request that wanted it ends."""
        coming = LoadedModel(name, url, makes_room)
        self._coming[name] = coming
        task = asyncio.create_task(self._bring(coming, path))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return coming

    async def _bring(self, coming: LoadedModel, path: Path) -> None:
        try:
            async with self._changing:
                coming.arrival.set_result(await self._load(coming, path))
                self._models[coming.name] = coming
                self._report()
        except Exception as error:
            coming.arrival.set_exception(error)
            # If no request waits for it any more, asyncio would report an exception that was never retrieved.
            coming.arrival.exception()
        finally:
            del self._coming[coming.name]

    async def _load(self, coming: LoadedModel, path: Path) -> HostedModel:
        """Load a model within the bound on memory. Raises RequestFailure."""
        try:
            await self._make_room(coming, await asyncio.to_thread(_bytes_on_disk, path))
            model = await asyncio.to_thread(HostedModel.load, path, self._shared)
        except (UserError, OSError) as error:
            log.warning("vision: model %s cannot be loaded: %s", shown(coming.name), error)
            sentence = str(error).replace(str(path), f"model {shown(coming.name)}")
            raise RequestFailure(400, _FOLDERS.sub("", sentence)) from None
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise RequestFailure(507, f"there is no memory for model {shown(coming.name)}; unload others") from None
        try:
            await self._make_room(coming, model.bytes)
        except RequestFailure:
            model.close()
            raise
        return model

    async def _make_room(self, coming: LoadedModel, size: int) -> None:
        """Unload the least recently used models, idle ones first, to fit ``size`` bytes. Raises RequestFailure 507."""
        limit = int(self._shared.settings.max_models_gb * GIGABYTE)
        while (used := self._used_bytes()) + size > limit:
            if not coming.makes_room or size > limit:
                raise RequestFailure(
                    507,
                    f"model {shown(coming.name)} needs {size} bytes and {used} of the {limit} that max_models_gb"
                    " allows are taken; unload others",
                )
            # The first of equals, which is the least recently used.
            await self._unload(min(self._models.values(), key=lambda loaded: loaded.users > 0))

    async def _unload(self, loaded: LoadedModel) -> None:
        """Unload a model after its last requests; new requests wait until it is loaded again."""
        del self._models[loaded.name]
        if loaded.users:
            await loaded.idle.wait()
        await asyncio.to_thread(loaded.model.close)
        del loaded
        await asyncio.to_thread(return_freed_memory)
        self._report()

    def _used_bytes(self) -> int:
        return sum(loaded.model.bytes for loaded in self._models.values())

    def _report(self) -> None:
        self._shared.metrics.put("vision_loaded_models", len(self._models))
        self._shared.metrics.put("vision_loaded_models_bytes", self._used_bytes())


def _bytes_on_disk(path: Path) -> int:
    """Return the size of a model's largest weights file, a lower bound of its memory; 0 if there is none."""
    if path.is_file():
        # An archive does not show the size of its weights.
        return 0
    return max((file.stat().st_size for file in path.glob("*.safetensors")), default=0)
