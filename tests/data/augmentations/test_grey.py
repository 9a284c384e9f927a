from __future__ import annotations

import numpy as np

from vision.data.augmentations.grey import Grey


def test_luminance_keeps_the_channel_axis() -> None:
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]]], np.uint8)
    # 0.299, 0.587, 0.114 of 255.
    assert Grey().apply(image).tolist() == [[[76], [150], [29], [90]]]
