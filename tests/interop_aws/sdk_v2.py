"""What notebooks do with version 2 of SageMaker's SDK, unpatched; run by the Python of its environment.

``sdk_v2.py FOLDER FLOW``: the folder holds data.rec, photo.png and hyperparameters.json.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import sagemaker
from sagemaker import image_uris
from sagemaker.analytics import TrainingJobAnalytics
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import IdentitySerializer
from sagemaker.tuner import CategoricalParameter, ContinuousParameter, HyperparameterTuner

ROLE = "arn:aws:iam::123456789012:role/vision"
FOLDER = Path(sys.argv[1])
PHOTO = (FOLDER / "photo.png").read_bytes()
MACHINE = {"role": ROLE, "instance_count": 1, "instance_type": "ml.p3.2xlarge"}


def uploaded(session: sagemaker.Session, prefix: str) -> TrainingInput:
    address = session.upload_data(str(FOLDER / "data.rec"), bucket=session.default_bucket(), key_prefix=prefix)
    return TrainingInput(address, content_type="application/x-recordio", s3_data_type="S3Prefix")


def new_estimator(session: sagemaker.Session) -> Estimator:
    image = image_uris.retrieve("image-classification", session.boto_region_name)
    output = f"s3://{session.default_bucket()}/output"
    estimator = Estimator(image, **MACHINE, output_path=output, sagemaker_session=session, max_run=3600)
    estimator.set_hyperparameters(**json.loads((FOLDER / "hyperparameters.json").read_text()))
    return estimator


def estimator() -> None:
    """Train with the log, look back at the job and its metrics, deploy, predict, delete."""
    session = sagemaker.Session()
    data = uploaded(session, "estimator")
    made = new_estimator(session)
    made.fit({"train": data, "validation": data}, job_name="v2-estimator", logs=True)
    assert made.model_data == f"s3://{session.default_bucket()}/output/v2-estimator/output/model.tar.gz"

    attached = Estimator.attach("v2-estimator", session)
    assert attached.hyperparameters()["num_classes"] == "2", attached.hyperparameters()
    frame = TrainingJobAnalytics("v2-estimator", ["validation:accuracy"], sagemaker_session=session).dataframe()
    assert set(frame["metric_name"]) == {"validation:accuracy"}, frame
    assert {"train:accuracy", "validation:accuracy"} <= set(made.training_job_analytics.dataframe()["metric_name"])

    predictor = attached.deploy(
        1,
        "ml.m4.xlarge",
        endpoint_name="v2-endpoint",
        model_name="v2-model",
        serializer=IdentitySerializer("image/png"),
        deserializer=JSONDeserializer(),
    )
    answer = predictor.predict(PHOTO)
    assert len(answer) == 2 and abs(sum(answer) - 1) < 1e-4, answer
    predictor.delete_model()
    predictor.delete_endpoint()


def silent() -> None:
    """Train without the log, and continue the model by the channel ``model``."""
    session = sagemaker.Session()
    data = uploaded(session, "silent")
    first = new_estimator(session)
    first.fit({"train": data, "validation": data}, job_name="v2-silent", logs="None")
    second = new_estimator(session)
    model = TrainingInput(first.model_data, content_type="application/x-sagemaker-model", s3_data_type="S3Prefix")
    channels = {"train": data, "validation": data, "model": model}
    second.fit(channels, job_name="v2-continued", wait=False)
    second.latest_training_job.wait(logs=False)
    assert second.latest_training_job.describe()["TrainingJobStatus"] == "Completed"


def tuner() -> None:
    """Tune, look at the best job and at all of them."""
    session = sagemaker.Session()
    data = uploaded(session, "tuner")
    ranges = {
        "learning_rate": ContinuousParameter(0.001, 0.1, "Logarithmic"),
        "optimizer": CategoricalParameter(["sgd", "adam"]),
    }
    made = HyperparameterTuner(
        new_estimator(session), "validation:accuracy", ranges, max_jobs=2, max_parallel_jobs=2, strategy="Random"
    )
    made.fit({"train": data, "validation": data}, job_name="v2-tuning", include_cls_metadata=False)
    made.wait()
    assert made.best_training_job().startswith("v2-tuning-")
    frame = made.analytics().dataframe()
    assert len(frame) == 2 and {"learning_rate", "FinalObjectiveValue"} <= set(frame), frame
    assert HyperparameterTuner.attach("v2-tuning", session).best_training_job() == made.best_training_job()


def transformer() -> None:
    """Predict the images of a prefix."""
    session = sagemaker.Session()
    data = uploaded(session, "transformer")
    made = new_estimator(session)
    made.fit({"train": data, "validation": data}, job_name="v2-transformer", logs="None")
    bucket = session.default_bucket()
    photos = session.upload_data(str(FOLDER / "photo.png"), bucket=bucket, key_prefix="photos")
    work = made.transformer(1, "ml.m4.xlarge", output_path=f"s3://{bucket}/predicted")
    work.transform(photos, content_type="image/png", job_name="v2-transform", wait=True, logs=True)
    answer = json.loads(session.read_s3_file(bucket, "predicted/photo.png.out"))
    assert abs(sum(answer) - 1) < 1e-4, answer


if __name__ == "__main__":
    flows = (estimator, silent, tuner, transformer)
    {flow.__name__: flow for flow in flows}[sys.argv[2]]()
