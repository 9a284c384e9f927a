from __future__ import annotations

import numpy as np
import pytest

from vision.settings.errors import UserError
from vision.training.class_weights import class_weights


@pytest.mark.parametrize(
    ("text", "counts", "expected"),
    [
        (None, [4, 2, 1], None),
        ("[0.5, 1, 2]", [4, 2, 1], [0.5, 1, 2]),
        ("balanced", [4, 2, 1], [0.5, 1, 2]),
        ("balanced", [4, 0, 2], [0.75, 0, 1.5]),
        ("balanced", [0, 0, 0], [0, 0, 0]),
        ("balanced", None, None),
    ],
)
def test_class_weights(text: str | None, counts: list[float] | None, expected: list[float] | None) -> None:
    weights = class_weights("hp.class_weights", text, 3, None if counts is None else np.array(counts, np.float64))
    assert expected == (None if weights is None else weights.tolist())


def test_class_weights_of_another_number_of_classes_are_refused() -> None:
    with pytest.raises(UserError, match=r"run\.class_weights has 2 numbers, but hp\.num_classes is 3"):
        class_weights("run.class_weights", "1,2", 3, None)
