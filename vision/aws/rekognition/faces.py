"""Operations of Rekognition on the faces of collections: index, list, search and delete them.

Faces are found by the face model that the user gives; without one these calls refuse, since nothing else here finds
faces. A collection that was made to hold images takes each image whole, and its answers say nothing of faces.
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import Field
from starlette.requests import Request

from vision.aws.described import without_none
from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.rekognition.collections import (
    HOLDS_TAG,
    IMAGES,
    MOST_RESULTS,
    CollectionCall,
    CollectionPage,
    Collections,
    Face,
    face_of,
    index_name,
)
from vision.aws.rekognition.face_finder import FaceFinder, FoundFace
from vision.aws.rekognition.lazy_worker import LazyWorker
from vision.aws.rekognition.request_image import MOST_FACE_BYTES, RequestImage
from vision.aws.rekognition.resources import failure
from vision.aws.request_shape import RequestShape
from vision.aws.workplace import Workplace

_MOST_FACES = 100
# Percent: the service's own.
_MATCH_THRESHOLD = 80.0
_JSON = {"content-type": "application/json"}
# A hundred faces, as they are cut out.
_SERVED = ("max_payload_mb=128", "max_images=100")

FaceId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
FaceIds = Annotated[list[FaceId], Field(min_length=1, max_length=MOST_RESULTS)]
Quality = Literal["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"]


class _Index(CollectionCall):
    image: RequestImage
    external_image_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.\-:]+$", min_length=1, max_length=255)] | None = None
    detection_attributes: list[str] = Field(default_factory=list)
    max_faces: Annotated[int, Field(ge=1)] = _MOST_FACES
    quality_filter: Quality = "AUTO"


class _List(CollectionPage, CollectionCall):
    face_ids: FaceIds | None = None
    user_id: str | None = None


class _Delete(CollectionCall):
    face_ids: FaceIds


class _Matching(CollectionCall):
    """What searches have in common."""

    max_faces: Annotated[int, Field(ge=1, le=MOST_RESULTS)] = MOST_RESULTS
    face_match_threshold: Annotated[float, Field(ge=0, le=100)] = _MATCH_THRESHOLD


class _Search(_Matching):
    face_id: FaceId


class _SearchByImage(_Matching):
    image: RequestImage
    quality_filter: Quality = "NONE"


class _Detect(RequestShape):
    image: RequestImage
    attributes: list[str] = Field(default_factory=list)


class Faces:
    """Indexes, lists, searches and deletes faces; a process of its own makes their vectors and searches."""

    def __init__(self, workplace: Workplace, collections: Collections) -> None:
        settings = workplace.settings
        self._buckets = workplace.storage.buckets
        self._collections = collections
        words = (f"model={settings.search_model}", f"indexes={collections.folder}", *_SERVED)
        self._search = LazyWorker("search model", words, workplace.logs) if settings.search_model else None
        self._finder = FaceFinder(settings.face_model, workplace.logs) if settings.face_model else None
        self.operations: dict[str, Operation] = {
            "IndexFaces": self.index,
            "ListFaces": self.list_faces,
            "DeleteFaces": self.delete,
            "SearchFaces": self.search,
            "SearchFacesByImage": self.search_by_image,
            "DetectFaces": self.detect,
        }

    def end(self) -> None:
        """End the processes."""
        for worker in (self._search, self._finder):
            if worker is not None:
                worker.end()

    async def index(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Index.read(values)
        collection = self._collections.get(asked.collection_id)
        _check_quality(asked.quality_filter)
        _check_attributes("DetectionAttributes", asked.detection_attributes)
        image = await self._image(asked.image)
        found = [FoundFace(image)] if _holds_images(collection) else await self._found("IndexFaces", image)
        most = min(asked.max_faces, _MOST_FACES)
        image_id = str(uuid.uuid4())
        faces = [
            without_none(
                FaceId=str(uuid.uuid4()),
                BoundingBox=one.box,
                ImageId=image_id,
                ExternalImageId=asked.external_image_id,
                Confidence=one.confidence,
            )
            for one in found[:most]
        ]
        if faces:
            await self._add(collection, faces, [one.image for one in found])
        return {
            "FaceRecords": [
                {"Face": face, **({} if one.box is None else {"FaceDetail": one.detail})}
                for face, one in zip(faces, found, strict=False)
            ],
            "FaceModelVersion": self._collections.model_version,
            "UnindexedFaces": [{"Reasons": ["EXCEEDS_MAX_FACES"], "FaceDetail": one.detail} for one in found[most:]],
        }

    async def list_faces(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _List.read(values)
        if asked.user_id is not None:
            raise failure("InvalidParameterException", "collections have no users here: leave UserId out")
        faces = self._collections.faces(self._collections.get(asked.collection_id))
        wanted = faces if asked.face_ids is None else [one for one in dict.fromkeys(asked.face_ids) if one in faces]
        found, token = asked.page([faces[one] for one in wanted])
        return without_none(Faces=list(found), NextToken=token, FaceModelVersion=self._collections.model_version)

    async def delete(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Delete.read(values)
        collection = self._collections.get(asked.collection_id)
        faces = self._collections.faces(collection)
        gone = [one for one in dict.fromkeys(asked.face_ids) if one in faces]
        missing = [{"FaceId": one, "Reasons": ["FACE_NOT_FOUND"]} for one in asked.face_ids if one not in faces]
        await self._collections.remove(collection, [faces[one] for one in gone])
        return {"DeletedFaces": gone, "UnsuccessfulFaceDeletions": missing}

    async def search(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Search.read(values)
        collection = self._collections.get(asked.collection_id)
        face = self._collections.faces(collection).get(asked.face_id)
        if face is None:
            raise failure("InvalidParameterException", f"faceId {asked.face_id} was not found in the collection")
        matches = await self._matches("SearchFaces", collection, asked, None, name=json.dumps(face))
        return {"SearchedFaceId": asked.face_id, **matches}

    async def search_by_image(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _SearchByImage.read(values)
        collection = self._collections.get(asked.collection_id)
        _check_quality(asked.quality_filter)
        image = await self._image(asked.image)
        if _holds_images(collection):
            return await self._matches("SearchFacesByImage", collection, asked, image)
        found = await self._found("SearchFacesByImage", image)
        if not found:
            raise failure("InvalidParameterException", "There are no faces in the image. Should be at least 1.")
        matches = await self._matches("SearchFacesByImage", collection, asked, found[0].image)
        return {"SearchedFaceBoundingBox": found[0].box, "SearchedFaceConfidence": found[0].confidence, **matches}

    async def detect(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Detect.read(values)
        _check_attributes("Attributes", asked.attributes)
        found = await self._found("DetectFaces", await self._image(asked.image))
        return {"FaceDetails": [one.detail for one in found]}

    async def _image(self, image: RequestImage) -> str:
        return await asyncio.to_thread(image.base64_bytes, self._buckets, MOST_FACE_BYTES)

    async def _found(self, call: str, image: str) -> list[FoundFace]:
        """Return the faces in an image in base64, the largest first. Raises ServiceFailure."""
        if self._finder is None:
            raise failure(
                "InvalidParameterException",
                f"{call} needs a model that finds faces, and none is set: start vision aws serve with face_model=RUN,"
                " a detection model whose boxes are faces; whole images are indexed by IndexFaces in a collection that"
                f' was made with Tags={{"{HOLDS_TAG}": "{IMAGES}"}}',
            )
        return await self._finder.find(image)

    async def _add(self, collection: Resource, faces: Sequence[Face], images: Sequence[str]) -> None:
        """Put faces, with their images in base64, into the collection's index, all or none."""
        target = f"/indexes/{index_name(collection)}"
        items = [{"name": json.dumps(face), "bytes": image} for face, image in zip(faces, images, strict=False)]
        body = json.dumps({"images": items}).encode()
        if not (self._collections.folder / index_name(collection)).exists():
            await self._ask("IndexFaces", "PUT", target, b"")
        added = await self._ask("IndexFaces", "POST", f"{target}/images", body)
        if added["failed"]:
            raise failure("InvalidImageFormatException", added["failed"][0]["error"])
        self._collections.note(collection, faces)

    async def _matches(
        self, call: str, collection: Resource, asked: _Matching, image: str | None, **like: str
    ) -> dict[str, Any]:
        """Return the matches of an image in base64, or of the face that is named in the index."""
        query = urlencode({"top": asked.max_faces, "threshold": asked.face_match_threshold, **like})
        known, found = self._collections.faces(collection), []
        if known:
            target = f"/indexes/{index_name(collection)}/search?{query}"
            answer = await self._ask(call, "POST", target, base64.b64decode(image or ""))
            found = [(face_of(one["name"]), one["similarity"]) for one in answer["images"]]
        matches = [
            {"Similarity": similarity, "Face": face}
            for face, similarity in found
            if face is not None and face["FaceId"] in known
        ]
        return {"FaceMatches": matches, "FaceModelVersion": self._collections.model_version}

    async def _ask(self, call: str, method: str, target: str, body: bytes) -> dict[str, Any]:
        """Return the answer of the process that makes vectors and searches. Raises ServiceFailure."""
        if self._search is None:
            raise failure(
                "InvalidParameterException",
                f"{call} needs a network that makes vectors, and none is set: start vision aws serve with"
                " search_model=imagenet, timm:NAME, classical (which needs no weights) or a model",
            )
        headers = _JSON if body.startswith(b"{") else {}
        answer = await self._search.ask(method, target, headers, body)
        values: dict[str, Any] = json.loads(bytes(answer.body))
        if answer.status == 200 or (method == "PUT" and answer.status == 409):
            return values
        if answer.status == 400:
            raise failure("InvalidImageFormatException", values["error"])
        if answer.status == 409:
            raise failure("InvalidParameterException", values["error"])
        raise ServiceFailure(500, "InternalServerError", values["error"])


def _holds_images(collection: Resource) -> bool:
    return bool(collection.state["holds"] == IMAGES)


def _check_quality(wanted: Quality) -> None:
    if wanted not in ("NONE", "AUTO"):
        raise failure(
            "InvalidParameterException",
            f"QualityFilter is {wanted}, but the quality of faces is not measured here: give NONE or AUTO, which"
            " take every face that the model finds",
        )


def _check_attributes(name: str, wanted: list[str]) -> None:
    if set(wanted) - {"DEFAULT"}:
        raise failure(
            "InvalidParameterException",
            f"{name} asks for {', '.join(wanted)[:100]}, but boxes and confidences are all that is found here: leave it"
            " out",
        )
