from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.reports.label_cases import VERSION, Stored, Streamed, of_boxes
from vision.metrics.evaluation import Evaluation
from vision.reports.label_files import write_label_files


def test_both_files_or_a_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    evaluation = Evaluation(2, {}, ("cat", "dog", "owl"), labels=of_boxes())
    write_label_files(tmp_path, evaluation, VERSION, Stored())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "EvaluationManifest-project-v1.manifest",
        "EvaluationSummary-project-v1.json",
    ]
    with caplog.at_level(logging.WARNING):
        write_label_files(tmp_path, evaluation, VERSION, Streamed())
    assert "the evaluation manifest was not written: a.rec record 4: is gone" in caplog.text
