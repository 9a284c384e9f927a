from __future__ import annotations

import numpy as np
from PIL import Image

from vision.metrics.evaluation import Example, Gallery, Heat
from vision.reports.contact_sheet import make_thumbnail, thumbnail_side_px
from vision.reports.heat_overlay import with_heat


def test_hot_is_red_cold_is_blue_and_outside_nothing_changes() -> None:
    picture = Image.new("RGB", (80, 40), (90, 120, 90))
    heat = Heat(np.array([[0.0, 1.0]], np.float32), (0.25, 0.0, 0.75, 0.5))
    pair = np.asarray(with_heat(picture, heat)).astype(int)
    assert pair.shape == (40, 160, 3)
    plain, hot = pair[:, :80], pair[:, 80:]
    assert (plain == (90, 120, 90)).all()
    cold_corner, hot_corner = hot[0, 21], hot[0, 58]
    assert cold_corner[2] > cold_corner[0]
    assert hot_corner[0] > hot_corner[2]
    changed = (hot != plain).any(axis=2)
    assert changed[:20, 20:60].all()
    assert not changed[20:].any()
    assert not changed[:, :20].any()
    assert not changed[:, 60:].any()


def test_a_pair_fits_where_boxes_would() -> None:
    heat = Heat(np.ones((2, 2), np.float32), (0.0, 0.0, 1.0, 1.0))
    example = Example(0, "a.jpg", "truth a / predicted b", heat=heat)
    side = thumbnail_side_px(Gallery("Heat", (example,)))
    for shape in ((28, 28, 3), (300, 40, 3), (40, 300, 3)):
        picture = make_thumbnail(example, np.zeros(shape, np.uint8), side)
        assert picture is not None
        assert max(picture.size) <= side
    assert make_thumbnail(example, None, side) is None
