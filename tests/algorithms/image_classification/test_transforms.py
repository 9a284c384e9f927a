from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from vision.algorithms.image_classification.hyperparameters import ImageClassificationHyperparameters
from vision.algorithms.image_classification.transforms import AS_DOCUMENTED, ClassificationTransform, build_transform
from vision.data.image_codec import decode_rgb
from vision.data.readers.recordio import RecordIOReader
from vision.settings.augmentation import AugmentationSettings
from vision.settings.errors import DataError

MXNET = Path(__file__).parents[2] / "fixtures" / "mxnet"
PNG_RECORD = 7
MEAN = np.float32([123.68, 116.779, 103.939])
STD = np.float32([58.393, 57.12, 57.375])
LEVELS = [None, "crop", "crop_color", "crop_color_transform"]


def transform(stage: Any, settings: AugmentationSettings = AS_DOCUMENTED, **values: object) -> ClassificationTransform:
    given = {"num_classes": 5, "num_training_samples": 10, "mini_batch_size": 5, **values}
    return build_transform(ImageClassificationHyperparameters.parse(given), stage, settings)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "values", "mean", "std"),
    [
        ("centercrop28_mean", {"image_shape": "3,28,28"}, MEAN, 1),
        ("resize40_centercrop28_mean_std", {"image_shape": "3,28,28", "resize": "40"}, MEAN, STD),
        ("uint8_centercrop_h36_w52", {"image_shape": "3,36,52"}, 0, 1),
        ("gray_centercrop28", {"image_shape": "1,28,28"}, None, 1),
    ],
)
def test_validation_equals_mxnet(name: str, values: dict[str, str], mean: Any, std: Any) -> None:
    pictures = np.load(MXNET / "small_iter_expected.npz")[name].transpose(0, 2, 3, 1)
    reader, validate = RecordIOReader([MXNET / "small.rec"]), transform("validation", **values)
    assert len(reader) == len(pictures)
    for index, picture in enumerate(pictures):
        image, target = validate(decode_rgb(reader[index].encoded, ""), index, None, "")
        # The iterator's grey pictures are the JPEG's own luminance; ours is computed from RGB (7 levels at most).
        expected = picture if mean is None else picture * std + mean
        tolerance = 1e-3 if index == PNG_RECORD else 3
        assert np.abs(image - expected).max() <= (8 if mean is None else tolerance)
        assert image.dtype == np.uint8
        assert target == index


def test_rotated_by_exif_before_the_crop_as_in_mxnet() -> None:
    expected = np.load(MXNET / "exif_iter_expected_3x40x40_uint8.npy").reshape(3, 40, 40).transpose(1, 2, 0)
    encoded = RecordIOReader([MXNET / "exif.rec"])[0].encoded
    image, _ = transform("validation", image_shape="3,40,40")(decode_rgb(encoded, ""), 0, None, "")
    assert np.abs(image.astype(int) - expected).max() <= 3


def test_inference_squeezes_the_whole_image() -> None:
    picture = noise(30, 90)
    image, _ = transform("inference", image_shape="3,20,40", resize="50")(picture, None, None, "")
    assert np.array_equal(image, cv2.resize(picture, (40, 20), interpolation=cv2.INTER_LINEAR))


def test_without_augmentation_type_training_cuts_out_the_centre() -> None:
    picture = noise(33, 37)
    image, _ = transform("train", image_shape="3,28,28")(picture, 0, 5, "")
    assert np.array_equal(image, picture[2:30, 4:32])


def test_crop_positions_and_flips_are_uniform_and_independent() -> None:
    # Each pixel tells its row and column.
    rows, columns = np.mgrid[0:31, 0:30].astype(np.uint8)
    picture = np.stack([rows, columns, columns], axis=2)
    augment = transform("train", image_shape="3,28,28", augmentation_type="crop")
    counts = np.zeros((4, 3, 2))
    for seed in range(4800):
        image, _ = augment(picture, 0, seed, "")
        top, left, right = image[0, 0, 0], image[0, 0, 1], image[0, -1, 1]
        assert np.array_equal(np.sort(image[0, :, 1]), np.arange(min(left, right), min(left, right) + 28))
        counts[top, min(left, right), int(right < left)] += 1
    assert chisquare(counts.ravel()).pvalue > 0.01


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("channels", [1, 3])
@given(seed=st.integers(0, 2**63 - 1), spare=st.tuples(st.integers(0, 40), st.integers(0, 40)))
@hypothesis_settings(deadline=None, max_examples=25)
def test_every_level_gives_the_shape_and_repeats_with_the_seed(
    level: str | None, channels: int, seed: int, spare: tuple[int, int]
) -> None:
    picture = noise(28 + spare[0], 36 + spare[1], seed % 1000)
    before = picture.copy()
    augment = transform("train", image_shape=f"{channels},28,36", augmentation_type=level or "")
    image, target = augment(picture, "label", seed, "")
    assert image.shape == (28, 36, channels)
    assert image.dtype == np.uint8
    assert target == "label"
    assert np.array_equal(picture, before)
    assert np.array_equal(image, pickle.loads(pickle.dumps(augment))(picture, "label", seed, "")[0])


