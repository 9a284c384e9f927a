from __future__ import annotations

import pytest

from vision.settings.nearest import did_you_mean, nearest, shown

KNOWN = ("learning_rate", "epochs", "image_shape")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("learning-rate", "learning_rate"),
        ("Learning Rate", "learning_rate"),
        ("lerning_rate", "learning_rate"),
        ("epoch", "epochs"),
        ("shape", "image_shape"),
        ("zebra", None),
        ("", None),
    ],
)
def test_nearest(name: str, expected: str | None) -> None:
    assert nearest(name, KNOWN) == expected


def test_names_all_when_none_is_near() -> None:
    assert did_you_mean("zebra", KNOWN) == "known are learning_rate, epochs, image_shape."


@pytest.mark.parametrize("value", ["x" * 10**7, ["y" * 10**5], 10**70], ids=["text", "list", "integer"])
def test_shown_is_short(value: object) -> None:
    assert len(shown(value)) <= 80
