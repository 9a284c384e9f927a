"""The routes of indexes: search by an image, and list, add and delete images.

An image of an index is known by its name, any text. A similarity is the cosine of two vectors times 100, at least 0.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import TypeVar

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from vision.retrieval.found_images import RERANKED, FoundImage, ranked_by_views
from vision.retrieval.image_index import DIGEST_BYTES, IndexEntries
from vision.retrieval.live_index import LiveIndex
from vision.serving.media_types import read_media_type
from vision.serving.named_images import NamedImage, named_images, names_in
from vision.serving.request_body import EncodedImage, read_body
from vision.serving.request_failure import RequestFailure
from vision.serving.served_indexes import ServedIndexes, failure_of
from vision.serving.service import Service
from vision.settings.errors import UserError
from vision.settings.nearest import did_you_mean, shown

log = logging.getLogger(__name__)

_PAGE, _MOST_OF_PAGE = 100, 10_000
_TOP, _MOST_TOP = 10, 4096
_RERANK = ("none", "geometry")
R = TypeVar("R")


@dataclass(frozen=True)
class _Asked:
    """What a search wants: ``top`` images of similarity ``threshold`` 0..100 or more, like an image or ``name``."""

    top: int
    threshold: float
    has_views: bool
    name: str | None

    @classmethod
    def of(cls, request: Request) -> _Asked:
        given = _parameters(request, ("top", "threshold", "rerank", "name"))
        rerank = given.get("rerank", "none")
        if rerank not in _RERANK:
            raise RequestFailure(400, f"rerank is {shown(rerank)}, but {' or '.join(_RERANK)} is needed")
        top = _count("top", given.get("top", str(_TOP)), _MOST_TOP)
        return cls(top, _percent(given.get("threshold", "0")), rerank == "geometry", given.get("name"))


class IndexRoutes:
    """The handlers. Each raises RequestFailure."""

    def __init__(self, service: Service, indexes: ServedIndexes) -> None:
        self._service = service
        self._indexes = indexes

    async def list(self, request: Request) -> Response:
        """``GET /indexes``, a page of names from ``next_page_token`` on."""
        return _page(request, "indexes", await _work(self._indexes.names))

    async def create(self, request: Request) -> Response:
        """``PUT /indexes/NAME``."""
        await _work(lambda: self._indexes.create(_name(request)))
        return await self.get(request)

    async def get(self, request: Request) -> Response:
        """``GET /indexes/NAME``."""
        count = await _work(lambda: len(self._indexes.get(_name(request))))
        return _json({"name": _name(request), "images": count})

    async def delete(self, request: Request) -> Response:
        """``DELETE /indexes/NAME``."""
        await _work(lambda: self._indexes.delete(_name(request)))
        return Response(status_code=200)

    async def list_images(self, request: Request) -> Response:
        """``GET /indexes/NAME/images``, a page of names from ``next_page_token`` on."""
        return _page(request, "images", await _work(lambda: self._indexes.get(_name(request)).names()))

    async def add_images(self, request: Request) -> Response:
        """``POST /indexes/NAME/images?name=IMAGE`` with an image or records, or JSON with several, added at once."""
        index, name = await self._index(request), _parameters(request, ("name",)).get("name")
        started_s = _now_s()
        if _is_json(request):
            images = named_images(await self._body(request), self._service.settings.max_images)
        else:
            received = await self._service.receive(request)
            images = [
                NamedImage.of(one.encoded, f"{name}/{number}" if name and received.is_list else name)
                for number, one in enumerate(received.images)
            ]
        async with self._service.at_work(_now_s() - started_s):
            return _json(await self._add(index, images))

    async def _add(self, index: LiveIndex, images: Sequence[NamedImage]) -> dict[str, object]:
        # Records without a name may be equal.
        images = list({image.name: image for image in images}.values())
        digests = [hashlib.sha256(image.encoded).digest() for image in images]
        known = await _work(lambda: [index.digest_of(image.name) for image in images])
        new = [place for place, digest in enumerate(digests) if known[place] != digest]
        found = await self._vectors([EncodedImage(images[place].encoded, images[place].name) for place in new])
        vectors = dict(zip(new, found, strict=True))
        failed = [
            {"name": images[place].name, "error": found} for place, found in vectors.items() if isinstance(found, str)
        ]
        if failed and len(failed) == len(images):
            raise RequestFailure(400, failed[0]["error"])
        rows = [(images[place].name, digests[place], found) for place, found in vectors.items()]
        entries = _entries([row for row in rows if not isinstance(row[2], str)])
        if len(entries):
            await _work(lambda: index.add(entries))
        return {"added": len(entries), "known": len(images) - len(new), "failed": failed}

    async def delete_images(self, request: Request) -> Response:
        """``DELETE /indexes/NAME/images?name=IMAGE``, which may be repeated, or JSON with names."""
        index = await self._index(request)
        _parameters(request, ("name",))
        names = names_in(await self._body(request)) if _is_json(request) else request.query_params.getlist("name")
        if not names:
            raise RequestFailure(400, "no image is named: give ?name=IMAGE, once for each")
        return _json({"deleted": await _work(lambda: index.remove(names))})

    async def search(self, request: Request) -> Response:
        """``POST /indexes/NAME/search`` by the images of a body, or by one of the index with ``?name=IMAGE``."""
        asked, index = _Asked.of(request), await self._index(request)
        if asked.name is not None:
            async with self._service.at_work(0):
                return _json({"images": await _work(lambda: _like(index, asked))})
        started_s = _now_s()
        received = await self._service.receive(request)
        async with self._service.at_work(_now_s() - started_s):
            vectors = await self._vectors(received.images)
            answers = [
                {"error": vector} if isinstance(vector, str) else await self._found(index, image, vector, asked)
                for image, vector in zip(received.images, vectors, strict=True)
            ]
        if all("error" in answer for answer in answers):
            raise RequestFailure(400, str(answers[0]["error"]))
        return _json(answers if received.is_list else answers[0])

    async def _found(
        self, index: LiveIndex, image: EncodedImage, vector: np.ndarray, asked: _Asked
    ) -> dict[str, object]:
        pixels = await self._indexes.embedding.decoded(image, lambda pixels, name: pixels) if asked.has_views else None
        return {"images": await _work(lambda: _nearest(index, vector, pixels, asked))}

    async def _vectors(self, images: Sequence[EncodedImage]) -> Sequence[np.ndarray | str]:
        return await self._indexes.embedding.vectors(images)

    async def _index(self, request: Request) -> LiveIndex:
        return await _work(lambda: self._indexes.get(_name(request)))

    async def _body(self, request: Request) -> bytes:
        settings = self._service.settings
        return await read_body(request, settings.max_payload_bytes, settings.timeout_s)


def _like(index: LiveIndex, asked: _Asked) -> list[dict[str, object]]:
    """Return what is like an image of the index, which is itself left out."""
    assert asked.name is not None
    vector = index.vector_of(asked.name)
    if vector is None:
        raise RequestFailure(404, f"image {shown(asked.name)} is not in the index")
    return _nearest(index, vector, index.pixels(asked.name) if asked.has_views else None, asked)


def _nearest(index: LiveIndex, vector: np.ndarray, pixels: np.ndarray | None, asked: _Asked) -> list[dict[str, object]]:
    """Return the images nearest to a vector; with ``pixels`` of it, those that show the same thing first."""
    wanted = asked.top if pixels is None else max(asked.top, RERANKED)
    found = [one for one in index.nearest(vector[None], wanted + 1)[0] if one.name != asked.name][:wanted]
    if pixels is not None:
        found = [*ranked_by_views(pixels, found[:RERANKED], index.pixels), *found[RERANKED:]]
    described = [_described(one) for one in found]
    return [one for one, similarity in described if similarity >= asked.threshold][: asked.top]


def _described(one: FoundImage) -> tuple[dict[str, object], float]:
    similarity = round(100 * min(1.0, max(0.0, one.similarity)), 4)
    agreeing = {} if one.agreeing is None else {"agreeing": one.agreeing}
    return {"name": one.name, "similarity": similarity, **agreeing}, similarity


def _entries(rows: Sequence[tuple[str, bytes, np.ndarray | str]]) -> IndexEntries:
    names, digests, vectors = zip(*rows, strict=True) if rows else ((), (), ())
    return IndexEntries(
        names,
        np.frombuffer(b"".join(digests), np.uint8).reshape(len(names), DIGEST_BYTES),
        np.array(vectors, np.float16),
    )


async def _work(work: Callable[[], R]) -> R:
    """Return what work gives that may wait for the disk, done by a thread. Raises RequestFailure."""
    try:
        return await asyncio.to_thread(work)
    except UserError as error:
        log.error("vision: %s", error)
        raise failure_of(error) from error


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name


def _is_json(request: Request) -> bool:
    return read_media_type(request.headers.get("content-type", "")).name == "application/json"


def _parameters(request: Request, known: Sequence[str]) -> dict[str, str]:
    """Return the parameters of a request's query, of equal names the last. Raises RequestFailure 400."""
    given = dict(request.query_params)
    for name in given:
        if name not in known:
            raise RequestFailure(400, f"parameter {shown(name)} is unknown: {did_you_mean(name, known)}")
    return given


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise RequestFailure(400, f"threshold is {shown(text)}, but a number from 0 to 100 is needed")
    return value


def _count(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise RequestFailure(400, f"{name} is {shown(text)}, but a whole number from 1 to {most} is needed")
    return int(text)


def _page(request: Request, kind: str, names: Iterable[str]) -> Response:
    given = _parameters(request, ("next_page_token", "limit"))
    limit = _count("limit", given.get("limit", str(_PAGE)), _MOST_OF_PAGE)
    token = given.get("next_page_token", "")
    found = nsmallest(limit + 1, (name for name in names if name >= token))
    following = {"nextPageToken": found[limit]} if len(found) > limit else {}
    return _json({kind: found[:limit], **following})


def _json(value: object) -> Response:
    return Response(json.dumps(value) + "\n", media_type="application/json")
