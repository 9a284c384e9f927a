"""A stock boto3 client whose endpoint_url points at the server (contract section 8.1, ``InvokeEndpoint``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.contract.server_process import ServerProcess
from tests.serving.small_model import picture
from vision.api.model import load

IMAGE = picture(5)


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Any:
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(retries={"max_attempts": 0}, proxies={}),
    )


def test_invoke_endpoint(client: Any, model_folder: Path) -> None:
    answer = client.invoke_endpoint(EndpointName="birds", Body=IMAGE)
    (expected,) = load(model_folder).predict([IMAGE])
    assert json.loads(answer["Body"].read()) == pytest.approx(expected.probabilities.tolist(), abs=1e-5)
    assert answer["ContentType"] == "application/json"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


def test_headers_reach_the_model_and_come_back(client: Any) -> None:
    answer = client.invoke_endpoint(
        EndpointName="birds",
        Body=IMAGE,
        ContentType="application/x-image",
        Accept="application/jsonlines",
        CustomAttributes="trace=1",
        TargetVariant="blue",
    )
    assert answer["ContentType"] == "application/jsonlines"
    assert answer["CustomAttributes"] == "trace=1"
    assert answer["InvokedProductionVariant"] == "blue"
    assert set(json.loads(answer["Body"].read())) == {"prediction"}


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        ({"Body": b"no image"}, 400, "not an image"),
        ({"Body": IMAGE, "ContentType": "text/csv"}, 415, "Content-Type is 'text/csv'"),
        ({"Body": IMAGE, "Accept": "text/csv"}, 406, "Accept is 'text/csv'"),
        ({"Body": bytes(2 << 20)}, 413, "max_payload_mb"),
    ],
)
def test_what_the_model_refuses_is_a_model_error(
    client: Any, arguments: dict[str, Any], status: int, part: str
) -> None:
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(EndpointName="birds", **arguments)
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == status
    assert part in answer["OriginalMessage"]
    assert f"Received client error ({status}) from primary with message" in answer["Error"]["Message"]


@pytest.mark.parametrize("arguments", [{"EndpointName": "birds", "TargetModel": "a.tar.gz"}, {"EndpointName": "a..b"}])
def test_what_the_platform_refuses_is_a_validation_error(client: Any, arguments: dict[str, str]) -> None:
    with pytest.raises(ClientError) as caught:
        client.invoke_endpoint(Body=IMAGE, **arguments)
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