def test_levels_build_on_each_other() -> None:
    def colours(level: str) -> set[tuple[int, ...]]:
        augment = transform("train", image_shape="3,28,28", augmentation_type=level)
        picture = np.full((40, 40, 3), (90, 120, 60), np.uint8)
        return {tuple(augment(picture, 0, seed, "")[0][14, 14]) for seed in range(50)}

    assert colours("crop") == {(90, 120, 60)}
    assert len(colours("crop_color")) > 40
    # Only the third level turns the picture, and so shows the fill in a corner of a picture it just covers.
    white = np.full((28, 28, 3), 255, np.uint8)
    corners = {
        level: {
            int(transform("train", image_shape="3,28,28", augmentation_type=level)(white, 0, seed, "")[0].min())
            for seed in range(50)
        }
        for level in ("crop_color", "crop_color_transform")
    }
    assert min(corners["crop_color"]) > 200
    assert min(corners["crop_color_transform"]) < 140


def test_threads_share_one_transform() -> None:
    augment = transform("train", image_shape="3,28,28", augmentation_type="crop_color_transform")
    picture = noise(40, 40)
    alone = [augment(picture, 0, seed, "")[0] for seed in range(200)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: augment(picture, 0, seed, "")[0], range(200)))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


@pytest.mark.parametrize("level", LEVELS)
def test_training_on_an_image_smaller_than_image_shape_fails_in_a_sentence(level: str | None) -> None:
    augment = transform("train", image_shape="3,36,52", augmentation_type=level or "")
    with pytest.raises(DataError) as caught:
        augment(noise(40, 50), 0, 1, "train.rec record 9")
    assert str(caught.value) == (
        "train.rec record 9: the image is 50 wide and 40 high, smaller than image_shape asks for (52 wide, 36 high);"
        " set run.enlarge_small_images=true to enlarge such images, hp.resize=52 or more to resize all, or choose a"
        " smaller image_shape"
    )
    enlarged, _ = transform("train", image_shape="3,36,52", augmentation_type=level or "", resize="52")(
        noise(40, 50), 0, 1, ""
    )
    assert enlarged.shape == (36, 52, 3)


@pytest.mark.parametrize("level", LEVELS)
def test_small_images_are_enlarged_if_asked_and_others_are_what_they_were(level: str | None) -> None:
    values = {"image_shape": "3,36,52", "augmentation_type": level or ""}
    enlarging = transform("train", AugmentationSettings(enlarge_small_images=True), **values)
    assert enlarging(noise(40, 50), 0, 1, "")[0].shape == (36, 52, 3)
    assert enlarging(noise(3, 200), 0, 1, "")[0].shape == (36, 52, 3)
    large = noise(60, 70)
    assert np.array_equal(enlarging(large, 0, 1, "")[0], transform("train", **values)(large, 0, 1, "")[0])


@pytest.mark.parametrize("resize", ["", "300"])
def test_a_window_cut_at_random_is_scaled_to_image_shape(resize: str) -> None:
    settings = AugmentationSettings(random_resized_crop=0.4)
    for window in (noise(30, 40), noise(500, 400)):
        scaled, _ = transform("train", settings, image_shape="3,36,52", resize=resize)(window, 0, 1, "")
        assert np.array_equal(scaled, cv2.resize(window, (52, 36)))


@pytest.mark.parametrize(("stage", "resize"), [("train", "256"), ("validation", "256"), ("validation", "")])
def test_a_thread_of_an_image_fails_in_a_sentence(stage: str, resize: str) -> None:
    with pytest.raises(DataError, match=r"^a\.jpg: the image is so long and narrow .* 256|224"):
        transform(stage, image_shape="3,224,224", resize=resize)(np.zeros((1, 60000, 3), np.uint8), 0, 1, "a.jpg")
