"""Files that bring chosen images into labeling tools, with what the model proposes.

``label_studio.json`` and its configuration, ``cvat.xml``, ``proposed.manifest`` as Ground Truth adjusts it, and
``selected.jsonl`` for scripts. The images lie in ``images``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from vision.algorithms.algorithm import ScoredLabel
from vision.data.convert.annotated_image import AnnotatedImage, AnnotatedObject, Plan
from vision.data.convert.formats import FORMATS
from vision.data.convert.label_forms import ARITHMETIC_PX, shortest
from vision.data.convert.label_studio import CONFIGURATION, LOCAL_FILES, labeling_configuration, results_of
from vision.data.convert.manifest import CONFIDENCE, METADATA_KEYS
from vision.data.convert.output_files import ReferenceWriter
from vision.data.labels import Task
from vision.files.atomic_file import AtomicFile, write_whole

LIST = "selected.jsonl"
_BESIDE = {"cvat": "cvat.xml", "manifest": "proposed.manifest"}


@dataclass(frozen=True)
class ChosenImage:
    """An image to label: its ``file``, its ``name`` in the data set, why it was chosen, and what is proposed."""

    file: Path
    name: str
    size_px: tuple[int, int]
    uncertainty: float
    proposals: Sequence[ScoredLabel]


def write_tasks(
    folder: Path, chosen: Sequence[ChosenImage], task: Task, class_names: tuple[str, ...], model: str, images: str
) -> list[Path]:
    """Write the files for labels of ``task`` into ``folder``, and return their paths.

    ``model`` is what the tools show as the proposals' origin, ``images`` how the images get there: copy, link or keep.
    Masks have no proposals, and only Label Studio's tasks.
    """
    plan = Plan(task, class_names)
    written = [_write_label_studio(folder, chosen, plan, model, images), _write_list(folder, chosen, class_names)]
    for form, name in _BESIDE.items():
        if task in FORMATS[form].labels:
            written.append(_write_form(folder / name, form, chosen, plan, images))
    return written


def _write_label_studio(folder: Path, chosen: Sequence[ChosenImage], plan: Plan, model: str, images: str) -> Path:
    path = folder / "label_studio.json"
    references = ReferenceWriter(folder, images)
    tasks = []
    for image in chosen:
        annotated = _annotated(image, plan.task)
        address = LOCAL_FILES + quote(references.place(annotated, image.file.read_bytes()))
        labels = annotated.objects if annotated.objects is not None else annotated.class_ids or ()
        results = results_of(labels, image.size_px, plan.class_names)
        for result, proposal in zip(results, image.proposals, strict=False):
            result["score"] = proposal.score
        # Label Studio sorts tasks by this score: the least certain come first.
        prediction = {"model_version": model, "score": 1 - image.uncertainty, "result": results}
        tasks.append({"data": {"image": address}, "predictions": [prediction]})
    write_whole(path, json.dumps(tasks, indent=1) + "\n")
    if plan.task != "mask":
        write_whole(folder / CONFIGURATION, labeling_configuration(plan.task, plan.class_names))
    return path


def _write_list(folder: Path, chosen: Sequence[ChosenImage], class_names: Sequence[str]) -> Path:
    path = folder / LIST
    with AtomicFile(path) as file:
        for image in chosen:
            proposals = [
                {"label": class_names[label.class_id], "score": label.score}
                | ({} if label.box_xyxy_unit is None else {"box": label.box_xyxy_unit})
                for label in image.proposals
            ]
            line = {"file": str(image.file), "uncertainty": image.uncertainty, "proposals": proposals}
            file.write(json.dumps(line) + "\n")
    return path


def _write_form(path: Path, form: str, chosen: Sequence[ChosenImage], plan: Plan, images: str) -> Path:
    sink = FORMATS[form].create_sink(path, plan, images)
    try:
        for image in chosen:
            # Images without a proposal have nothing to be adjusted, and no class where each has one.
            if image.proposals or plan.task != "single":
                sink.write(_annotated(image, plan.task), image.file.read_bytes(), image.size_px)
        sink.close()
    except BaseException:
        sink.discard()
        raise
    return path


def _annotated(image: ChosenImage, task: Task) -> AnnotatedImage:
    """Return the image with its proposals in place of labels, marked as a machine's."""
    scores = [label.score for label in image.proposals]
    metadata: dict[str, object] = {"human-annotated": "no", "job-name": "vision-label"}
    found = AnnotatedImage(image.name, image.name, image.file, size_px=image.size_px)
    if task == "boxes":
        objects = tuple(_object(label, image.size_px) for label in image.proposals)
        return replace(found, objects=objects, extra={METADATA_KEYS: metadata})
    if task == "single" and scores:
        metadata[CONFIDENCE] = scores[0]
    elif task == "multi":
        by_class = {str(label.class_id): label.score for label in image.proposals}
        metadata["confidence-map"] = by_class
    class_ids = tuple(sorted(label.class_id for label in image.proposals))
    return replace(found, class_ids=class_ids, extra={METADATA_KEYS: metadata})


def _object(label: ScoredLabel, size_px: tuple[int, int]) -> AnnotatedObject:
    assert label.box_xyxy_unit is not None, "detections have boxes"
    width, height = size_px
    left, top, right, bottom = (round(value, 6) for value in label.box_xyxy_unit)
    x0, x1 = (shortest(fraction * width, ARITHMETIC_PX) for fraction in (left, right))
    y0, y1 = (shortest(fraction * height, ARITHMETIC_PX) for fraction in (top, bottom))
    return AnnotatedObject(label.class_id, (x0, y0, x1, y1), False, {CONFIDENCE: label.score})
