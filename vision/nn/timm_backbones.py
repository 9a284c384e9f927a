"""The networks of timm (PyTorch Image Models) with weights from a folder or timm's own cache: the extra ``timm``."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from torch import Tensor, nn

from vision.nn.backbones import Backbones
from vision.nn.pretrained import copy_weights, read_weights
from vision.settings.errors import UserError
from vision.settings.nearest import nearest, shown

if TYPE_CHECKING:
    from types import ModuleType

# Of a network named by a stranger's file: 2 GiB of float32 weights.
MOST_WEIGHTS = 2**29
_HUB_FILE = "model.safetensors"
_CONNECT_SECONDS = 5


def _timm() -> ModuleType:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise UserError(
            "run.backbone=timm:NAME needs timm, which is not installed: pip install 'vision[timm]'"
        ) from error
    return timm


class TimmBackbones(Backbones):
    """NAME is one of ``timm.list_models()``, or has a tag of trained weights behind a dot."""

    @property
    def version(self) -> str:  # type: ignore[override]
        """timm's version."""
        return str(_timm().__version__)

    def check(self, name: str) -> None:
        timm = _timm()
        if timm.is_model(name) and ("." not in name or name in timm.list_pretrained()):
            return
        known = timm.list_pretrained() if timm.is_model(name) else timm.list_models()
        match = nearest(name, known)
        advice = f"did you mean timm:{match}?" if match else "timm.list_models() lists them."
        raise UserError(f"Run setting backbone is timm:{name[:100]}, but timm has no network {shown(name)}: {advice}")

    def pixel_scale(self, name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        found = _config(name)
        mean, std = (tuple(255 * float(value) for value in values) for values in (found.mean, found.std))
        return mean, std

    def build(self, name: str, size_px: tuple[int, int], num_classes: int) -> nn.Module:
        self.check(name)
        return _create(name, size_px, num_classes, {})

    def head(self, name: str) -> tuple[str, ...]:
        found = _config(name).classifier
        return (found,) if isinstance(found, str) else tuple(found or ())

    def stage_modules(self, network: nn.Module) -> tuple[str, ...]:
        # Most networks say where their feature maps come from; the others have one stage.
        described = getattr(network, "feature_info", None) or []
        return tuple(part["module"] for part in described)

    def embed(self, network: nn.Module, x: Tensor) -> Tensor:
        features: Tensor = network.forward_features(x)  # type: ignore[operator]
        # What a classifier of timm reads before its last layer: transformers pool their tokens in ways of their own.
        vectors: Tensor = network.forward_head(features, pre_logits=True)  # type: ignore[operator]
        return vectors

    def load_pretrained(self, name: str, network: nn.Module, size_px: tuple[int, int], folder: Path | None) -> str:
        file = _find(name, folder)
        state = read_weights(file)
        head = tuple(f"{module}." for module in self.head(name))
        own = network.state_dict()
        kept = {key: value for key, value in own.items() if key.startswith(head)}
        below = _below(state, head)
        if _differ(below, _below(own, head)):
            # Positions of another image size, or names of an earlier version: timm knows how to adapt them.
            adapted = _below(_adapted(name, size_px, state, file), head)
            below = adapted if _taken(adapted, state) else below
        copy_weights(below | kept, network, file)
        return f"Trained weights for timm:{name} from {file}."


TIMM = TimmBackbones()


def _config(name: str) -> Any:
    found = _timm().get_pretrained_cfg(name, allow_unregistered=False)
    assert found is not None, "every network that check() lets through has one"
    return found


def _create(name: str, size_px: tuple[int, int] | None, num_classes: int, given: Mapping[str, object]) -> nn.Module:
    timm = _timm()
    settings: dict[str, object] = dict(given)
    if size_px is not None and _config(name).fixed_input_size:
        settings["img_size"] = size_px
    try:
        network: nn.Module = timm.create_model(name, num_classes=num_classes, **settings)
    # Each network checks its image size in its own way.
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        raise UserError(
            f"timm:{name} cannot be built for images of {size_px}: {str(error)[:200]}; give another hp.image_shape."
        ) from error
    if sum(weight.numel() for weight in network.parameters()) > MOST_WEIGHTS:
        raise UserError(f"timm:{name} has more than {MOST_WEIGHTS} weights, the most that are allowed.")
    return network


def _differ(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> bool:
    return given.keys() != own.keys() or any(given[key].shape != value.shape for key, value in own.items())


def _below(state: Mapping[str, Tensor], head: tuple[str, ...]) -> dict[str, Tensor]:
    """Return what lies below the head."""
    return {key: value for key, value in state.items() if not key.startswith(head)}


def _adapted(name: str, size_px: tuple[int, int], state: dict[str, Tensor], file: Path) -> dict[str, Tensor]:
    """Return the weights of a network that timm filled from the state."""
    try:
        overlay = {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": dict(state)}}
        return _create(name, size_px, 1, overlay).state_dict()
    # timm takes the file for one of its own; whatever it stumbles over in another, means the same to the user.
    except Exception as error:
        raise UserError(f"{file} does not fit timm:{name} ({type(error).__name__}: {str(error)[:200]})") from error


def _taken(adapted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> bool:
    """Return whether most of the tensors come from the state: timm fills what fits and leaves the rest at random."""
    known = {(tuple(value.shape), float(value.double().sum())) for value in state.values()}
    found = [(tuple(value.shape), float(value.double().sum())) in known for value in adapted.values()]
    return sum(found) * 2 > len(found)


def _find(name: str, folder: Path | None) -> Path:
    """Return the file of trained weights, from the folder, timm's cache or its hub. Raises UserError."""
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    config = _config(name)
    stems = dict.fromkeys((name, f"{config.architecture}.{config.tag}", config.architecture))
    files = [f"{stem}.{suffix}" for stem in stems for suffix in ("safetensors", "pth")]
    found = next((folder / file for file in files if (folder / file).is_file()), None) if folder is not None else None
    if found is not None:
        return found
    hub = config.hf_hub_id
    if not hub:
        raise UserError(f"timm has no trained weights for {name}: set hp.use_pretrained_model=0.")
    cached = huggingface_hub.try_to_load_from_cache(hub, _HUB_FILE)
    if isinstance(cached, str):
        return Path(cached)
    try:
        if not huggingface_hub.constants.HF_HUB_OFFLINE:
            _connect(huggingface_hub.constants.ENDPOINT)
        return Path(huggingface_hub.hf_hub_download(hub, _HUB_FILE))
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        place = f"{folder} holds none of {', '.join(files)}" if folder is not None else "run.weights_folder is unset"
        raise UserError(
            f"Trained weights for timm:{name} cannot be downloaded from {hub} ({type(error).__name__}), and {place}: "
            f"put {files[0]} into a folder and name it by run.weights_folder, or train from scratch with "
            "hp.use_pretrained_model=0."
        ) from error


def _connect(url: str) -> None:
    """Raise OSError where a server cannot be reached, which the hub's own client tries six times in 24 seconds."""
    place = urlsplit(url)
    # Behind a proxy this machine need not know the server.
    if place.hostname and place.scheme not in getproxies():
        port = place.port or (80 if place.scheme == "http" else 443)
        socket.create_connection((place.hostname, port), _CONNECT_SECONDS).close()
