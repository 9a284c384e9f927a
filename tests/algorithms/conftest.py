"""Shows the values behind a failed assertion of the inherited suites."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.algorithms.conformance", "tests.algorithms.documented_table")
