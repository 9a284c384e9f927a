from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.data.convert.label_forms import number, px_of_unit, shortest


@pytest.mark.parametrize(
    ("value", "tolerance", "expected"),
    [(260.00001, 1e-4, 260), (51.4999999, 1e-6, 51.5), (0.1 + 0.2, 1e-9, 0.3), (1 / 3, 0, 1 / 3), (-0.00001, 0.001, 0)],
)
def test_shortest(value: float, tolerance: float, expected: float) -> None:
    assert shortest(value, tolerance) == expected


@settings(max_examples=100, deadline=None)
@given(thousandths=st.integers(-1_000_000, 4_000_000), size_px=st.integers(1, 4000))
def test_pixels_survive_float32_fractions(thousandths: int, size_px: int) -> None:
    px = thousandths / 1000
    fraction = np.float32(px / size_px)
    found = px_of_unit(float(fraction), size_px)
    assert np.float32(found / size_px) == fraction
    # Fewer decimals may do where float32 cannot tell them apart.
    assert found == px or len(str(found)) < len(str(px))


@pytest.mark.parametrize(("value", "text"), [(3.0, "3"), (3.25, "3.25"), (-0.0, "0")])
def test_whole_numbers_have_no_point(value: float, text: str) -> None:
    assert str(number(value)) == text
