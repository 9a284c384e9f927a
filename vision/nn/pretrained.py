"""Published weights: found or downloaded, checked, read and filled into a network.

A .pth file whose name carries a hash must match it. A plain name (resnet18.pth, in the folder of the settings only)
and a .safetensors file, whose hash is another, are trusted as given.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vision.nn.weights_files import PUBLISHED, PUBLISHED_COCO, WeightsFile, candidates
from vision.settings.errors import UserError
from vision.settings.regular_file import open_regular
from vision.settings.run import WEIGHTS_VARIABLE

log = logging.getLogger(__name__)

_TIMEOUT_S = 10


@dataclass(frozen=True)
class PretrainedWeights:
    """``state_dict`` with torchvision's keys, from ``file``; ``variant`` is torchvision's name of the set.

    ``images`` names the images they were trained on.
    """

    images: str
    network: str
    variant: str
    file: Path
    state_dict: dict[str, Tensor]

    def __str__(self) -> str:
        return f"{self.images} weights for {self.network} ({self.variant}) from {self.file}."


def load_imagenet(network: str, folder: Path | None) -> PretrainedWeights:
    """Return the weights of ``network`` ("resnet50", "vgg16"), from ``folder`` if it has them.

    Raises UserError: no such weights exist, none can be had, or a file is damaged.
    """
    return _load("ImageNet", PUBLISHED, network, folder)


def load_coco(network: str, folder: Path | None) -> PretrainedWeights:
    """Return the weights of a whole segmentation network ("fcn_resnet50"), as ``load_imagenet`` does."""
    return _load("COCO", PUBLISHED_COCO, network, folder)


def _load(
    images: str, published: Mapping[str, tuple[WeightsFile, ...]], network: str, folder: Path | None
) -> PretrainedWeights:
    if network not in published:
        raise UserError(
            f"There are no {images} weights for {network}; they exist for {', '.join(published)}:"
            f" take one of those, or train from scratch with use_pretrained_model=0."
        )
    files = published[network]
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    for file, known in candidates(network, files, folder, cache):
        if file.is_file():
            state = _read(file, known)
            if _is_untrained(state):
                log.warning(
                    "%s holds no trained weights: all running means of its batch normalization are 0, as in a new "
                    "network; replace it by the published file",
                    file,
                )
            return PretrainedWeights(images, network, known.variant, file, state)
    target = cache / f"{files[0].stem}.pth"
    try:
        _download(network, files[0], target)
    except (OSError, RuntimeError) as error:
        names = " or ".join(f"{known.stem}.pth" for known in files)
        looked = f"{folder} and {cache}" if folder is not None else str(cache)
        raise UserError(
            f"{images} weights for {network} are neither in {looked} nor can they be downloaded ({error}): put"
            f" {names} into {folder or cache} (run.weights_folder or {WEIGHTS_VARIABLE} may name any folder),"
            f" or train from scratch with use_pretrained_model=0."
        ) from error
    return PretrainedWeights(images, network, files[0].variant, target, _read(target, files[0]))


def _read(file: Path, known: WeightsFile) -> dict[str, Tensor]:
    """Return the tensors of a file after comparing its digest with its name."""
    if file.suffix == ".pth" and "-" in known.stem:
        digest = _sha256(file)
        if not digest.startswith(known.sha256_prefix):
            raise UserError(
                f"{file} is damaged or another file: its SHA-256 starts with {digest[:8]}, not with"
                f" {known.sha256_prefix} as its name says; delete it and download it again."
            )
    return read_weights(file)


def read_weights(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors or .pth file by name; nothing in it is executed. Raises UserError."""
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
    # Whatever a reader stumbles over, in bytes that may be anything, means the same to the user.
    except Exception as error:
        raise UserError(
            f"{file} cannot be read as weights ({type(error).__name__}): it must be a PyTorch state dict of"
            f" plain tensors; replace it or delete it."
        ) from error
    tensors = isinstance(state, Mapping) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    )
    if not tensors:
        raise UserError(
            f"{file} holds a {type(state).__name__} that is no state dict (name -> tensor): save the"
            f" network's state_dict() under that name."
        )
    return dict(state)


def _is_untrained(state: Mapping[str, Tensor]) -> bool:
    """Return whether batch normalization has never seen an image."""
    means = [value for key, value in state.items() if key.endswith("running_mean")]
    return bool(means) and not any(bool(mean.any()) for mean in means)


def _sha256(file: Path) -> str:
    with open_regular(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _url(network: str, known: WeightsFile) -> str:
    """torchvision knows the address; importing it takes seconds, so this is left to the last moment."""
    from torchvision.models import get_model_weights

    return str(get_model_weights(network)[known.variant].url)


def _download(network: str, known: WeightsFile, target: Path) -> None:
    url = _url(network, known)
    # The transfer itself has no timeout, so a network that swallows packets must show here.
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_TIMEOUT_S):
        pass
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.hub.download_url_to_file(url, str(target), known.sha256_prefix, progress=sys.stderr.isatty())


def copy_weights(state: Mapping[str, Tensor], network: nn.Module, file: Path) -> None:
    """Fill ``network`` with tensors of the same names and shapes; ``file`` is where they come from.

    Counters of batches seen may be missing, as in files of old PyTorch versions; all else must fit.
    """
    ours = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    problems = [f"{key} is missing" for key in ours if key not in state]
    problems += [
        f"{key} has shape {list(state[key].shape)} instead of {list(value.shape)}"
        for key, value in ours.items()
        if key in state and state[key].shape != value.shape
    ]
    known = network.state_dict().keys()
    problems += [f"{key} is not in the network" for key in state if key not in known]
    if problems:
        more = f" and {len(problems) - 3} more problems" if len(problems) > 3 else ""
        raise UserError(
            f"{file} does not fit the network: {', '.join(problems[:3])}{more}; give the file of the network"
            f" that the settings name."
        )
    network.load_state_dict(dict(state))
