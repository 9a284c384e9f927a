"""Operations of Rekognition on collections, and what each holds: faces, or whole images where its tags say so.

What a collection holds lies in an index, whose names are the JSON of the faces: one write keeps a face and its vector.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from starlette.requests import Request

from vision.aws.described import without_none
from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.rekognition.resources import COLLECTION, Name, Paged, Resources, failure
from vision.aws.request_shape import RequestShape
from vision.aws.workplace import Workplace
from vision.retrieval.image_index import INDEX_JSON, ImageIndex
from vision.settings.errors import UserError
from vision.settings.nearest import shown

log = logging.getLogger(__name__)

FACES, IMAGES = "faces", "images"
# The tag by which a client that makes a collection says what it holds.
HOLDS_TAG = "holds"
MOST_RESULTS = 4096

Face = Mapping[str, Any]
"""A structure Face of Rekognition; of a whole image it has no BoundingBox and no Confidence."""


class CollectionPage(Paged):
    """What calls on collections that answer in pages have in common; 0 results are as many as there may be."""

    max_results: Annotated[int, Field(ge=0, le=MOST_RESULTS), AfterValidator(lambda n: n or MOST_RESULTS)] = 1000


class CollectionCall(RequestShape):
    """A call on one collection."""

    collection_id: Name


class _Create(CollectionCall):
    tags: Annotated[dict[str, str], Field(max_length=200)] = Field(default_factory=dict)


class Collections:
    """Creates, describes, lists and deletes collections, and knows what they hold."""

    def __init__(self, workplace: Workplace, resources: Resources) -> None:
        self._resources = resources
        self._model = workplace.settings.search_model
        self.folder = workplace.own_folder / "collections"
        self._faces: dict[str, dict[str, Face]] = {}
        self.operations: dict[str, Operation] = {
            "CreateCollection": self.create,
            "DescribeCollection": self.describe,
            "ListCollections": self.list_names,
            "DeleteCollection": self.delete,
        }

    @property
    def model_version(self) -> str:
        """Return what answers say of the network: the last part of its name."""
        return "none" if self._model is None else Path(self._model).name

    def recover(self) -> None:
        """Read what collections hold, and finish the deletions of an earlier server."""
        collections = {index_name(one): one for one in self._resources.all(COLLECTION)}
        for folder in self.folder.glob("*"):
            if folder.name not in collections:
                shutil.rmtree(folder, ignore_errors=True)
        for name, collection in collections.items():
            self._faces[collection.name] = _read(self.folder / name)

    def get(self, name: str) -> Resource:
        """Return a collection. Raises ServiceFailure."""
        found = self._resources.find(COLLECTION, f"collection/{name}")
        if found is None:
            raise failure("ResourceNotFoundException", f"The collection id: {name} does not exist")
        return found

    def faces(self, collection: Resource) -> Mapping[str, Face]:
        """Return what a collection holds by face id, in the order in which it came."""
        return self._faces.get(collection.name, {})

    def note(self, collection: Resource, faces: Iterable[Face]) -> None:
        """Take over faces that are in the collection's index now."""
        if collection.name in self._faces:
            self._faces[collection.name] |= {face["FaceId"]: face for face in faces}

    async def remove(self, collection: Resource, faces: Iterable[Face]) -> None:
        """Remove faces from the collection's index."""
        names = [json.dumps(face) for face in faces]
        folder = self.folder / index_name(collection)
        if names:
            await asyncio.to_thread(lambda: ImageIndex.open(folder).remove(names))
        for face in faces:
            self._faces.get(collection.name, {}).pop(face["FaceId"], None)

    async def create(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = _Create.read(values)
        name, holds = f"collection/{asked.collection_id}", asked.tags.get(HOLDS_TAG, FACES)
        if holds not in (FACES, IMAGES):
            raise failure(
                "InvalidParameterException",
                f"tag {HOLDS_TAG} is {shown(holds)}, but {FACES} or {IMAGES} is what a collection holds",
            )
        state = {"number": self._resources.draw_number(), "holds": holds, "tags": asked.tags}
        try:
            collection = self._resources.add_named(COLLECTION, name, state)
        except ServiceFailure:
            sentence = f"The collection id: {asked.collection_id} already exists"
            raise failure("ResourceAlreadyExistsException", sentence) from None
        self._faces[collection.name] = {}
        arn = self._resources.arn(collection.name)
        return {"StatusCode": 200, "CollectionArn": arn, "FaceModelVersion": self.model_version}

    async def describe(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        collection = self.get(CollectionCall.read(values).collection_id)
        return {
            "FaceCount": len(self.faces(collection)),
            "FaceModelVersion": self.model_version,
            "CollectionARN": self._resources.arn(collection.name),
            "CreationTimestamp": collection.created_s,
            "UserCount": 0,
        }

    async def list_names(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        found, token = CollectionPage.read(values).page(
            sorted(one.name.removeprefix("collection/") for one in self._resources.all(COLLECTION))
        )
        versions = [self.model_version] * len(found)
        return without_none(CollectionIds=list(found), FaceModelVersions=versions, NextToken=token)

    async def delete(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        collection = self.get(CollectionCall.read(values).collection_id)
        self._resources.remove(collection)
        self._faces.pop(collection.name, None)
        await asyncio.to_thread(shutil.rmtree, self.folder / index_name(collection), ignore_errors=True)
        return {"StatusCode": 200}


def index_name(collection: Resource) -> str:
    """Return the name of a collection's index, which no other collection has had."""
    return str(collection.state["number"])


def face_of(name: str) -> Face | None:
    """Return the face that has this name in an index; None for an image that ``vision index`` has put there."""
    try:
        face = json.loads(name)
    except ValueError:
        return None
    return face if isinstance(face, dict) and isinstance(face.get("FaceId"), str) else None


def _read(folder: Path) -> dict[str, Face]:
    """Return the faces in an index, by id; none if there is no index yet."""
    if not (folder / INDEX_JSON).exists():
        return {}
    try:
        # Without the vectors, which may not fit into the memory.
        names, _ = ImageIndex.open(folder).stored_vectors()
    except UserError as error:
        log.error("vision: a collection cannot be read: %s", error)
        return {}
    faces = map(face_of, names)
    return {face["FaceId"]: face for face in faces if face is not None}
