from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from vision.reports.model_version import ModelVersion, run_name


def test_names_are_those_that_custom_labels_would_take() -> None:
    moment = datetime(2019, 11, 21, 8, 30, 23, 910943, timezone(timedelta(hours=1)))
    version = ModelVersion("image-classification", "v0", 500, moment)
    assert version.timestamp == "2019-11-21T07:30:23.910943"
    assert version.arn == (
        "arn:aws:rekognition:local:000000000000:project/image-classification/version/v0/1574321423911"
    )
    assert version.file_stem == "image-classification-v0"


@pytest.mark.parametrize(("name", "expected"), [("my run/2: ü", "my-run-2"), ("..", "model"), ("a_b.c-1", "a_b.c-1")])
def test_other_characters_become_hyphens(name: str, expected: str) -> None:
    version = ModelVersion.now("object_detection", name, 1)
    assert (version.project, version.version) == ("object-detection", expected)
    assert (datetime.now(UTC) - version.evaluated_at).total_seconds() >= 0


@pytest.mark.parametrize("form", ["runs/first", "runs/first/model", "runs/first/model.tar.gz", "first.tar.gz"])
def test_a_run_has_one_name_whatever_part_is_named(form: str) -> None:
    assert run_name(Path(form)) == "first"
