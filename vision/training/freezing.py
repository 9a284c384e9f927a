"""Which parameters of a network are not trained, and which batch normalizations stay as they are."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from vision.nn.stages import Stages, is_in
from vision.settings.errors import SettingsError
from vision.settings.learning import BASE, LearningSettings

log = logging.getLogger(__name__)
_MAX_SHOWN = 6


class Freezing:
    """What ``run.freeze`` and ``run.freeze_batch_norm`` hold fixed in one network. Raises SettingsError.

    Batch normalizations that are held are kept in evaluation mode, so that their statistics stay, too. They are known
    by name, as training on several GPUs may put synchronized ones in their place.
    """

    def __init__(self, network: nn.Module, learning: LearningSettings, stages: Stages) -> None:
        chosen = _chosen(network, learning, stages)
        norms = {name: module for name, module in network.named_modules() if isinstance(module, _BatchNorm)}
        self._network = network
        self._epochs = learning.freeze_epochs
        self._fixed_norms = _norms_of_base(norms, stages) if learning.freeze_batch_norm else []
        self._norms = [
            name
            for name, module in norms.items()
            if name not in self._fixed_norms and _holds_all_of(chosen, name, module)
        ]
        fixed = {id(parameter) for name in self._fixed_norms for parameter in norms[name].parameters()}
        self._parameters = [
            parameter
            for name, parameter in network.named_parameters()
            # What is frozen for another reason is never thawed.
            if name in chosen and id(parameter) not in fixed and parameter.requires_grad
        ]
        if chosen:
            log.info("%d of %d parameters are frozen", len(chosen), sum(1 for _ in network.parameters()))

    @property
    def thaws(self) -> bool:
        """Whether parameters that are frozen at first are trained later."""
        return self._epochs is not None and bool(self._parameters)

    def apply(self, epoch: int) -> None:
        """Freeze what is frozen in an epoch, counted from 0, and thaw what no longer is."""
        holds = self._epochs is None or epoch < self._epochs
        for parameter in self._parameters:
            parameter.requires_grad_(not holds)
        for name in self._norms:
            self._network.get_submodule(name).train(not holds)
        for name in self._fixed_norms:
            self._network.get_submodule(name).requires_grad_(False).eval()


def _chosen(network: nn.Module, learning: LearningSettings, stages: Stages) -> frozenset[str]:
    """Return the names of the parameters that ``run.freeze`` names."""
    freeze, names = learning.freeze, [name for name, _ in network.named_parameters()]
    if freeze is None:
        return frozenset()
    count = learning.frozen_stages
    if (freeze == BASE or count is not None) and not stages:
        raise SettingsError(
            [
                f"Run setting freeze is {freeze}, but this network has no base network apart from its head: give a "
                f"regular expression for parameter names ({_some(names)})"
            ]
        )
    if count is not None and count > len(stages):
        raise SettingsError(
            [f"Run setting freeze is {count}, but this network has {len(stages)} stages: give at most {len(stages)}"]
        )
    if freeze == BASE or count is not None:
        return frozenset(name for name in names if is_in(name, stages[:count]))
    found = frozenset(name for name in names if re.match(freeze, name))
    if not found:
        raise SettingsError(
            [
                f"Run setting freeze is {freeze!r}, which matches the beginning of no parameter; they are called "
                f"{_some(names)}: change it, or give {BASE} or a number of stages"
            ]
        )
    return found


def _some(names: list[str]) -> str:
    return f"{', '.join(names[:: max(len(names) // _MAX_SHOWN, 1)][:_MAX_SHOWN])}, ..."


def _norms_of_base(norms: Mapping[str, _BatchNorm], stages: Stages) -> list[str]:
    """Return the names of the base network's batch normalizations, whose statistics must come from training."""
    # A stage may name modules or single parameters.
    inside = {
        name: norm for name, norm in norms.items() if any(is_in(f"{name}.{own}", stages) for own in norm.state_dict())
    }
    means = {name: norm.running_mean for name, norm in inside.items()}
    found = {name: mean for name, mean in means.items() if mean is not None}
    if not found:
        raise SettingsError(
            ["Run setting freeze_batch_norm is true, but this base network has no batch normalization: leave it out"]
        )
    if not any(bool(mean.any()) for mean in found.values()):
        raise SettingsError(
            [
                "Run setting freeze_batch_norm is true, but this base network is untrained: its statistics are still "
                "0 and 1, with which nothing would be normalized. Start from trained weights "
                "(hp.use_pretrained_model=1 or channels.model.path=PATH), or leave it out"
            ]
        )
    return list(found)


def _holds_all_of(chosen: frozenset[str], name: str, module: nn.Module) -> bool:
    names = [f"{name}.{own}" for own, _ in module.named_parameters()]
    return bool(names) and chosen.issuperset(names)
