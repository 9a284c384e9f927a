from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vision.data.inspect.ground_truth import ManifestCheck, check_manifest, manifest_summary
from vision.data.inspect.ground_truth_line import check_line
from vision.data.readers.image_reference import ImageReferences


def one_class(**metadata: object) -> dict[str, Any]:
    described = {
        "class-name": "dog",
        "confidence": 0.9,
        "type": "groundtruth/image-classification",
        "human-annotated": "yes",
        "creation-date": "2020-10-18T22:18:13.527256",
    }
    return {"source-ref": "s3://b/a.jpg", "c": 1, "c-metadata": {**described, **metadata}}


def boxes(*annotations: object, **metadata: object) -> dict[str, Any]:
    described = {
        "objects": [{"confidence": 0.9} for _ in annotations],
        "class-map": {"0": "dog"},
        "type": "groundtruth/object-detection",
    }
    value = {"image_size": [{"width": 500, "height": 400, "depth": 3}], "annotations": list(annotations)}
    return {"source-ref": "s3://b/a.jpg", "bb": value, "bb-metadata": {**described, **metadata}}


def box(left: float = 10, top: float = 20, width: float = 30, height: float = 40, class_id: int = 0) -> dict[str, Any]:
    return {"class_id": class_id, "left": left, "top": top, "width": width, "height": height}


SIZE = (500, 400)


@pytest.mark.parametrize(
    ("line", "size_px", "codes"),
    [
        (one_class(), SIZE, []),
        (boxes(box()), SIZE, []),
        ({**one_class(), "source-ref": 7}, None, ["ERROR_INVALID_SOURCE_REF_FORMAT"]),
        ({"c": 1}, None, ["ERROR_MISSING_SOURCE_REF", "ERROR_NO_LABEL_ATTRIBUTES"]),
        (one_class(), None, ["ERROR_INVALID_IMAGE"]),
        (one_class(), (63, 400), ["ERROR_INVALID_IMAGE_DIMENSION"]),
        (one_class(), (4097, 400), ["ERROR_INVALID_IMAGE_DIMENSION"]),
        (one_class(), (100, 2001), ["ERROR_INVALID_IMAGE_DIMENSION"]),
        (one_class(), (100, 2000), []),
        ({"source-ref": "s3://b/a.jpg"}, SIZE, ["WARNING_UNANNOTATED_RECORD"]),
        ({"source-ref": "s3://b/a.jpg", "c-metadata": {}}, SIZE, ["ERROR_NO_LABEL_ATTRIBUTES"]),
        (boxes(), SIZE, ["WARNING_NO_ATTRIBUTE_ANNOTATIONS", "WARNING_NO_ANNOTATIONS"]),
        (
            {**one_class(), "c": "dog"},
            SIZE,
            ["ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", "ERROR_NO_VALID_LABEL_ATTRIBUTES"],
        ),
        (
            {**one_class(), "c-metadata": 3},
            SIZE,
            ["ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT", "ERROR_NO_VALID_LABEL_ATTRIBUTES"],
        ),
        (
            one_class(type="groundtruth/semantic-segmentation"),
            SIZE,
            ["ERROR_UNSUPPORTED_USE_CASE_TYPE", "ERROR_NO_VALID_LABEL_ATTRIBUTES"],
        ),
        (
            one_class(**{"class-name": "x" * 257}),
            SIZE,
            ["ERROR_INVALID_LABEL_NAME_LENGTH", "ERROR_NO_VALID_LABEL_ATTRIBUTES"],
        ),
        (
            boxes(box(), objects=[{}]),
            SIZE,
            ["ERROR_MISSING_BOUNDING_BOX_CONFIDENCE", "ERROR_NO_VALID_LABEL_ATTRIBUTES"],
        ),
        (boxes(box(), box(left=-1)), SIZE, ["ERROR_INVALID_BOUNDING_BOX"]),
        (boxes(box(), box(left=471)), SIZE, ["ERROR_INVALID_BOUNDING_BOX"]),
        (boxes(box(), box(left=470)), SIZE, []),
        (boxes(box(), box(width=1)), SIZE, ["ERROR_BOUNDING_BOX_TOO_SMALL"]),
        # Shrunk from 2560 to 1280 pixels, two of them are one.
        (boxes(box(), box(width=2)), (2560, 400), ["ERROR_BOUNDING_BOX_TOO_SMALL"]),
        (boxes(box(), box(class_id=4)), SIZE, ["ERROR_MISSING_CLASS_MAP_ID"]),
        (boxes(*[box()] * 51), SIZE, ["ERROR_TOO_MANY_BOUNDING_BOXES", "ERROR_NO_VALID_LABEL_ATTRIBUTES"]),
        (
            boxes(box(width=0)),
            SIZE,
            ["ERROR_BOUNDING_BOX_TOO_SMALL", "ERROR_NO_VALID_ANNOTATIONS", "ERROR_NO_VALID_LABEL_ATTRIBUTES"],
        ),
    ],
)
def test_codes(line: dict[str, Any], size_px: tuple[int, int] | None, codes: list[str]) -> None:
    problem = None if size_px else "broken"
    assert [error.code for error in check_line(line, size_px, problem).errors] == codes


