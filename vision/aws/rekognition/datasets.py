"""Operations of Custom Labels on the data sets of projects."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from starlette.requests import Request

from vision.aws.described import without_none
from vision.aws.json_protocol import Operation
from vision.aws.registry import Resource
from vision.aws.rekognition.dataset_entries import (
    BucketImages,
    EntryCounts,
    ManifestError,
    choose_test,
    labels_of,
    plain,
    raw_lines,
    read_entries,
    read_lines,
    store_entries,
)
from vision.aws.rekognition.dataset_requests import (
    DatasetCreation,
    DatasetSource,
    DatasetUpdate,
    Distribution,
    EntryFilter,
)
from vision.aws.rekognition.resources import DATASET, PROJECT, VERSION, Resources, failure, number_of, reading_object
from vision.aws.workplace import Workplace
from vision.data.readers.manifest_line import RawLine

_WORKING = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
_MOST_CHANGES = 5 << 20
_SPLIT = "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_DISTRIBUTE"
_CREATED = "The dataset was successfully created from the manifest file."


class Datasets:
    """Creates, fills, describes, lists and deletes data sets."""

    def __init__(self, workplace: Workplace, resources: Resources) -> None:
        self._workplace = workplace
        self._resources = resources
        self._images = BucketImages(workplace.storage.buckets)
        self._folder = workplace.own_folder / "custom-labels" / "datasets"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self.operations: dict[str, Operation] = {
            "CreateDataset": self.create,
            "DescribeDataset": self.describe,
            "DeleteDataset": self.delete,
            "ListDatasetEntries": self.list_entries,
            "ListDatasetLabels": self.list_labels,
            "UpdateDatasetEntries": self.update,
            "DistributeDatasetEntries": self.distribute,
        }

    def recover(self) -> None:
        """Say of data sets that an earlier server left in work that they have failed, and finish its deletions."""
        known = {self.file(dataset) for dataset in self._resources.all(DATASET)}
        for file in self._folder.iterdir():
            if file not in known:
                file.unlink()
        for dataset in self._resources.all(DATASET):
            if dataset.state["status"] in _WORKING:
                status = dataset.state["status"].replace("IN_PROGRESS", "FAILED")
                counts = None
                # The file may be the new one already.
                with suppress(ManifestError):
                    file = self.file(dataset)
                    counts = store_entries(file, raw_lines(read_entries(file)), self._images)
                self._end(dataset, status, "The server ended meanwhile: repeat the call.", "SERVICE_ERROR", counts)

    def file(self, dataset: Resource) -> Path:
        """Return the file of a data set's entries, which need not exist."""
        return self._folder / f"{number_of(dataset)}.manifest"

    async def create(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = DatasetCreation.read(values)
        project = self._resources.get(PROJECT, asked.project_arn)
        if any(one.state["type"] == asked.dataset_type for one in self._resources.all(DATASET, project)):
            raise failure(
                "ResourceAlreadyExistsException", f"the project already has a {asked.dataset_type} data set: delete it"
            )
        lines, words = self._lines(asked.dataset_source)
        name = f"project/{project.state['project_name']}/dataset/{asked.dataset_type.lower()}"
        state = {
            "project": project.name,
            "type": asked.dataset_type,
            "status": "CREATE_IN_PROGRESS",
            "message": "The dataset is being created.",
            "code": "SUCCESS",
            "counts": {},
            "labels": {},
            "tags": asked.tags,
        }
        dataset = self._resources.add(DATASET, name, state)
        if lines is None:
            self._resources.update(dataset, status="CREATE_COMPLETE", message=words)
        else:
            await self._while_short(lambda: self._fill(dataset, lines, "CREATE", words))
        return {"DatasetArn": self._resources.arn(dataset.name)}

    async def describe(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        dataset = self._resources.get(DATASET, EntryFilter.read(values).dataset_arn)
        counts = dataset.state["counts"]
        described = {
            "CreationTimestamp": dataset.created_s,
            "LastUpdatedTimestamp": dataset.modified_s,
            "Status": dataset.state["status"],
            "StatusMessage": dataset.state["message"],
            "StatusMessageCode": dataset.state["code"],
            "DatasetStats": {
                "LabeledEntries": counts.get("labeled", 0),
                "TotalEntries": counts.get("total", 0),
                "TotalLabels": len(dataset.state["labels"]),
                "ErrorEntries": counts.get("with_errors", 0),
            },
        }
        return {"DatasetDescription": described}

    async def delete(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        dataset = self._idle(EntryFilter.read(values).dataset_arn)
        self._resources.remove(dataset)
        self.file(dataset).unlink(missing_ok=True)
        return {}

    async def list_entries(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = EntryFilter.read(values)
        dataset = self._ready(asked.dataset_arn)
        found, token = await asyncio.to_thread(self._page, asked, self.file(dataset))
        return without_none(DatasetEntries=found, NextToken=token)

    async def list_labels(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        asked = EntryFilter.read(values)
        labels = self._ready(asked.dataset_arn).state["labels"]
        found, token = asked.page(
            [
                {"LabelName": name, "LabelStats": {"EntryCount": entries, "BoundingBoxCount": boxes}}
                for name, (entries, boxes) in sorted(labels.items())
            ]
        )
        return without_none(DatasetLabelDescriptions=found, NextToken=token)

    async def update(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        """Add entries, and replace those whose image has one already."""
        asked = DatasetUpdate.read(values)
        dataset = self._idle(asked.dataset_arn)
        try:
            text = base64.b64decode(asked.changes.ground_truth, validate=True)
        except (binascii.Error, ValueError) as error:
            raise failure("InvalidParameterException", f"Changes.GroundTruth is not base64 ({error})") from None
        if len(text) > _MOST_CHANGES:
            raise failure(
                "InvalidParameterException",
                f"Changes.GroundTruth has {len(text)} bytes, more than the {_MOST_CHANGES} of one call: send parts",
            )
        lines = [RawLine(number, 0, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        if not lines:
            raise failure("InvalidParameterException", "Changes.GroundTruth holds no line")
        self._resources.update(dataset, status="UPDATE_IN_PROGRESS", message="The dataset is being updated.")
        words = "The dataset was successfully updated."
        await self._while_short(lambda: self._fill(dataset, self._merged(self.file(dataset), lines), "UPDATE", words))
        return {}

    async def distribute(self, values: dict[str, Any], request: Request) -> dict[str, Any]:
        """Move a fifth of the training entries, of each label in proportion, into the empty test set."""
        asked = Distribution.read(values)
        pair = {one.state["type"]: one for one in (self._ready(each.arn) for each in asked.datasets)}
        if set(pair) != {"TRAIN", "TEST"} or len({one.state["project"] for one in pair.values()}) != 1:
            raise failure("InvalidParameterException", "Datasets must be the TRAIN and the TEST data set of a project")
        train, test = pair["TRAIN"], pair["TEST"]
        if test.state["counts"].get("total") or not train.state["counts"].get("total"):
            raise failure(
                "InvalidParameterException", "the TEST data set must be empty, and the TRAIN data set must not be"
            )
        for dataset in (train, test):
            self._idle(self._resources.arn(dataset.name))
            self._resources.update(dataset, status="UPDATE_IN_PROGRESS", message="The dataset is being updated.")
        await self._while_short(lambda: self._divide(train, test))
        return {}

    def _lines(self, source: DatasetSource) -> tuple[Iterable[RawLine] | None, str]:
        """Return the lines that a data set is to be made of, and what to say of it then. Raises ServiceFailure."""
        if source.ground_truth_manifest is not None and source.dataset_arn is not None:
            raise failure("InvalidParameterException", "DatasetSource has two sources: give one")
        if source.dataset_arn is not None:
            path = self.file(self._ready(source.dataset_arn))
            return raw_lines(read_entries(path)), "The dataset was successfully created from the dataset."
        if source.ground_truth_manifest is None:
            return None, "The dataset was successfully created."
        place = source.ground_truth_manifest.s3_object
        with reading_object():
            return read_lines(self._workplace.storage.buckets.existing(place.bucket, place.name)), _CREATED

    async def _while_short(self, work: Callable[[], None]) -> None:
        """Start the work, and wait for its end as long as a client is kept waiting."""
        task = asyncio.create_task(asyncio.to_thread(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([task], timeout=self._workplace.settings.hold_s)

    def _fill(self, dataset: Resource, lines: Iterable[RawLine], verb: str, words: str) -> None:
        try:
            counts = store_entries(self.file(dataset), lines, self._images)
        except ManifestError as error:
            self._end(dataset, f"{verb}_FAILED", str(error), "CLIENT_ERROR")
        except Exception as error:
            self._end(dataset, f"{verb}_FAILED", f"{type(error).__name__}: {error}", "SERVICE_ERROR")
        else:
            self._end(dataset, f"{verb}_COMPLETE", words, "SUCCESS", counts)

    def _end(self, dataset: Resource, status: str, message: str, code: str, counts: EntryCounts | None = None) -> None:
        changes: dict[str, Any] = {}
        if counts is not None:
            totals = {"total": counts.total, "labeled": counts.labeled, "with_errors": counts.with_errors}
            labels = {name: (entries, counts.boxes[name]) for name, entries in counts.images.items()}
            changes = {"counts": totals, "labels": labels}
        self._resources.update(dataset, status=status, message=message, code=code, **changes)

    def _merged(self, path: Path, changes: list[RawLine]) -> Iterator[RawLine]:
        """Yield the entries of a file with changed ones in their places, then the new ones."""
        changed: dict[object, RawLine] = {_reference(line): line for line in changes}
        for entry in read_entries(path):
            line = changed.pop(entry["source-ref"], None)
            yield from raw_lines([entry]) if line is None else [line]
        yield from changed.values()

    def _divide(self, train: Resource, test: Resource) -> None:
        entries = [plain(entry) for entry in read_entries(self.file(train))]
        is_test = choose_test([labels_of(entry) for entry in entries])
        if is_test is None:
            message = f"The manifest file doesn't have enough labeled images to distribute the dataset. ({_SPLIT})"
            for dataset in (train, test):
                self._end(dataset, "UPDATE_FAILED", message, "CLIENT_ERROR")
            return
        words = "The dataset was successfully updated."
        # First the copy: an image in both is better than one in none, should the server end in between.
        for dataset, part in ((test, True), (train, False)):
            chosen = [entry for entry, is_one in zip(entries, is_test, strict=True) if is_one == part]
            self._fill(dataset, raw_lines(chosen), "UPDATE", words)

    def _page(self, asked: EntryFilter, path: Path) -> tuple[list[str], str | None]:
        """Return a page of entries that pass the filters, and the token of the next, or None."""
        wanted = (text for entry in read_entries(path) if asked.wants(entry, text := json.dumps(entry)))
        end = asked.start + asked.max_results
        found = list(islice(wanted, asked.start, end + 1))
        return found[: asked.max_results], str(end) if len(found) > asked.max_results else None

    def _ready(self, arn: str) -> Resource:
        """Return a data set that can be read. Raises ServiceFailure."""
        dataset = self._resources.get(DATASET, arn)
        if dataset.state["status"] in (*_WORKING, "CREATE_FAILED"):
            raise failure("ResourceNotReadyException", f"data set {arn} is {dataset.state['status']}")
        return dataset

    def _idle(self, arn: str) -> Resource:
        """Return a data set that nothing works on or with. Raises ServiceFailure."""
        dataset = self._resources.get(DATASET, arn)
        if dataset.state["status"] in _WORKING:
            raise failure("ResourceInUseException", f"data set {arn} is {dataset.state['status']}: wait for its end")
        project = self._resources.find(PROJECT, dataset.state["project"])
        for version in self._resources.all(VERSION, project):
            if version.state["status"] == "TRAINING_IN_PROGRESS":
                raise failure(
                    "ResourceInUseException", f"model version {version.name} is being trained on it: wait for its end"
                )
        return dataset


def _reference(line: RawLine) -> object:
    try:
        value = json.loads(line.text)
    except (ValueError, RecursionError):
        value = None
    reference = value.get("source-ref") if isinstance(value, dict) else None
    # What names no image replaces none, and is refused where lines are checked.
    return reference if isinstance(reference, str) else ("line", line.number)
