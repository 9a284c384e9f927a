from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vision.algorithms.object_detection.anchors import anchor_levels, make_anchors, multibox_prior

FIXTURES = Path(__file__).parents[2] / "fixtures" / "multibox"


@pytest.mark.parametrize("name", ["prior_0", "prior_1", "prior_3_ssd300_relu4_3"])
def test_priors_equal_mxnet_bit_for_bit(name: str) -> None:
    fixture = np.load(FIXTURES / f"{name}.npz")
    params = json.loads(str(fixture["params"]))
    boxes = multibox_prior(
        tuple(params["data_shape"][2:]),
        params["sizes"],
        params["ratios"],
        steps_yx_unit=tuple(params["steps"]),
    )
    np.testing.assert_array_equal(boxes.view(np.int32), fixture["output"][0].view(np.int32))


@pytest.mark.parametrize(
    ("base_network", "image_size_px", "maps", "num_anchors"),
    [
        ("vgg-16", 300, (38, 19, 10, 5, 3, 1), 8732),
        ("vgg-16", 512, (64, 32, 16, 8, 4, 2, 2), 24576),
        ("resnet-50", 300, (19, 10, 5, 3, 2, 1), 2268),
        ("resnet-50", 512, (32, 16, 8, 4, 2, 1), 6132),
        ("resnet-18", 300, (19, 10, 5, 3, 2, 1), 2268),
    ],
)
def test_tables_give_the_documented_number_of_anchors(
    base_network: str, image_size_px: int, maps: tuple[int, ...], num_anchors: int
) -> None:
    anchors = make_anchors(anchor_levels(base_network, image_size_px), [(cells, cells) for cells in maps])
    assert anchors.boxes_xyxy_unit.shape == (num_anchors, 4)


@pytest.mark.parametrize(
    ("base_network", "image_size_px", "steps_px"),
    [
        ("vgg-16", 300, (8, 16, 32, 64, 100, 300)),
        ("vgg-16", 512, (8, 16, 32, 64, 128, 256, 512)),
        ("vgg-16", 400, (None,) * 6),
        ("vgg-16", 448, (None,) * 7),
        ("resnet-50", 300, (None,) * 6),
        ("resnet-34", 512, (None,) * 6),
    ],
)
def test_steps_are_explicit_for_the_two_vgg_tables_only(
    base_network: str, image_size_px: int, steps_px: tuple[int | None, ...]
) -> None:
    levels = anchor_levels(base_network, image_size_px)
    expected = tuple(None if step is None else step / image_size_px for step in steps_px)
    assert tuple(level.step_unit for level in levels) == expected


def test_one_cell_by_hand() -> None:
    boxes = multibox_prior((1, 1), (0.5, 0.8), (1.0, 4.0))
    expected = [[0.25, 0.25, 0.75, 0.75], [0.1, 0.1, 0.9, 0.9], [0.0, 0.375, 1.0, 0.625]]
    np.testing.assert_allclose(boxes, expected, atol=1e-7)
