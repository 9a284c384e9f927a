"""Which keys of a manifest's lines hold the image and the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

METADATA = "-metadata"
_ADVICE = "set attributes to the image's key and the label's key, such as source-ref,class"


def check_attributes(attributes: Sequence[str]) -> tuple[str, str]:
    """(image key, label key) as the user states them. ValueError holds the sentence."""
    if len(attributes) != 2:
        raise ValueError(
            f"{len(attributes)} attributes are given ({', '.join(attributes)}), but it takes two: {_ADVICE}"
        )
    image, label = attributes
    if not image.endswith("-ref"):
        swapped = f"; did you mean {label},{image}?" if label.endswith("-ref") else ""
        raise ValueError(
            f"the first attribute is {image!r}, but it must name the image and end in '-ref'{swapped or '; ' + _ADVICE}"
        )
    if label == image or label.endswith(METADATA):
        raise ValueError(f"the second attribute is {label!r}, but it must name the label: {_ADVICE}")
    return image, label


def infer_attributes(line: Mapping[str, Any]) -> tuple[str, str]:
    """(image key, label key) of a line where only one choice is possible. ValueError names the candidates.

    Ground Truth writes ``NAME-metadata`` beside each label; where it is found, only such keys can be labels.
    """
    keys = [key for key in line if not key.endswith(METADATA)]
    described = [key for key in keys if key + METADATA in line]
    images = [key for key in keys if key.endswith("-ref") and key not in described]
    if "source-ref" in images:
        images = ["source-ref"]
    labels = described or [key for key in keys if not key.endswith("-ref")]
    if len(images) != 1:
        raise ValueError(
            f"{_counted(images, 'image')} (keys that end in '-ref' name images; the line has "
            f"{', '.join(line)[:200]}); {_ADVICE}"
        )
    if len(labels) != 1:
        raise ValueError(f"{_counted(labels, 'label')}; {_ADVICE}")
    return images[0], labels[0]


def _counted(keys: Sequence[str], what: str) -> str:
    return f"no key names the {what}" if not keys else f"{', '.join(keys)} could each name the {what}"
