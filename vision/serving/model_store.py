"""The models of a multi-model server: loaded and unloaded by name, within a bound on their weights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vision.data.allocation import return_freed_memory
from vision.serving.failure import RequestFailure
from vision.serving.hosted_model import HostedModel, Workshop
from vision.serving.settings import GIGABYTE
from vision.settings.errors import UserError
from vision.settings.nearest import shown

_LONGEST_NAME = 1024


@dataclass
class LoadedModel:
    """A model under the name that the platform gave it; ``users`` requests are being answered by it."""

    name: str
    url: str
    model: HostedModel
    users: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class ModelStore:
    """Loads one model at a time; answering goes on meanwhile."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        # In the order of their last use.
        self._models: dict[str, LoadedModel] = {}
        self._changing = asyncio.Lock()

    def list(self) -> list[LoadedModel]:
        """All loaded models, the least recently used first."""
        return list(self._models.values())

    def get(self, name: str) -> LoadedModel:
        """A loaded model. Raises RequestFailure 404."""
        if name not in self._models:
            raise RequestFailure(404, f"model {shown(name)} is not loaded; load it with POST /models")
        return self._models[name]

    @asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[HostedModel]:
        """A loaded model, which stays in memory as long as the context lasts. Raises RequestFailure 404."""
        loaded = self.get(name)
        self._models[name] = self._models.pop(name)
        loaded.users += 1
        loaded.idle.clear()
        try:
            yield loaded.model
        finally:
            loaded.users -= 1
            if loaded.users == 0:
                loaded.idle.set()

    async def load(self, name: str, url: str) -> None:
        """Load a model. Raises RequestFailure 409 (is loaded), 507 (no memory) or 400 (no model there)."""
        if not name or len(name) > _LONGEST_NAME:
            raise RequestFailure(400, f"model_name must have 1 to {_LONGEST_NAME} characters")
        async with self._changing:
            if name in self._models:
                raise RequestFailure(409, f"model {shown(name)} is loaded already; unload it first")
            path = Path(url)
            self._check_room(name, await asyncio.to_thread(_bytes_on_disk, path))
            try:
                model = await asyncio.to_thread(HostedModel.load, path, self._workshop)
            except UserError as error:
                raise RequestFailure(400, str(error)) from None
            except MemoryError:
                raise RequestFailure(507, f"there is no memory for model {shown(name)}; unload others") from None
            try:
                self._check_room(name, model.bytes)
            except RequestFailure:
                model.close()
                raise
            self._models[name] = LoadedModel(name, url, model)
            self._report()

    async def unload(self, name: str) -> None:
        """Unload a model when its last requests are answered. Raises RequestFailure 404."""
        async with self._changing:
            loaded = self.get(name)
            del self._models[name]
            if loaded.users:
                await loaded.idle.wait()
            await asyncio.to_thread(loaded.model.close)
            del loaded
            await asyncio.to_thread(return_freed_memory)
            self._report()

    async def unload_least_recently_used(self) -> bool:
        """Unload the model that no request uses and that has waited longest; False if there is none."""
        idle = next((loaded.name for loaded in self._models.values() if not loaded.users), None)
        if idle is None:
            return False
        await self.unload(idle)
        return True

    def _check_room(self, name: str, size: int) -> None:
        limit = int(self._workshop.settings.max_models_gb * GIGABYTE)
        used = sum(loaded.model.bytes for loaded in self._models.values())
        if used + size > limit:
            raise RequestFailure(
                507,
                f"model {shown(name)} needs {size} bytes and {used} of the {limit} that max_models_gb allows are"
                " taken; unload others",
            )

    def _report(self) -> None:
        self._workshop.metrics.put("vision_loaded_models", len(self._models))
        total = sum(loaded.model.bytes for loaded in self._models.values())
        self._workshop.metrics.put("vision_loaded_models_bytes", total)


def _bytes_on_disk(path: Path) -> int:
    """Size of a model's largest file, no more than its weights need in memory; 0 if there is none."""
    if path.is_file():
        # Packed, it says nothing yet.
        return 0
    return max((file.stat().st_size for file in path.glob("*.safetensors")), default=0)
