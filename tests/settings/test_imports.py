"""Settings are checked before anything heavy is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "torchvision", "pytorch_lightning", "albumentations", "cv2", "numpy", "hydra"}


@pytest.mark.parametrize(
    "statement",
    [
        "import vision, os; assert os.environ['NO_ALBUMENTATIONS_UPDATE'] == '1'; vision.__version__",
        "import vision.algorithms as a; [a.facts_of(name).hyperparameters.rows() for name in a.names()]",
        "from vision.settings import job, run, channels; run.RunSettings.parse({})",
    ],
)
def test_nothing_heavy_is_imported(statement: str) -> None:
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY.intersection(done.stdout.split())
