"""Published weights: which files hold them and where they are looked for. Needs no torch.

They are torchvision's. Looked for in the folder of the settings, then in torch's own cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WeightsFile:
    """One published set: torchvision's name for it; its file's name, ending in 8 digits of its SHA-256."""

    variant: str
    stem: str

    @property
    def sha256_prefix(self) -> str:
        return self.stem.rpartition("-")[2]


# V1 comes first: all depths have it, so they stay comparable. V2 serves if it alone is there.
PUBLISHED: dict[str, tuple[WeightsFile, ...]] = {
    "resnet18": (WeightsFile("IMAGENET1K_V1", "resnet18-f37072fd"),),
    "resnet34": (WeightsFile("IMAGENET1K_V1", "resnet34-b627a593"),),
    "resnet50": (
        WeightsFile("IMAGENET1K_V1", "resnet50-0676ba61"),
        WeightsFile("IMAGENET1K_V2", "resnet50-11ad3fa6"),
    ),
    "resnet101": (
        WeightsFile("IMAGENET1K_V1", "resnet101-63fe2227"),
        WeightsFile("IMAGENET1K_V2", "resnet101-cd907fc2"),
    ),
    "resnet152": (
        WeightsFile("IMAGENET1K_V1", "resnet152-394f9c45"),
        WeightsFile("IMAGENET1K_V2", "resnet152-f82ba261"),
    ),
    "vgg16": (WeightsFile("IMAGENET1K_V1", "vgg16-397923af"),),
}
# Whole segmentation networks, of the images of COCO and the 21 classes of VOC.
PUBLISHED_COCO: dict[str, tuple[WeightsFile, ...]] = {
    "fcn_resnet50": (WeightsFile("COCO_WITH_VOC_LABELS_V1", "fcn_resnet50_coco-1167a1af"),),
    "fcn_resnet101": (WeightsFile("COCO_WITH_VOC_LABELS_V1", "fcn_resnet101_coco-7ecb50ca"),),
    "deeplabv3_resnet50": (WeightsFile("COCO_WITH_VOC_LABELS_V1", "deeplabv3_resnet50_coco-cd0a2569"),),
    "deeplabv3_resnet101": (WeightsFile("COCO_WITH_VOC_LABELS_V1", "deeplabv3_resnet101_coco-586e9e4e"),),
}


def candidates(
    network: str, files: tuple[WeightsFile, ...], folder: Path | None, cache: Path
) -> Iterator[tuple[Path, WeightsFile]]:
    """Yield the files that would do, best first. Only the user's own folder may hold one without a hash in its name."""
    own = WeightsFile("as given", network)
    for place, known_here in ((folder, (*files, own)), (cache, files)):
        if place is not None:
            for known in known_here:
                yield place / f"{known.stem}.pth", known
                yield place / f"{known.stem}.safetensors", known


def torch_cache() -> Path:
    """Return the folder in which torch keeps downloaded weights, unless a program has set another."""
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(caches, "torch"))
    return Path(os.path.expanduser(home)) / "hub" / "checkpoints"


def find_imagenet(network: str, folder: Path | None) -> Path | None:
    """Return the file of ImageNet weights that training would take for ``network``; None if none is on this machine."""
    files = PUBLISHED.get(network, ())
    return next((file for file, _ in candidates(network, files, folder, torch_cache()) if file.is_file()), None)
