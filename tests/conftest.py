"""Shared by all tests: the order in which files are begun."""

from __future__ import annotations

import pytest

# Files that start real processes, and so take longest. Begun first, they do not keep one core busy at the end.
LONG = (
    "tests/contract/",
    "tests/api/test_signals",
    "tests/docker/",
    "tests/cli/test_sweep_run",
    "tests/sweeps/",
    "tests/test_readme",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
