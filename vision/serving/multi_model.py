"""SageMaker's multi-model API: load, list, look up, unload and invoke models by name."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from vision.serving.model_store import LoadedModel, ModelStore
from vision.serving.request_body import read_body
from vision.serving.request_failure import RequestFailure
from vision.serving.service import Service
from vision.settings.nearest import shown

_PAGE = 100
_LARGEST_BODY = 1 << 16


class ModelRoutes:
    """The handlers of the API. Each raises RequestFailure."""

    def __init__(self, service: Service) -> None:
        assert service.store is not None
        self._service = service
        self._store: ModelStore = service.store

    async def load(self, request: Request) -> Response:
        """``POST /models`` with model_name and url."""
        values = _json_object(await read_body(request, _LARGEST_BODY, self._service.settings.timeout_s))
        name, url = values.get("model_name"), values.get("url")
        if not isinstance(name, str) or not isinstance(url, str):
            raise RequestFailure(400, 'the body must be a JSON object {"model_name": NAME, "url": FOLDER}')
        await self._store.load(name, url)
        return _json({"modelName": name, "modelUrl": url})

    async def list(self, request: Request) -> Response:
        """``GET /models``, a page of names from ``next_page_token`` on."""
        models = sorted(self._store.list(), key=lambda loaded: loaded.name)
        token = request.query_params.get("next_page_token", "")
        models = [loaded for loaded in models if loaded.name >= token]
        found: dict[str, object] = {"models": [_shown(loaded) for loaded in models[:_PAGE]]}
        if len(models) > _PAGE:
            found["nextPageToken"] = models[_PAGE].name
        return _json(found)

    async def get(self, request: Request) -> Response:
        """``GET /models/NAME``."""
        return _json(_shown(self._store.get(request.path_params["name"])))

    async def unload(self, request: Request) -> Response:
        """``DELETE /models/NAME``."""
        await self._store.unload(request.path_params["name"])
        return Response(status_code=200)

    async def invoke(self, request: Request) -> Response:
        """``POST /models/NAME/invoke``."""
        name = request.path_params["name"]
        # Checked before the client sends the body.
        self._store.get(name)
        return await self._service.answer(request, self._store.use(name))


def _shown(loaded: LoadedModel) -> dict[str, str]:
    return {"modelName": loaded.name, "modelUrl": loaded.url}


def _json(value: Mapping[str, object]) -> Response:
    return Response(json.dumps(value) + "\n", media_type="application/json")


def _json_object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RequestFailure(400, f"the body is {shown(body[:40])}, but a JSON object is needed")
    return value
