"""Collections of Rekognition by a stock client: of whole images, and of faces that a face model finds."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from botocore.exceptions import ClientError

from tests.algorithms.object_detection.small_detector import small_plan
from tests.aws.endpoint import REGION, Clients, local_endpoint
from tests.aws.test_server_process import Server, wait_for_no_children
from tests.retrieval.pictures import picture, reencoded
from tests.serving.small_model import write_any_model, write_model
from vision.retrieval.image_index import ImageIndex, IndexEntries

pytestmark = pytest.mark.timeout(600)

NO_FACE = "00000000-0000-0000-0000-000000000000"
OF_IMAGES = {"holds": "images"}


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("search") / "model")


@pytest.fixture(scope="module")
def clients(model: Path, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """A server with a network for vectors and, for faces, a detector of anything."""
    plan = small_plan().model_dump(mode="json")
    detector = write_any_model(tmp_path_factory.mktemp("faces") / "model", "object_detection", {}, plan)
    with local_endpoint(root, search_model=str(model), face_model=str(detector)) as clients:
        clients.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        for seed in range(4):
            clients.s3.put_object(Bucket="bucket", Key=f"{seed}.png", Body=png(picture(seed)))
        yield clients


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """A server without models."""
    with local_endpoint(tmp_path_factory.mktemp("bare")) as clients:
        yield clients


def in_bucket(seed: int) -> dict[str, Any]:
    return {"S3Object": {"Bucket": "bucket", "Name": f"{seed}.png"}}


def refused(call: Any, **values: Any) -> tuple[str, str]:
    """Return the code and the sentence of the error of a call."""
    with pytest.raises(ClientError) as error:
        call(**values)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_collections_come_and_go(bare: Clients) -> None:
    rekognition = bare.rekognition
    made = rekognition.create_collection(CollectionId="my.first-1", Tags={"team": "birds"})
    arn = f"arn:aws:rekognition:{REGION}:123456789012:collection/my.first-1"
    assert (made["StatusCode"], made["CollectionArn"], made["FaceModelVersion"]) == (200, arn, "none")
    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"team": "birds"}
    rekognition.tag_resource(ResourceArn=arn, Tags={"more": "1"})
    rekognition.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"more": "1"}
    described = rekognition.describe_collection(CollectionId="my.first-1")
    assert (described["FaceCount"], described["UserCount"], described["CollectionARN"]) == (0, 0, arn)
    assert described["CreationTimestamp"].year > 2000
    for name in ("b", "a"):
        rekognition.create_collection(CollectionId=name)
    pages = list(rekognition.get_paginator("list_collections").paginate(PaginationConfig={"PageSize": 2}))
    assert [page["CollectionIds"] for page in pages] == [["a", "b"], ["my.first-1"]]
    assert [len(page["FaceModelVersions"]) for page in pages] == [2, 1]
    assert rekognition.list_faces(CollectionId="a")["Faces"] == []
    for name in ("b", "a", "my.first-1"):
        assert rekognition.delete_collection(CollectionId=name)["StatusCode"] == 200
    assert rekognition.list_collections()["CollectionIds"] == []


@pytest.mark.parametrize(
    ("operation", "values", "code", "part"),
    [
        ("create_collection", {"CollectionId": "taken"}, "ResourceAlreadyExistsException", "taken already exists"),
        ("create_collection", {"CollectionId": "a/b"}, "ValidationException", "regular expression pattern"),
        (
            "create_collection",
            {"CollectionId": "x", "Tags": {"holds": "cars"}},
            "InvalidParameterException",
            "tag holds is 'cars', but faces or images",
        ),
        ("describe_collection", {"CollectionId": "no"}, "ResourceNotFoundException", "id: no does not exist"),
        ("delete_collection", {"CollectionId": "no"}, "ResourceNotFoundException", "id: no does not exist"),
        ("list_faces", {"CollectionId": "no"}, "ResourceNotFoundException", "id: no does not exist"),
        ("list_faces", {"CollectionId": "taken", "UserId": "u"}, "InvalidParameterException", "leave UserId out"),
        ("list_faces", {"CollectionId": "taken", "NextToken": "x"}, "InvalidPaginationTokenException", "NextToken"),
        ("search_faces", {"CollectionId": "taken", "FaceId": NO_FACE}, "InvalidParameterException", "was not found"),
        ("search_faces", {"CollectionId": "taken", "FaceId": "x"}, "ValidationException", "pattern"),
        (
            "index_faces",
            {"CollectionId": "taken", "QualityFilter": "HIGH"},
            "InvalidParameterException",
            "QualityFilter is HIGH",
        ),
        ("index_faces", {"CollectionId": "taken", "DetectionAttributes": ["ALL"]}, "InvalidParameterException", "ALL"),
        ("index_faces", {"CollectionId": "taken", "ExternalImageId": "a b"}, "ValidationException", "pattern"),
        (
            "index_faces",
            {"CollectionId": "taken"},
            "InvalidParameterException",
            "serve with face_model=RUN",
        ),
        ("index_faces", {"CollectionId": "taken"}, "InvalidParameterException", 'Tags={"holds": "images"}'),
        ("index_faces", {"CollectionId": "images"}, "InvalidParameterException", "with search_model=imagenet"),
        ("search_faces_by_image", {"CollectionId": "taken"}, "InvalidParameterException", "finds faces"),
        ("detect_faces", {}, "InvalidParameterException", "DetectFaces needs a model that finds faces"),
        ("compare_faces", {"SourceImage": {}, "TargetImage": {}}, "UnknownOperationException", "not answered here"),
    ],
)
def test_refusals_are_sentences(bare: Clients, operation: str, values: dict[str, Any], code: str, part: str) -> None:
    rekognition = bare.rekognition
    if "taken" not in rekognition.list_collections()["CollectionIds"]:
        rekognition.create_collection(CollectionId="taken")
        rekognition.create_collection(CollectionId="images", Tags=OF_IMAGES)
    if operation in ("index_faces", "search_faces_by_image", "detect_faces"):
        values = {"Image": {"Bytes": png(picture(0))}, **values}
    found, sentence = refused(getattr(rekognition, operation), **values)
    assert (found, part in sentence) == (code, True), sentence


def test_whole_images(clients: Clients) -> None:
    rekognition = clients.rekognition
    name = {"CollectionId": "photos"}
    rekognition.create_collection(**name, Tags=OF_IMAGES)
    query = {"Bytes": png(reencoded(picture(2)))}
    assert rekognition.search_faces_by_image(**name, Image=query)["FaceMatches"] == []
    faces = {}
    for seed in range(4):
        answer = rekognition.index_faces(**name, Image=in_bucket(seed), ExternalImageId=f"photo:{seed}")
        (record,) = answer["FaceRecords"]
        # Nothing is said of a face.
        assert set(record["Face"]) == {"FaceId", "ImageId", "ExternalImageId"}
        assert ("FaceDetail" in record, answer["UnindexedFaces"]) == (False, [])
        faces[record["Face"]["ExternalImageId"]] = record["Face"]
    found = rekognition.search_faces_by_image(**name, Image=query, FaceMatchThreshold=0, MaxFaces=2)
    assert "SearchedFaceBoundingBox" not in found
    first, second = found["FaceMatches"]
    assert first["Face"] == faces["photo:2"]
    assert 100 >= first["Similarity"] > second["Similarity"] >= 0
    least = {"FaceMatchThreshold": (first["Similarity"] + second["Similarity"]) / 2}
    assert len(rekognition.search_faces_by_image(**name, Image=query, **least)["FaceMatches"]) == 1
    like = rekognition.search_faces(**name, FaceId=faces["photo:1"]["FaceId"], FaceMatchThreshold=0)
    assert {one["Face"]["ExternalImageId"] for one in like["FaceMatches"]} == {"photo:0", "photo:2", "photo:3"}

    pages = list(rekognition.get_paginator("list_faces").paginate(**name, PaginationConfig={"PageSize": 3}))
    assert [[face["ExternalImageId"][-1] for face in page["Faces"]] for page in pages] == [["0", "1", "2"], ["3"]]
    gone = faces["photo:2"]["FaceId"]
    deleted = rekognition.delete_faces(**name, FaceIds=[gone, NO_FACE])
    assert deleted["DeletedFaces"] == [gone]
    assert deleted["UnsuccessfulFaceDeletions"] == [{"FaceId": NO_FACE, "Reasons": ["FACE_NOT_FOUND"]}]
    assert rekognition.list_faces(**name, FaceIds=[gone, faces["photo:0"]["FaceId"]])["Faces"] == [faces["photo:0"]]
    assert rekognition.describe_collection(**name)["FaceCount"] == 3
    left = rekognition.search_faces_by_image(**name, Image=query, FaceMatchThreshold=0)["FaceMatches"]
    assert faces["photo:2"] not in [one["Face"] for one in left]
    assert len(left) == 3
    code, sentence = refused(rekognition.index_faces, **name, Image={"Bytes": png(picture(0))[:500]})
    assert (code, bool(sentence)) == ("InvalidImageFormatException", True)
    rekognition.delete_collection(**name)
    rekognition.create_collection(**name)
    assert rekognition.describe_collection(**name)["FaceCount"] == 0


def test_faces_of_a_face_model(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    rekognition = clients.rekognition
    name = {"CollectionId": "people"}
    rekognition.create_collection(**name)
    detected = rekognition.detect_faces(Image=in_bucket(0))["FaceDetails"]
    answer = rekognition.index_faces(**name, Image=in_bucket(0), ExternalImageId="a", MaxFaces=2)
    records, rest = answer["FaceRecords"], answer["UnindexedFaces"]
    details = [one["FaceDetail"] for one in [*records, *rest]]
    assert details == detected
    areas = [one["BoundingBox"]["Width"] * one["BoundingBox"]["Height"] for one in details]
    assert areas == sorted(areas, reverse=True)
    assert len(records) == min(2, len(detected)) > 0
    assert all(one["Reasons"] == ["EXCEEDS_MAX_FACES"] for one in rest)
    (image_id,) = {one["Face"]["ImageId"] for one in records}
    assert image_id
    found = rekognition.search_faces_by_image(**name, Image=in_bucket(0))
    assert found["SearchedFaceBoundingBox"] == detected[0]["BoundingBox"]
    assert found["SearchedFaceConfidence"] == detected[0]["Confidence"]
    assert found["FaceMatches"][0]["Face"] in [one["Face"] for one in records]
    assert found["FaceMatches"][0]["Similarity"] == pytest.approx(100, abs=0.05)


def test_a_killed_server_keeps_every_face_that_it_answered_for(model: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    server = Server(root, ("vision", "aws", "serve"), f"search_model={model}")
    rekognition = server.clients.rekognition
    for name in ("photos", "gone"):
        rekognition.create_collection(CollectionId=name, Tags=OF_IMAGES)
        rekognition.index_faces(CollectionId=name, Image={"Bytes": png(picture(9))}, ExternalImageId="first")
    rekognition.delete_collection(CollectionId="gone")
    answered = ["first"]
    for seed in range(5):
        rekognition.index_faces(
            CollectionId="photos", Image={"Bytes": png(picture(seed))}, ExternalImageId=f"photo-{seed}"
        )
        answered.append(f"photo-{seed}")
    # What a killed server leaves of a collection that it was deleting.
    (root / ".vision/collections/99").mkdir()
    server.end(signal.SIGKILL)
    wait_for_no_children(root)
    # What vision index puts into the folder is no face.
    (index,) = (ImageIndex.open(folder.parent) for folder in (root / ".vision/collections").glob("*/index.json"))
    vectors = np.full((2, index.description.dimension), 0.1, np.float16)
    index.add(IndexEntries(("photo.jpg", "[1]"), np.zeros((2, 32), np.uint8), vectors))

    server = Server(root, ("vision", "aws", "serve"), f"search_model={model}")
    rekognition = server.clients.rekognition
    assert rekognition.list_collections()["CollectionIds"] == ["photos"]
    faces = rekognition.list_faces(CollectionId="photos")["Faces"]
    assert [face["ExternalImageId"] for face in faces] == answered
    query = {"Image": {"Bytes": png(picture(3))}, "FaceMatchThreshold": 0}
    matches = rekognition.search_faces_by_image(CollectionId="photos", **query)["FaceMatches"]
    assert matches[0]["Face"] == faces[answered.index("photo-3")]
    assert len(matches) == len(faces)
    (folder,) = (root / ".vision/collections").iterdir()
    assert json.loads((folder / "index.json").read_text())["model"] == str(model)
    assert server.end() == 0
