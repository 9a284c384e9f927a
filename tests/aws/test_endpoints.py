"""Endpoints by stock clients: variants with weights, captured calls, updates under load, and many models in one."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.aws.endpoint import ROLE, Clients, local_endpoint
from tests.serving.small_model import picture, write_model
from vision.artifacts.archive import pack_archive
from vision.aws.sagemaker import live_endpoints

pytestmark = pytest.mark.timeout(600)

IMAGE = "813361260812.dkr.ecr.eu-central-1.amazonaws.com/image-classification:1"
# Seeds of models that take the same photo for different classes.
MODELS = {"first": 0, "second": 2}
PHOTO = {"Body": picture(1), "ContentType": "image/jpeg"}
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://bucket/captured/",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("aws")
    (root / "bucket/models").mkdir(parents=True)
    for name, seed in MODELS.items():
        folder = write_model(tmp_path_factory.mktemp(name), seed)
        files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
        pack_archive(folder, files, root / f"bucket/models/{name}.tar.gz")
    return root


@pytest.fixture(scope="module")
def clients(root: Path) -> Iterator[Clients]:
    with local_endpoint(root) as clients:
        for name in MODELS:
            container = {"Image": IMAGE, "ModelDataUrl": f"s3://bucket/models/{name}.tar.gz"}
            clients.sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
        yield clients


def configure(clients: Clients, name: str, models: dict[str, float], **more: Any) -> None:
    """Make an endpoint configuration with a variant for each model, which has the model's name, and its weight."""
    variants = [
        {"VariantName": model, "ModelName": model, "InitialInstanceCount": 1, "InitialVariantWeight": weight}
        for model, weight in models.items()
    ]
    clients.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants, **more)


def ask(clients: Clients, endpoint: str, **more: Any) -> tuple[str, Any]:
    """Return the variant that answered, and its answer."""
    answer = clients.sagemaker_runtime.invoke_endpoint(EndpointName=endpoint, **PHOTO, **more)
    return answer["InvokedProductionVariant"], json.loads(answer["Body"].read())


def wait_until_in_service(clients: Clients, endpoint: str) -> None:
    waiter = clients.sagemaker.get_waiter("endpoint_in_service")
    waiter.wait(EndpointName=endpoint, WaiterConfig={"Delay": 1})


def test_variants_share_the_calls_by_weight_and_calls_are_captured(clients: Clients, root: Path) -> None:
    configure(clients, "both", {"first": 1.0, "second": 0.0}, DataCaptureConfig=CAPTURE)
    clients.sagemaker.create_endpoint(EndpointName="shared", EndpointConfigName="both")
    wait_until_in_service(clients, "shared")
    found = clients.sagemaker.describe_endpoint(EndpointName="shared")
    assert [(one["VariantName"], one["CurrentWeight"]) for one in found["ProductionVariants"]] == [
        ("first", 1.0),
        ("second", 0.0),
    ]
    assert found["DataCaptureConfig"]["CaptureStatus"] == "Started"
    answers = [ask(clients, "shared") for _ in range(5)]
    assert {variant for variant, _ in answers} == {"first"}
    variant, other = ask(clients, "shared", TargetVariant="second")
    assert (variant, other != answers[0][1]) == ("second", True)
    with pytest.raises(ClientError, match="'third' is none of this endpoint"):
        ask(clients, "shared", TargetVariant="third")
    weights = [{"VariantName": "first", "DesiredWeight": 0.0}, {"VariantName": "second", "DesiredWeight": 2.0}]
    clients.sagemaker.update_endpoint_weights_and_capacities(EndpointName="shared", DesiredWeightsAndCapacities=weights)
    assert {ask(clients, "shared")[0] for _ in range(5)} == {"second"}

    # Deleting an endpoint writes what waits.
    clients.sagemaker.delete_endpoint(EndpointName="shared")
    until = time.monotonic() + 60
    while len(lines := captured(root)) < 11:
        assert time.monotonic() < until, lines
        time.sleep(0.1)
    assert [line["captureData"]["endpointOutput"]["data"] for line in lines].count(json.dumps(other)) == 6
    line = lines[0]
    assert line["eventVersion"] == "0"
    assert line["captureData"]["endpointInput"] == {
        "observedContentType": "image/jpeg",
        "mode": "INPUT",
        "data": base64.b64encode(picture(1)).decode(),
        "encoding": "BASE64",
    }
    output = line["captureData"]["endpointOutput"]
    assert (output["mode"], output["encoding"], output["observedContentType"]) == ("OUTPUT", "JSON", "application/json")
    assert len(json.loads(output["data"])) == 3


