"""A DataLoader with the transforms of torchvision's reference (references/segmentation), on the same pairs."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
import torchvision
from answering import Pipe, answer
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode, RandomCrop
from torchvision.transforms import functional as F

pipe = Pipe()
hyperparameters = pipe.job["hyperparameters"]
# Its base size is of the short side; ours, 520 as well, of the long one, so that both crop images of the same sizes.
BASE_PX = 520 * 360 // 480
CROP_PX = hyperparameters["crop_size"]


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Decodes with Pillow, scales, mirrors, crops and normalizes, as SegmentationPresetTrain does."""

    def __init__(self, images: Path, masks: Path) -> None:
        self.images = sorted(images.iterdir())
        self.masks = sorted(masks.iterdir())

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, mask = Image.open(self.images[index]).convert("RGB"), Image.open(self.masks[index])
        size = random.randint(BASE_PX // 2, BASE_PX * 2)
        image = F.resize(image, [size], antialias=True)
        mask = F.resize(mask, [size], interpolation=InterpolationMode.NEAREST)
        if random.random() < 0.5:
            image, mask = F.hflip(image), F.hflip(mask)
        short = min(image.size)
        if short < CROP_PX:
            padding = [0, 0, max(CROP_PX - image.width, 0), max(CROP_PX - image.height, 0)]
            image, mask = F.pad(image, padding, fill=0), F.pad(mask, padding, fill=255)
        place = RandomCrop.get_params(image, (CROP_PX, CROP_PX))
        image, mask = F.crop(image, *place), F.crop(mask, *place)
        values = F.convert_image_dtype(F.pil_to_tensor(image), torch.float)
        values = F.normalize(values, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
        return values, torch.from_numpy(np.array(mask)).long()


channels = pipe.job["channels"]
loader = DataLoader(
    Pairs(Path(channels["train"]), Path(channels["train_annotation"])),
    batch_size=hyperparameters["mini_batch_size"],
    shuffle=True,
    drop_last=True,
)
batches = iter(loader)


def next_batch() -> tuple[Tensor, Tensor]:
    global batches
    batch = next(batches, None)
    if batch is None:
        batches = iter(loader)
        batch = next(batches)
    return batch


assert next_batch()[1].shape[1:] == (CROP_PX, CROP_PX)
pipe.ready(torchvision=torchvision.__version__)
answer(pipe, next_batch)
