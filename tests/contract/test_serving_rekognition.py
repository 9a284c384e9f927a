"""A stock boto3 Rekognition client whose endpoint_url points at the server (contract section 10.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.contract.in_process_client import rekognition
from tests.contract.server_process import ServerProcess
from tests.serving.small_model import NAMES, picture
from vision.api.model import load

IMAGE = picture(5)
ARN = "arn:aws:rekognition:us-east-1:123456789012:project/birds/version/birds.2026-01-01T00.00.00/1577836800000"


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Any:
    return rekognition(f"http://127.0.0.1:{server.port}")


def detect(client: Any, **arguments: Any) -> list[dict[str, Any]]:
    given = {"ProjectVersionArn": ARN, "Image": {"Bytes": IMAGE}, **arguments}
    return client.detect_custom_labels(**given)["CustomLabels"]


def test_labels_of_a_classifier(client: Any, model_folder: Path) -> None:
    (expected,) = load(model_folder).predict([IMAGE])
    found = detect(client, MinConfidence=0)
    assert {label["Name"] for label in found} == set(NAMES)
    for label in found:
        assert set(label) == {"Name", "Confidence"}
        probability = expected.probabilities[NAMES.index(label["Name"])]
        assert label["Confidence"] == pytest.approx(100 * probability, abs=1e-3)
    confidences = [label["Confidence"] for label in found]
    assert confidences == sorted(confidences, reverse=True)
    assert detect(client, MinConfidence=0, MaxResults=2) == found[:2]
    assert detect(client, MinConfidence=0, MaxResults=0) == []
    # A model without thresholds of its own answers from one half.
    assert detect(client) == [label for label in found if label["Confidence"] >= 50]


@pytest.mark.parametrize(
    ("arguments", "kind", "part"),
    [
        ({"Image": {"Bytes": b"no image"}}, "InvalidImageFormatException", "not an image"),
        ({"Image": {"Bytes": IMAGE[:-40]}}, "InvalidImageFormatException", "cut off"),
        ({"Image": {"Bytes": bytes(2 << 20)}}, "ImageTooLargeException", "max_payload_mb"),
        ({"Image": {"S3Object": {"Bucket": "photos", "Name": "k"}}}, "InvalidS3ObjectException", "Image.Bytes"),
        ({"MinConfidence": 101}, "InvalidParameterException", "MinConfidence is 101"),
    ],
)
def test_errors_by_name(client: Any, arguments: dict[str, Any], kind: str, part: str) -> None:
    with pytest.raises(getattr(client.exceptions, kind)) as caught:
        detect(client, **arguments)
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (kind, 400)
    assert part in answer["Error"]["Message"]
    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


def test_other_calls_of_rekognition_are_unknown(client: Any) -> None:
    with pytest.raises(ClientError) as caught:
        client.detect_labels(Image={"Bytes": IMAGE})
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    assert "RekognitionService.DetectCustomLabels is answered here" in caught.value.response["Error"]["Message"]


def test_the_servers_counts_know_it(server: ServerProcess, client: Any) -> None:
    detect(client)
    assert b'route="custom_labels"' in server.request("GET", "/metrics")[1]