def test_errors_stand_in_the_part_that_has_them_and_the_rest_of_a_line_counts() -> None:
    line = boxes(box(), box(left=-1), "no box", box(class_id=4))
    found = check_line(line, SIZE, None)
    assert found.is_usable
    assert found.labels("OBJECT_LOCALIZATION") == ["dog"]
    annotated = found.annotate(line, "cl-")
    assert "cl-errors" not in annotated
    codes = [
        [error["code"] for error in part.get("cl-errors", [])] if isinstance(part, dict) else None
        for part in (annotated["bb"], *annotated["bb"]["annotations"])
    ]
    assert codes == [
        ["ERROR_INVALID_BOUNDING_BOX"],
        [],
        ["ERROR_INVALID_BOUNDING_BOX"],
        None,
        ["ERROR_MISSING_CLASS_MAP_ID"],
    ]
    # The line that was checked is as it was.
    assert line == boxes(box(), box(left=-1), "no box", box(class_id=4))


def test_a_whole_manifest(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (500, 400)).save(buffer, "JPEG")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    lines = [boxes(box()), boxes(), {**boxes(box()), "source-ref": "s3://other/lost.jpg"}]
    text = "".join(json.dumps(line) + "\n" for line in lines) + "{\n"
    (tmp_path / "t.manifest").write_text(text)
    check = check_manifest(tmp_path / "t.manifest", ImageReferences(tmp_path).path, tmp_path / "checked.manifest")
    summary = manifest_summary(check, None)["statistics"]["training"]
    assert {name: summary[name] for name in summary if name != "errors"} == {
        "use_case": "OBJECT_LOCALIZATION",
        "total_json_lines": 4,
        "valid_json_lines": 1,
        "invalid_json_lines": 2,
        "ignored_json_lines": 1,
        "error_json_line_indices": [3, 4],
    }
    assert [error["code"] for error in summary["errors"]] == [
        "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST",
        "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS",
    ]
    assert "2 of 4 lines are invalid, most often by ERROR_INVALID_IMAGE (line 3: " in summary["errors"][0]["message"]
    checked = [json.loads(line) for line in (tmp_path / "checked.manifest").read_text().splitlines()]
    assert checked[0] == lines[0]
    assert [error["code"] for error in checked[1]["warnings"]] == ["WARNING_NO_ANNOTATIONS"]
    assert [[error["code"] for error in line["errors"]] for line in checked[2:]] == [
        ["ERROR_INVALID_IMAGE"],
        ["ERROR_INVALID_JSON_LINE"],
    ]


@pytest.mark.parametrize(
    ("training", "testing", "code"),
    [
        ({"IMAGE_LEVEL_LABELS": {"dog"}}, {"IMAGE_LEVEL_LABELS": {"cat"}}, "ERROR_INSUFFICIENT_LABEL_OVERLAP"),
        (
            {"IMAGE_LEVEL_LABELS": {"dog"}},
            {"OBJECT_LOCALIZATION": {"dog"}},
            "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP",
        ),
        ({"IMAGE_LEVEL_LABELS": {"dog"}}, {"IMAGE_LEVEL_LABELS": {"dog", "cat"}}, None),
    ],
)
def test_labels_of_training_and_test_must_overlap(
    training: dict[str, set[str]], testing: dict[str, set[str]], code: str | None
) -> None:
    checks = []
    for labels in (training, testing):
        checks.append(ManifestCheck(given_use_case="IMAGE_LEVEL_LABELS"))
        checks[-1].labels.update(labels)
    assert [error["code"] for error in manifest_summary(*checks)["errors"]] == ([code] if code else [])


def test_labels_of_the_other_use_case_are_not_usable() -> None:
    check = ManifestCheck(use_cases=Counter({"IMAGE_LEVEL_LABELS": 3, "OBJECT_LOCALIZATION": 1}))
    check.labels.update({"IMAGE_LEVEL_LABELS": {"dog"}, "OBJECT_LOCALIZATION": {"cat"}})
    assert [code for code, _ in check.errors()] == ["ERROR_MANIFEST_TOO_FEW_USABLE_LABELS"]
