"""Shows the values behind a failed assertion of the inherited suite."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.algorithms.conformance")
