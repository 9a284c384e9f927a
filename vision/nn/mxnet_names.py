"""The map from state-dict keys to MXNet's parameter names, for networks with MXNet's layer names."""

from __future__ import annotations

from torch import nn

_BATCH_NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_var",
}


def mxnet_names(module: nn.Module) -> dict[str, str]:
    """State-dict key -> MXNet name, for every parameter and buffer that MXNet has too.

    Dots become underscores; batch normalization says gamma, beta, moving_mean, moving_var:
    ``stage1_unit1.conv1.weight`` -> ``stage1_unit1_conv1_weight``, ``bn0.running_var`` -> ``bn0_moving_var``.
    Left out: ``num_batches_tracked``, which MXNet does not count, and the gamma of a batch normalization with
    fixed gamma, which we do not have (write ones, ignore what is read). Names ending in ``_moving_mean`` or
    ``_moving_var`` are auxiliary states in a .params file ("aux:"), the others arguments ("arg:").
    """
    names = {}
    for key in module.state_dict():
        path, dot, role = key.rpartition(".")
        if role != "num_batches_tracked":
            theirs = _BATCH_NORM[role] if isinstance(module.get_submodule(path), nn.BatchNorm2d) else role
            names[key] = f"{path}{dot}{theirs}".replace(".", "_")
    return names
