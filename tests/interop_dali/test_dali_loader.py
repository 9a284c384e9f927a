"""The DALI loader beside the standard one, on the same records; ``scripts/test.sh dali`` makes the environment."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from vision import algorithms
from vision.algorithms.image_classification.targets import LabelDecoder
from vision.data.collate import Batch
from vision.data.dali.loader import DaliLoader, DaliSettings
from vision.data.dataset import ImageDataset
from vision.data.readers.recordio import RecordIOReader
from vision.data.recordio.record import pack
from vision.data.recordio.writer import RecordIOWriter
from vision.data.sampler import TrainSampler
from vision.settings.errors import UserError

IMAGES, BATCH, SIDE = 64, 16, 64
# The tag in a photograph's EXIF.
ORIENTATION = 0x0112
SETTINGS = DaliSettings(threads=1, on_gpu=torch.cuda.is_available())


def smooth_picture(random: np.random.Generator) -> np.ndarray:
    """Shades and edges; resizers and JPEG decoders differ little on them. Wider or higher by chance."""
    height, width = (int(side) for side in random.integers(90, 160, 2))
    coarse = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("records") / "train.rec"
    random = np.random.default_rng(0)
    with RecordIOWriter(path) as writer:
        for number in range(IMAGES):
            kind = ".png" if number % 4 == 0 else ".jpg"
            encoded = cv2.imencode(kind, smooth_picture(random))[1].tobytes()
            writer.write(number, pack(float(number % 10), number, encoded))
    return path


def dataset(records: Path, level: str | None, image_shape: str = f"3,{SIDE},{SIDE}") -> ImageDataset:
    algorithm = algorithms.get("image_classification")
    given = {"num_classes": 10, "num_training_samples": IMAGES, "image_shape": image_shape, "resize": 80}
    hp = algorithm.facts.hyperparameters.parse(given | ({} if level is None else {"augmentation_type": level}))
    transform = algorithm.transform(hp, "train")
    return ImageDataset(
        RecordIOReader([records]), LabelDecoder(10, False), transform, algorithm.collate_targets, replace_broken=True
    )


def both(data: ImageDataset, epochs: int, **sampling: int) -> list[tuple[Batch, Batch]]:
    """Batches of the standard and of the DALI loader, in pairs."""
    ours = TrainSampler(IMAGES, BATCH, seed=3, **sampling)
    loader = DaliLoader(data, TrainSampler(IMAGES, BATCH, seed=3, **sampling), SETTINGS)
    pairs = [(data.__getitems__(draw), batch) for _ in range(epochs) for draw, batch in zip(ours, loader, strict=True)]
    return [(expected, found._replace(images=found.images.cpu())) for expected, found in pairs]


@pytest.mark.parametrize("level", [None, "crop", "crop_color", "crop_color_transform"])
def test_every_batch_is_the_standard_loaders_but_for_the_resizers_arithmetic(records: Path, level: str | None) -> None:
    for expected, found in both(dataset(records, level), epochs=2):
        assert torch.equal(found.indices, expected.indices)
        assert torch.equal(found.targets, expected.targets)
        assert found.images.shape == expected.images.shape
        assert found.images.is_contiguous(memory_format=torch.channels_last)
        difference = (found.images.float() - expected.images.float()).abs()
        # Each image by itself: another crop, flip or colour would differ by tens of levels.
        assert difference.mean(dim=(1, 2, 3)).max() < 3.0, difference.mean(dim=(1, 2, 3))


@pytest.mark.parametrize("level", ["crop", "crop_color_transform"])
def test_turned_photographs_are_upright(level: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    with RecordIOWriter(tmp_path / "train.rec") as writer:
        for number in range(IMAGES):
            picture, exif = Image.fromarray(smooth_picture(random)), Image.Exif()
            exif[ORIENTATION] = 1 + number % 8
            file = BytesIO()
            picture.save(file, "JPEG", exif=exif)
            writer.write(number, pack(0.0, number, file.getvalue()))
    for expected, found in both(dataset(tmp_path / "train.rec", level), epochs=1):
        difference = (found.images.float() - expected.images.float()).abs()
        assert difference.mean(dim=(1, 2, 3)).max() < 3.0, difference.mean(dim=(1, 2, 3))


@pytest.mark.parametrize("level", ["crop", "crop_color", "crop_color_transform"])
def test_pixels_have_the_same_mean_and_spread(records: Path, level: str) -> None:
    pairs = both(dataset(records, level), epochs=4)
    ours, dalis = (torch.cat([pair[side].images for pair in pairs]).float() for side in (0, 1))
    assert (ours.mean((0, 2, 3)) - dalis.mean((0, 2, 3))).abs().max() < 0.5
    assert (ours.std((0, 2, 3)) / dalis.std((0, 2, 3)) - 1).abs().max() < 0.01


def test_processes_and_resumed_runs_get_the_standard_loaders_share(records: Path) -> None:
    for sampling in ({"rank": 1, "world": 2}, {"batches_done": 2}):
        pairs = both(dataset(records, "crop"), epochs=1, **sampling)
        assert [pair[1].indices.tolist() for pair in pairs] == [pair[0].indices.tolist() for pair in pairs]
        assert pairs[0][1].images.sub(pairs[0][0].images.float()).abs().mean() < 3.0


def test_grey_images_have_one_channel(records: Path) -> None:
    (expected, found), *_ = both(dataset(records, "crop", f"1,{SIDE},{SIDE}"), epochs=1)
    assert found.images.shape == (BATCH, 1, SIDE, SIDE)
    assert (found.images.float() - expected.images.float()).abs().mean() < 3.0


def test_a_file_that_is_no_image_is_replaced_and_named(records: Path, tmp_path: Path) -> None:
    broken = tmp_path / "train.rec"
    source = RecordIOReader([records])
    with RecordIOWriter(broken) as writer:
        for number in range(IMAGES):
            encoded = b"no image" if number == 5 else bytes(source[number].encoded)
            writer.write(number, pack(float(number % 10), number, encoded))
    for expected, found in both(dataset(broken, "crop"), epochs=1):
        assert torch.equal(found.indices, expected.indices)
        assert found.broken == expected.broken


def test_an_image_that_breaks_while_it_is_decoded_ends_the_run_with_a_sentence(records: Path, tmp_path: Path) -> None:
    broken = tmp_path / "train.rec"
    source = RecordIOReader([records])
    with RecordIOWriter(broken) as writer:
        for number in range(IMAGES):
            encoded = bytes(source[number].encoded)
            if number == 4:
                # A PNG whose compressed pixels are not what their checksum says.
                encoded = encoded[:200] + bytes(100) + encoded[300:]
            writer.write(number, pack(float(number % 10), number, encoded))
    with pytest.raises(UserError, match=r"DALI could not make a batch of .*train\.rec record .*run\.loader=standard"):
        both(dataset(broken, "crop"), epochs=1)
