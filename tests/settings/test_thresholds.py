from __future__ import annotations

from typing import Any

import pytest

from vision.settings.errors import SettingsError
from vision.settings.thresholds import Thresholds

NAMES = ("daisy", "rose", "tulip")
STORED = {"daisy": 0.9, "rose": 0.8}


@pytest.mark.parametrize(
    ("everywhere", "by_label", "expected"),
    [
        (None, {}, [None, None, None]),
        ("0.5", {}, [0.5, 0.5, 0.5]),
        (0.5, {"rose": "0.25"}, [0.5, 0.25, 0.5]),
        (None, {"tulip": 0}, [None, None, 0.0]),
        ("model", {"rose": 1}, [0.9, 1.0, None]),
    ],
)
def test_one_for_each_class(everywhere: Any, by_label: dict[str, Any], expected: list[float | None]) -> None:
    assert Thresholds.parse(everywhere, by_label).of_classes(NAMES, STORED) == expected


def test_all_problems_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Thresholds.parse("half", {"rose": "1.5", "daisy": "nan", "tulip": True})
    everywhere, rose, daisy, tulip = caught.value.problems
    assert everywhere == "Setting threshold is 'half' but must be a number from 0 to 1, or model."
    assert rose == "Setting thresholds.rose is '1.5' but must be a number from 0 to 1."
    assert "thresholds.daisy is 'nan'" in daisy
    assert "thresholds.tulip is True" in tulip


def test_unknown_labels_are_named_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"thresholds\.Rosa is for no label of the model: did you mean rose\?"):
        Thresholds.parse(None, {"Rosa": 0.5}).of_classes(NAMES, {})


def test_a_model_without_thresholds() -> None:
    with pytest.raises(SettingsError, match="this model stores none"):
        Thresholds.parse("model").of_classes(NAMES, {})
