"""The calls of AWS's sample notebooks for boto3 alone, in their order, with their waiters as they are.

Image-classification-fulltraining, sm-object_detection_birds and semantic_segmentation_pascalvoc, on small data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.algorithms.mask_images import write_mask_images
from tests.algorithms.object_detection.small_detector import write_scenes
from tests.api.conftest import write_records
from tests.aws.endpoint import ROLE, Clients

pytestmark = pytest.mark.timeout(900)

CPU = {"run.device": "cpu", "run.workers": "0", "run.report": "false"}


@dataclass(frozen=True)
class Notebook:
    """What a notebook trains on: ``write`` makes the data and returns paths by the ends of their channels' names."""

    image: str
    content_type: str
    write: Callable[[Path], Mapping[str, Path]]
    hyperparameters: Mapping[str, str]
    said: str
    """What it looks for in the log."""
    accept: str
    check: Callable[[bytes], bool]


def is_mask(answer: bytes) -> bool:
    mask = np.asarray(Image.open(BytesIO(answer)))
    return mask.shape == (40, 32) and set(np.unique(mask)) <= {0, 1}


NOTEBOOKS = {
    "classification": Notebook(
        "813361260812.dkr.ecr.eu-central-1.amazonaws.com/image-classification:1",
        "application/x-recordio",
        lambda folder: {"": write_records(folder / "data.rec", 8, seed=0)},
        {
            "image_shape": "3,16,16",
            "num_layers": "20",
            "num_training_samples": "8",
            "num_classes": "3",
            "mini_batch_size": "4",
            "epochs": "2",
            "learning_rate": "0.01",
        },
        "Validation-accuracy=",
        "application/json",
        lambda answer: abs(sum(json.loads(answer)) - 1) < 1e-4,
    ),
    "detection": Notebook(
        "813361260812.dkr.ecr.eu-central-1.amazonaws.com/object-detection:1",
        "application/x-recordio",
        lambda folder: {"": write_scenes(folder / "data.rec", 2, seed=0)},
        {
            "base_network": "resnet-18",
            "use_pretrained_model": "0",
            "num_classes": "2",
            "mini_batch_size": "2",
            "epochs": "1",
            "learning_rate": "0.001",
            "optimizer": "sgd",
            "image_shape": "300",
            "num_training_samples": "2",
        },
        "validation mAP <score>=(",
        "application/json",
        lambda answer: all(len(box) == 6 for box in json.loads(answer)["prediction"]),
    ),
    "segmentation": Notebook(
        "813361260812.dkr.ecr.eu-central-1.amazonaws.com/semantic-segmentation:1",
        "image/jpeg",
        lambda folder: {
            end: Path(path) for end, path in write_mask_images(folder, 4, (32, 40), (14, 16), (4, 12)).items()
        },
        {
            "backbone": "resnet-18",
            "algorithm": "fcn",
            "use_pretrained_model": "False",
            "crop_size": "32",
            "base_size": "32",
            "num_classes": "2",
            "epochs": "1",
            "learning_rate": "0.0001",
            "mini_batch_size": "4",
            "num_training_samples": "4",
        },
        "validation mIOU",
        "image/png",
        is_mask,
    ),
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_calls_of_a_sample_notebook(name: str, clients: Clients, tmp_path: Path) -> None:
    notebook, bucket = NOTEBOOKS[name], "bucket"
    channels = []
    for end, path in notebook.write(tmp_path).items():
        for start in ("train", "validation"):
            files = [path] if path.is_file() else sorted(path.iterdir())
            for file in files:
                clients.s3.upload_file(str(file), bucket, f"{name}/{start}{end}/{file.name}")
            source = {
                "S3DataType": "S3Prefix",
                "S3Uri": f"s3://{bucket}/{name}/{start}{end}/",
                "S3DataDistributionType": "FullyReplicated",
            }
            content_type = "image/png" if end else notebook.content_type
            channels.append(
                {
                    "ChannelName": f"{start}{end}",
                    "DataSource": {"S3DataSource": source},
                    "ContentType": content_type,
                    "CompressionType": "None",
                }
            )

    sagemaker = clients.sagemaker
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": notebook.image, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": f"s3://{bucket}/{name}/output"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.p2.xlarge", "VolumeSizeInGB": 50},
        HyperParameters={**notebook.hyperparameters, **CPU},
        StoppingCondition={"MaxRuntimeInSeconds": 360000},
        InputDataConfig=channels,
    )
    sagemaker.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name)
    job = sagemaker.describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Completed", job["FailureReason"]
    group = "/aws/sagemaker/TrainingJobs"
    stream = clients.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)["logStreams"][0]
    events = clients.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    assert any(notebook.said in event["message"] for event in events)

    container = {"Image": notebook.image, "ModelDataUrl": job["ModelArtifacts"]["S3ModelArtifacts"]}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {
        "InstanceType": "ml.m4.xlarge",
        "InitialInstanceCount": 1,
        "ModelName": name,
        "VariantName": "AllTraffic",
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=name)
    photo = cv2.imencode(".jpg", np.full((40, 32, 3), 90, np.uint8))[1].tobytes()
    answer = clients.sagemaker_runtime.invoke_endpoint(
        EndpointName=name, ContentType="image/jpeg", Accept=notebook.accept, Body=photo
    )
    assert notebook.check(answer["Body"].read())
    sagemaker.delete_endpoint(EndpointName=name)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=name)
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    sagemaker.delete_model(ModelName=name)
