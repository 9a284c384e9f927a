from __future__ import annotations

import pytest

from vision.settings.device import shared_gpus


@pytest.mark.parametrize(
    ("device", "visible", "expected"),
    [
        ("auto", "2, GPU-5", ["2", "GPU-5"]),
        ("auto", "", []),
        ("cuda", "-1", []),
        ("cpu", "0", []),
        ("cuda:1", "0,1", []),
    ],
)
def test_gpus(device: str, visible: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert shared_gpus(device) == expected
