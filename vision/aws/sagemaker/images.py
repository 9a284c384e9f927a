"""Which algorithm an image of a request means: SageMaker's own regional images, and images of this package."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vision import algorithms
from vision.sagemaker.container_job import ALGORITHM_VARIABLE
from vision.settings.errors import UserError
from vision.settings.nearest import shown

# REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST
_IMAGE = re.compile(r"(?:[\w.-]+(?::\d+)?/)?(?P<repository>[\w./-]+?)(?:[:@].*)?")
_OWN = "vision"


def algorithm_of(image: str, environment: Mapping[str, str]) -> str:
    """Return the name of the algorithm. Raises UserError for an image that is none of these.

    An image of this package is named ``vision``, ``vision-image-classification`` and so on; the first needs
    VISION_ALGORITHM in ``environment``.
    """
    found = _IMAGE.fullmatch(image)
    repository = "" if found is None else found["repository"].rpartition("/")[2]
    hyphened = {name.replace("_", "-"): name for name in algorithms.names()}
    bare = repository.removeprefix(f"{_OWN}-")
    if bare in hyphened:
        return hyphened[bare]
    if repository.startswith(_OWN) and ALGORITHM_VARIABLE in environment:
        return algorithms.full_name(environment[ALGORITHM_VARIABLE])
    known = ", ".join(hyphened)
    raise UserError(
        f"image {shown(image)} cannot run here: allowed are SageMaker's images of {known}, and images named vision-NAME"
        f" after one of them, or vision with {ALGORITHM_VARIABLE} in the job's Environment"
    )
