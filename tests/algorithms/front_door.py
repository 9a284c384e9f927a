"""A process of an algorithm under test: ``python -m tests.algorithms.front_door MODULE CLASS VERB WORD ...``.

VERB is one of ``vision``'s, or ``container`` for the command ``train`` of SageMaker's containers.
"""

from __future__ import annotations

import importlib
import sys

import pytest
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from tests.algorithms.conformance import Conformance


def frozen_statistics(norm: nn.BatchNorm2d, images: Tensor) -> Tensor:
    """Normalize by what was learned before, so that a step does not depend on which images share a process."""
    return batch_norm(images, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)


def main(words: list[str]) -> int:
    module, name, verb, *rest = words
    suite: type[Conformance] = getattr(importlib.import_module(module), name)
    with pytest.MonkeyPatch.context() as patch:
        suite.prepare(patch)
        patch.setattr(nn.BatchNorm2d, "forward", frozen_statistics)
        if verb == "container":
            from vision.sagemaker.train import main as container

            return container(rest)
        from vision.cli.main import main as vision

        return vision([verb, *rest])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
