"""The probabilities that segmentation answers, read by SageMaker's own SDK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.interop_mxnet.conftest import Oracle
from vision.algorithms.semantic_segmentation.predictions import Segmentation
from vision.algorithms.semantic_segmentation.response import RECORD_FORMS, respond


@pytest.mark.parametrize("form", RECORD_FORMS)
def test_the_sdk_reads_our_probabilities(form: str, oracle: Oracle, seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(21, *random.integers(1, 300, 2))).astype(np.float32)
    segmentation = Segmentation(logits, logits.argmax(0).astype(np.uint8))
    (tmp_path / "answer.bin").write_bytes(respond(segmentation, form, tuple(map(str, range(21)))))
    found = oracle("sdk_records")["probabilities"]
    np.testing.assert_array_equal(found, segmentation.probabilities()[None])
    np.testing.assert_array_equal(found[0].argmax(0), segmentation.ids)
