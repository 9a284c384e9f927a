"""Operations of Custom Labels on model versions."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

from starlette.requests import Request

from vision.aws.described import settled, without_none
from vision.aws.failure import ServiceFailure
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.rekognition.dataset_entries import ManifestError, raw_lines, read_entries, read_lines
from vision.aws.rekognition.datasets import Datasets
from vision.aws.rekognition.resources import DATASET, PROJECT, VERSION, Resources, failure
from vision.aws.rekognition.training_data import TEST, TRAIN
from vision.aws.rekognition.version_requests import (
    Asset,
    TestingAssets,
    VersionArn,
    VersionCopy,
    VersionCreation,
    VersionList,
)
from vision.aws.rekognition.version_training import (
    ENDED_BY_SERVER,
    Lines,
    VersionTraining,
    publish,
    report_path,
    version_folder,
)
from vision.aws.scheduler import Scheduler
from vision.aws.workplace import Workplace
from vision.data.readers.manifest_line import RawLine

WORKING = ("TRAINING_IN_PROGRESS", "COPYING_IN_PROGRESS", "STARTING", "STOPPING")
_USABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED")
_TRAINED = ("TRAINING_COMPLETED", "COPYING_COMPLETED", "STARTING", "RUNNING", "STOPPING", "STOPPED", "FAILED")


class Versions:
    """Trains, describes, copies and deletes model versions."""

    def __init__(self, workplace: Workplace, resources: Resources, datasets: Datasets, scheduler: Scheduler) -> None:
        self._workplace = workplace
        self._resources = resources
        self._datasets = datasets
        self._scheduler = scheduler
        self.operations: dict[str, Operation] = {
            "CreateProjectVersion": self.create,
            "DescribeProjectVersions": self.describe,
            "DeleteProjectVersion": self.delete,
            "CopyProjectVersion": self.copy,
        }

    def recover(self) -> None:
        """Say of versions that an earlier server left in work that they have failed, and finish its deletions."""
        known = {version_folder(self._workplace, version) for version in self._resources.all(VERSION)}
        for folder in (self._workplace.own_folder / "custom-labels" / "versions").glob("*"):
            if folder not in known:
                shutil.rmtree(folder, ignore_errors=True)
        for version in self._resources.all(VERSION):
            if version.state["status"] == "TRAINING_IN_PROGRESS":
                # As after any failed training: nobody resumes it.
                shutil.rmtree(version_folder(self._workplace, version) / "run", ignore_errors=True)
                self._resources.update(version, status="TRAINING_FAILED", message=ENDED_BY_SERVER)
            elif version.state["status"] == "COPYING_IN_PROGRESS":
                message = "The server ended while the model was being copied: delete this version, and copy again."
                self._resources.update(version, status="COPYING_FAILED", message=message)

    async def create(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = VersionCreation.read(values)
        project = self._resources.get(PROJECT, asked.project_arn)
        training, testing = self._data(project, asked)
        state = self._new(project, asked, "TRAINING_IN_PROGRESS", "The model is being trained.") | {
            "description": asked.version_description,
            "training_input": values.get("TrainingData") or {},
            "testing_input": values.get("TestingData") or {},
        }
        version = self._add(project, asked.version_name, state)
        self._scheduler.add(VersionTraining(self._workplace, self._resources, version, training, testing))
        return {"ProjectVersionArn": self._resources.arn(version.name)}

    async def describe(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        """Describe versions, the youngest first. If some are named, their work may end meanwhile."""
        asked = VersionList.read(values)
        project = self._resources.get(PROJECT, asked.project_arn)
        names = asked.version_names
        found = [
            one
            for one in reversed(self._resources.all(VERSION, project))
            if names is None or one.state["version_name"] in names
        ]
        page, token = asked.page(found)
        if names is not None:
            page = [await self._settled(one, request) for one in page]
        return without_none(ProjectVersionDescriptions=[self._described(one) for one in page], NextToken=token)

    async def delete(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        version = self._resources.get(VERSION, VersionArn.read(values).project_version_arn)
        if version.state["status"] in (*WORKING, "RUNNING"):
            raise failure("ResourceInUseException", f"the model is {version.state['status']}: stop it, or wait")
        self._resources.remove(version)
        await asyncio.to_thread(shutil.rmtree, version_folder(self._workplace, version), ignore_errors=True)
        return {"Status": "DELETING"}

    async def copy(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = VersionCopy.read(values)
        origin = self._resources.get(PROJECT, asked.source_project_arn)
        source = self._resources.get(VERSION, asked.source_project_version_arn)
        project = self._resources.get(PROJECT, asked.destination_project_arn)
        if source.state["project"] != origin.name:
            raise failure("InvalidParameterException", "SourceProjectVersionArn is not of the project SourceProjectArn")
        if source.state["status"] not in _TRAINED:
            raise failure(
                "InvalidParameterException", f"the model is {source.state['status']}: only trained ones are copied"
            )
        kept = ("figures", "thresholds", "training_input", "testing_input", "description", "seconds", "ended_s")
        state = {
            **self._new(project, asked, "COPYING_IN_PROGRESS", "The model is being copied."),
            **{name: source.state[name] for name in kept},
            "source": self._resources.arn(source.name),
        }
        version = self._add(project, asked.version_name, state)
        await asyncio.to_thread(self._copy, source, version)
        return {"ProjectVersionArn": self._resources.arn(version.name)}

    def _copy(self, source: Resource, version: Resource) -> None:
        try:
            shutil.copytree(version_folder(self._workplace, source), version_folder(self._workplace, version))
            buckets = self._workplace.storage.buckets
            paths = {what: buckets.existing(source.state["bucket"], key) for what, key in source.state["files"].items()}
            files = publish(self._workplace, version, paths)
        except (OSError, ServiceFailure) as error:
            self._resources.update(version, status="COPYING_FAILED", message=f"The model cannot be copied: {error}")
        else:
            done = {"status": "COPYING_COMPLETED", "message": "The model is ready to run."}
            self._resources.update(version, **done, files=files, report=report_path(self._workplace, version))

    def _data(self, project: Resource, asked: VersionCreation) -> tuple[Lines, Lines | None]:
        """Return what gives the lines to train and to test on. Raises ServiceFailure."""
        sets = {one.state["type"]: one for one in self._resources.all(DATASET, project)}
        given = asked.training_data is not None or asked.testing_data is not None
        if sets and given:
            raise failure(
                "InvalidParameterException", "the project has data sets: leave TrainingData and TestingData out"
            )
        if not given:
            for kind in ("TRAIN", "TEST"):
                dataset = sets.get(kind)
                if (
                    dataset is None
                    or dataset.state["status"] not in _USABLE
                    or not dataset.state["counts"].get("total")
                ):
                    raise failure(
                        "InvalidParameterException",
                        f"the project has no {kind} data set with entries: create it, and fill it with"
                        " UpdateDatasetEntries or DistributeDatasetEntries",
                    )
            files = {kind: self._datasets.file(one) for kind, one in sets.items()}
            return lambda: raw_lines(read_entries(files["TRAIN"])), lambda: raw_lines(read_entries(files["TEST"]))
        training = asked.training_data.assets if asked.training_data is not None else []
        testing = asked.testing_data or TestingAssets()
        if not training or bool(testing.assets) == testing.auto_create:
            raise failure(
                "InvalidParameterException",
                "TrainingData.Assets and either TestingData.Assets or TestingData.AutoCreate are needed",
            )
        return (
            lambda: self._manifests(training),
            None if testing.auto_create else lambda: self._manifests(testing.assets),
        )

    def _manifests(self, assets: Iterable[Asset]) -> Iterator[RawLine]:
        count = 0
        for asset in assets:
            place = asset.ground_truth_manifest.s3_object
            try:
                path = self._workplace.storage.buckets.existing(place.bucket, place.name)
            except ServiceFailure as error:
                raise ManifestError(
                    "ERROR_MANIFEST_INACCESSIBLE_OR_UNSUPPORTED_FORMAT",
                    f"The manifest cannot be read: {error.sentence}",
                ) from error
            for line in read_lines(path):
                count += 1
                yield line._replace(number=count)
        if not count:
            raise ManifestError("ERROR_EMPTY_MANIFEST", "The manifest file is empty.")

    def _new(
        self, project: Resource, asked: VersionCreation | VersionCopy, status: str, message: str
    ) -> dict[str, Any]:
        """Return the first state of a version."""
        bucket, prefix = asked.output_config.s3_bucket, asked.output_config.s3_key_prefix
        try:
            self._workplace.storage.buckets.check_output(bucket, prefix.strip("/"))
        except ServiceFailure as error:
            raise failure("InvalidParameterException", f"OutputConfig: {error.sentence}") from None
        return {
            "project": project.name,
            "project_name": project.state["project_name"],
            "version_name": asked.version_name,
            "status": status,
            "message": message,
            "bucket": bucket,
            "prefix": prefix,
            "kms": asked.kms_key_id,
            "tags": asked.tags,
            "files": {},
        }

    def _add(self, project: Resource, name: str, state: dict[str, Any]) -> Resource:
        if any(one.state["version_name"] == name for one in self._resources.all(VERSION, project)):
            raise failure("ResourceInUseException", f"version {name} already exists: take another name")
        return self._resources.add(VERSION, f"project/{project.state['project_name']}/version/{name}", state)

    async def _settled(self, version: Resource, request: Request) -> Resource:
        def look() -> Resource:
            return self._resources.find(VERSION, version.name) or version

        return await settled(
            look, lambda one: one.state["status"] not in WORKING, self._workplace.settings.hold_s, request
        )

    def _described(self, version: Resource) -> dict[str, Any]:
        state = version.state
        objects = {what: {"S3Object": {"Bucket": state["bucket"], "Name": key}} for what, key in state["files"].items()}
        results = {}
        for name, part, given in (
            ("TrainingDataResult", TRAIN, state.get("training_input")),
            ("TestingDataResult", TEST, state.get("testing_input")),
        ):
            if part in objects:
                results[name] = {
                    "Input": given or {},
                    "Output": {"Assets": [{"GroundTruthManifest": objects[part]}]},
                    "Validation": {"Assets": [{"GroundTruthManifest": objects[f"{part}-validation"]}]},
                }
        figures = state.get("figures")
        return without_none(
            ProjectVersionArn=self._resources.arn(version.name),
            CreationTimestamp=version.created_s,
            Status=state["status"],
            StatusMessage=state["message"],
            MinInferenceUnits=state.get("min_units"),
            MaxInferenceUnits=state.get("max_units"),
            BillableTrainingTimeInSeconds=state.get("seconds"),
            TrainingEndTimestamp=state.get("ended_s"),
            OutputConfig={"S3Bucket": state["bucket"], "S3KeyPrefix": state["prefix"]},
            **results,
            EvaluationResult=None if not figures else {"F1Score": figures["F1"], "Summary": objects["evaluation"]},
            ManifestSummary=objects.get("summary"),
            KmsKeyId=state["kms"],
            SourceProjectVersionArn=state.get("source"),
            VersionDescription=state.get("description"),
            Feature="CUSTOM_LABELS",
        )