def captured(root: Path) -> list[Any]:
    hours = "[0-9]" * 2
    paths = (root / "bucket/captured/shared").glob(f"*/[0-9]*/{hours}/{hours}/{hours}/*.jsonl")
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_an_update_loses_no_call(clients: Clients) -> None:
    for name in MODELS:
        configure(clients, f"only-{name}", {name: 1.0})
    clients.sagemaker.create_endpoint(EndpointName="updated", EndpointConfigName="only-first")
    wait_until_in_service(clients, "updated")
    # Clients of boto3 are made one by one.
    runtimes = [Clients(clients.address) for _ in range(3)]
    variants: list[str] = []
    errors: list[Exception] = []
    is_over = threading.Event()

    def call(own: Clients) -> None:
        while not is_over.is_set():
            try:
                variants.append(ask(own, "updated")[0])
            except Exception as error:
                errors.append(error)

    for own in runtimes:
        own.sagemaker_runtime  # noqa: B018
    threads = [threading.Thread(target=call, args=[own]) for own in runtimes]
    for thread in threads:
        thread.start()
    clients.sagemaker.update_endpoint(EndpointName="updated", EndpointConfigName="only-second")
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        clients.sagemaker.update_endpoint(EndpointName="updated", EndpointConfigName="only-first")
    while "second" not in variants:
        time.sleep(0.05)
    count = len(variants)
    while len(variants) < count + 50:
        time.sleep(0.05)
    is_over.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert set(variants) == {"first", "second"}
    assert variants[-1] == "second"
    assert clients.sagemaker.describe_endpoint(EndpointName="updated")["EndpointConfigName"] == "only-second"
    clients.sagemaker.delete_endpoint(EndpointName="updated")


def test_a_call_names_one_of_many_models_and_bodies_take_bounded_memory(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": "s3://bucket/models/"}
    clients.sagemaker.create_model(ModelName="many", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    configure(clients, "many", {"many": 1.0})
    clients.sagemaker.create_endpoint(EndpointName="many", EndpointConfigName="many")
    wait_until_in_service(clients, "many")
    first, second = (ask(clients, "many", TargetModel=f"{name}.tar.gz")[1] for name in MODELS)
    assert first != second
    with pytest.raises(ClientError, match="does not exist"):
        ask(clients, "many", TargetModel="third.tar.gz")
    with pytest.raises(ClientError, match="TargetModel is missing"):
        ask(clients, "many")
    size = len(picture(1))
    monkeypatch.setattr(live_endpoints, "_MOST_HELD_BYTES", 4 * size)
    with pytest.raises(ClientError, match="take too much memory"):
        clients.sagemaker_runtime.invoke_endpoint(EndpointName="many", Body=bytes(5 * size))
    # Bodies that were refused or answered are not counted any more.
    for _ in range(10):
        assert ask(clients, "many", TargetModel="first.tar.gz")[1] == first
    clients.sagemaker.delete_endpoint(EndpointName="many")


@pytest.mark.parametrize(
    ("models", "more", "words"),
    [
        ({"first": 0.0, "second": 0.0}, {}, ["InitialVariantWeight is 0"]),
        ({"first": 1.0, "third": 1.0}, {}, ["Could not find model 'third'"]),
        (
            {"third": 1.0},
            {"DataCaptureConfig": {**CAPTURE, "DestinationS3Uri": "s3://none/x"}},
            ["2 validation errors", "third", "DestinationS3Uri is s3://none/x"],
        ),
    ],
)
def test_configurations_that_cannot_be(
    clients: Clients, models: dict[str, float], more: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ClientError) as error:
        configure(clients, "impossible", models, **more)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert all(word in str(error.value) for word in words), str(error.value)
    listed = clients.sagemaker.list_endpoint_configs(NameContains="impossible")
    assert listed["EndpointConfigs"] == []
