from __future__ import annotations

import pytest

from vision import algorithms
from vision.settings.errors import SettingsError


def test_the_folders_are_the_algorithms() -> None:
    assert {"image_classification", "object_detection"} <= set(algorithms.names())


@pytest.mark.parametrize("name", ["image_classification", "image-classification", " image-classification "])
def test_hyphens_are_accepted(name: str) -> None:
    assert algorithms.facts_of(name).name == "image_classification"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("image_clasification", "did you mean image_classification?"),
        ("os.path", "is unknown"),
        ("", "is unknown"),
    ],
)
def test_unknown_names_are_answered(name: str, part: str) -> None:
    with pytest.raises(SettingsError, match="Algorithm") as caught:
        algorithms.facts_of(name)
    assert part in str(caught.value)
