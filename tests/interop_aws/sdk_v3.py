"""What notebooks do with version 3 of SageMaker's SDK, unpatched; run by the Python of its environment.

``sdk_v3.py FOLDER FLOW``: the folder holds data.rec, photo.png and hyperparameters.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, TrainingJob
from sagemaker.core.shapes import ContainerDefinition, OutputDataConfig, ProductionVariant, StoppingCondition
from sagemaker.core.transformer import Transformer
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData
from sagemaker.train.tuner import HyperparameterTuner

ROLE = "arn:aws:iam::123456789012:role/vision"
FOLDER = Path(sys.argv[1])
PHOTO = (FOLDER / "photo.png").read_bytes()


def image(session: Session) -> str:
    return image_uris.retrieve("image-classification", session.boto_region_name)


def channels(session: Session, name: str) -> list[InputData]:
    address = session.upload_data(str(FOLDER / "data.rec"), bucket=session.default_bucket(), key_prefix=name)
    return [
        InputData(channel_name=channel, data_source=address, content_type="application/x-recordio")
        for channel in ("train", "validation")
    ]


def new_trainer(session: Session, name: str) -> ModelTrainer:
    return ModelTrainer(
        sagemaker_session=session,
        role=ROLE,
        training_image=image(session),
        base_job_name=name,
        compute=Compute(instance_type="ml.p3.2xlarge", instance_count=1, volume_size_in_gb=30),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=3600),
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{session.default_bucket()}/output"),
        hyperparameters=json.loads((FOLDER / "hyperparameters.json").read_text()),
    )


def new_model(session: Session, name: str) -> tuple[TrainingJob, Model]:
    trainer = new_trainer(session, name)
    trainer.train(channels(session, name), wait=True, logs=True)
    job = trainer._latest_training_job
    assert job.training_job_status == "Completed", job
    container = ContainerDefinition(image=image(session), model_data_url=job.model_artifacts.s3_model_artifacts)
    return job, Model.create(model_name=name, primary_container=container, execution_role_arn=ROLE)


def trainer() -> None:
    """Train with the log, serve, ask, list and delete."""
    session = Session()
    job, model = new_model(session, "v3-trainer")
    variant = ProductionVariant(
        variant_name="AllTraffic", model_name="v3-trainer", initial_instance_count=1, instance_type="ml.m4.xlarge"
    )
    config = EndpointConfig.create(endpoint_config_name="v3-config", production_variants=[variant])
    endpoint = Endpoint.create(endpoint_name="v3-endpoint", endpoint_config_name="v3-config")
    endpoint.wait_for_status("InService")
    answer = json.loads(endpoint.invoke(body=PHOTO, content_type="image/png").body.read())
    assert len(answer) == 2 and abs(sum(answer) - 1) < 1e-4, answer
    endpoint.delete()
    config.delete()
    model.delete()
    names = [one.training_job_name for one in TrainingJob.get_all(name_contains="v3-trainer")]
    assert job.training_job_name in names


def builder() -> None:
    """Train without the log, and deploy what was trained."""
    session = Session()
    trainer = new_trainer(session, "v3-builder")
    trainer.train(channels(session, "v3-builder"), wait=True, logs=False)
    made = ModelBuilder(
        model=trainer,
        image_uri=image(session),
        role_arn=ROLE,
        sagemaker_session=session,
        instance_type="ml.m4.xlarge",
    )
    made.build(model_name="v3-built")
    endpoint = made.deploy(endpoint_name="v3-built", instance_type="ml.m4.xlarge", initial_instance_count=1)
    answer = json.loads(endpoint.invoke(body=PHOTO, content_type="image/png").body.read())
    assert len(answer) == 2 and abs(sum(answer) - 1) < 1e-4, answer
    endpoint.delete()


def tuner() -> None:
    """Tune and look at the best job and at all of them."""
    session = Session()
    ranges = {
        "learning_rate": ContinuousParameter(0.001, 0.1, "Logarithmic"),
        "optimizer": CategoricalParameter(["sgd", "adam"]),
    }
    trainer = new_trainer(session, "v3-tuner")
    made = HyperparameterTuner(trainer, "validation:accuracy", ranges, max_jobs=2, strategy="Random")
    made.tune(channels(session, "v3-tuner"), job_name="v3-tuning", wait=True)
    assert made.best_training_job().startswith("v3-tuning-")
    frame = made.analytics().dataframe()
    assert len(frame) == 2 and {"learning_rate", "FinalObjectiveValue"} <= set(frame), frame


def transformer() -> None:
    """Predict the images of a prefix."""
    session = Session()
    new_model(session, "v3-transformer")
    bucket = session.default_bucket()
    photos = session.upload_data(str(FOLDER / "photo.png"), bucket=bucket, key_prefix="photos")
    work = Transformer(
        "v3-transformer", 1, "ml.m4.xlarge", output_path=f"s3://{bucket}/predicted", sagemaker_session=session
    )
    work.transform(photos, content_type="image/png", job_name="v3-transform", wait=True, logs=True)
    assert abs(sum(json.loads(session.read_s3_file(bucket, "predicted/photo.png.out"))) - 1) < 1e-4


if __name__ == "__main__":
    flows = (trainer, builder, tuner, transformer)
    {flow.__name__: flow for flow in flows}[sys.argv[2]]()
