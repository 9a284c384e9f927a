"""Prints the calls that use an image on the platform: SDK version 2 and 3, and boto3.

``python -m vision.sagemaker.sdk_calls image-classification ACCOUNT.dkr.ecr.REGION.amazonaws.com/vision:latest``
"""

from __future__ import annotations

import json
import mimetypes
import sys
from collections.abc import Sequence

from vision import algorithms
from vision.algorithms.facts import AlgorithmFacts
from vision.settings.errors import UserError
from vision.settings.hyperparameters import Hyperparameters, Tunable

_VERSION_3 = """\
# SageMaker Python SDK, version 3
from sagemaker.core.shapes import MetricDefinition
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData

trainer = ModelTrainer(
    training_image=image_uri, role=role, hyperparameters=hyperparameters,
    compute=Compute(instance_type="ml.g5.xlarge", instance_count=1),
).with_metric_definitions([MetricDefinition(name=one["Name"], regex=one["Regex"]) for one in metric_definitions])
trainer.train(input_data_config=[
    InputData(channel_name=name, data_source=f"s3://YOUR_BUCKET/{name}/", content_type=content_type)
    for name, content_type in content_types.items()
])"""


def main(argv: Sequence[str]) -> int:
    """Print the calls for an algorithm and an image and return the exit status."""
    if len(argv) != 2:
        print("usage: python -m vision.sagemaker.sdk_calls ALGORITHM IMAGE_URI", file=sys.stderr)
        return 2
    try:
        name = algorithms.full_name(argv[0])
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(sdk_calls(name, argv[1]))
    return 0


def sdk_calls(algorithm: str, image: str) -> str:
    """Return Python source for people to copy, with placeholders in capitals."""
    facts = algorithms.facts_of(algorithm)
    table, objective = facts.hyperparameters, facts.objective.sagemaker
    metrics = [{"Name": one.name, "Regex": one.regex} for one in facts.metric_definitions]
    required = {row.name: f"YOUR_{row.name.upper()}" for row in table.rows() if row.required}
    parts = (
        _setup(image, metrics, required, _content_types(facts)),
        _version_2(objective, table),
        _VERSION_3,
        _boto3(objective, table),
    )
    return "\n\n".join(parts)


def _content_types(facts: AlgorithmFacts) -> dict[str, str]:
    """Return the content type of each channel that jobs on files need, by its name."""
    required = [one for one in facts.channels if one.required or (facts.labels_are_images and one.label_suffixes)]
    # Records hold their labels; where the labels are files, the images are files too.
    images = "application/x-image" if any(one.label_suffixes for one in required) else "application/x-recordio"
    types = {}
    for channel in required:
        of_labels = mimetypes.guess_type(f"label{channel.label_suffixes[0]}")[0] if channel.label_suffixes else None
        types[channel.name] = of_labels or images
    return types


def _setup(image: str, metrics: list[dict[str, str]], required: dict[str, str], content_types: dict[str, str]) -> str:
    return f"""\
image_uri = {image!r}
role = "YOUR_ROLE_ARN"
hyperparameters = {json.dumps(required, indent=4)}
metric_definitions = {_python(metrics)}
content_types = {_python(content_types)}"""


def _version_2(objective: str, table: type[Hyperparameters]) -> str:
    ranges = "\n".join(f"    {row.name!r}: {_range(row.tunable)}," for row in table.rows() if row.tunable)
    return f"""\
# SageMaker Python SDK, version 2
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.tuner import CategoricalParameter, ContinuousParameter, HyperparameterTuner, IntegerParameter

estimator = Estimator(
    image_uri, role, instance_count=1, instance_type="ml.g5.xlarge", output_path="s3://YOUR_BUCKET/output",
    hyperparameters=hyperparameters, metric_definitions=metric_definitions,
    checkpoint_s3_uri="s3://YOUR_BUCKET/checkpoints", use_spot_instances=True, max_run=86400, max_wait=172800,
)
channels = {{
    name: TrainingInput(f"s3://YOUR_BUCKET/{{name}}/", content_type=content_type)
    for name, content_type in content_types.items()
}}
estimator.fit(channels)
predictor = estimator.deploy(1, "ml.g5.xlarge")

hyperparameter_ranges = {{
{ranges}
}}
tuner = HyperparameterTuner(
    estimator, {objective!r}, hyperparameter_ranges, metric_definitions, max_jobs=20, max_parallel_jobs=2
)
tuner.fit(channels)"""


def _boto3(objective: str, table: type[Hyperparameters]) -> str:
    ranges = _python(_request_ranges(table))
    return f"""\
# boto3
import boto3

definition = dict(
    AlgorithmSpecification=dict(
        TrainingImage=image_uri, TrainingInputMode="File", MetricDefinitions=metric_definitions,
    ),
    RoleArn=role,
    InputDataConfig=[
        dict(
            ChannelName=name, ContentType=content_type,
            DataSource=dict(S3DataSource=dict(
                S3DataType="S3Prefix", S3Uri=f"s3://YOUR_BUCKET/{{name}}/", S3DataDistributionType="FullyReplicated",
            )),
        )
        for name, content_type in content_types.items()
    ],
    OutputDataConfig=dict(S3OutputPath="s3://YOUR_BUCKET/output"),
    CheckpointConfig=dict(S3Uri="s3://YOUR_BUCKET/checkpoints"),
    ResourceConfig=dict(InstanceType="ml.g5.xlarge", InstanceCount=1, VolumeSizeInGB=50),
    StoppingCondition=dict(MaxRuntimeInSeconds=86400),
)
client = boto3.client("sagemaker")
client.create_training_job(TrainingJobName="YOUR-JOB", HyperParameters=hyperparameters, **definition)

parameter_ranges = {ranges}
client.create_hyper_parameter_tuning_job(
    HyperParameterTuningJobName="YOUR-TUNING-JOB",
    HyperParameterTuningJobConfig=dict(
        Strategy="Bayesian", ParameterRanges=parameter_ranges,
        HyperParameterTuningJobObjective=dict(Type="Maximize", MetricName={objective!r}),
        ResourceLimits=dict(MaxNumberOfTrainingJobs=20, MaxParallelTrainingJobs=2),
    ),
    TrainingJobDefinition=dict(StaticHyperParameters=hyperparameters, **definition),
)"""


def _range(tunable: Tunable | None) -> str:
    assert tunable is not None
    if tunable.kind == "categorical":
        return f"CategoricalParameter({list(tunable.choices)!r})"
    kind = "IntegerParameter" if tunable.kind == "integer" else "ContinuousParameter"
    scale = ', scaling_type="Logarithmic"' if tunable.scale == "log" else ""
    return f"{kind}({tunable.low!r}, {tunable.high!r}{scale})"


def _request_ranges(table: type[Hyperparameters]) -> dict[str, list[dict[str, object]]]:
    """Return the request's ParameterRanges, whose numbers are strings."""
    ranges: dict[str, list[dict[str, object]]] = {}
    for row in table.rows():
        tunable = row.tunable
        if tunable is None:
            continue
        entry: dict[str, object] = {"Name": row.name}
        if tunable.kind == "categorical":
            entry["Values"] = list(tunable.choices)
        else:
            scaling = "Logarithmic" if tunable.scale == "log" else "Linear"
            entry |= {"MinValue": str(tunable.low), "MaxValue": str(tunable.high), "ScalingType": scaling}
        ranges.setdefault(f"{tunable.kind.capitalize()}ParameterRanges", []).append(entry)
    return ranges


def _python(value: object) -> str:
    # JSON of texts, lists and objects is also valid Python.
    return json.dumps(value, indent=4)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
