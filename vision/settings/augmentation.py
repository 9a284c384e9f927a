"""Run settings of what is done to training images beyond the hyperparameters, and of how often each is drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from vision.settings.errors import UserError
from vision.settings.file_names import local_path
from vision.settings.form import Form
from vision.settings.regular_file import open_regular_text
from vision.settings.strict_json import parse_json
from vision.settings.table import SettingsTable

_LARGEST_FILE = 1_000_000
_REMEDY = "give a file that albumentations.save wrote"


class AugmentationSettings(SettingsTable):
    """Options that are all off unless given, and each of use by itself."""

    augmentation: str | None = Field(
        default=None,
        description="albumentations pipeline for training images as they were decoded; boxes and masks follow",
        examples=["augmentation.yaml"],
        json_schema_extra={"note": "a JSON or YAML file of albumentations.save"},
    )
    random_resized_crop: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="cut a random window of at least this share out of training images; classification scales it to "
        "image_shape, without resize",
        examples=[0.35],
    )
    auto_augment: Literal["trivial", "rand"] | None = Field(
        default=None,
        description="TrivialAugment, or RandAugment with two operations of strength 9; colors only where there are "
        "boxes",
    )
    random_erasing: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of training images in which a rectangle becomes noise",
        examples=[0.25],
    )
    mixup: float = Field(
        default=0.0,
        ge=0,
        description="mix pairs of images and their labels, in shares from Beta(mixup, mixup); image classification",
        examples=[0.2],
    )
    cutmix: float = Field(
        default=0.0,
        ge=0,
        description="paste a rectangle of another image over each and mix their labels by area, in shares from "
        "Beta(cutmix, cutmix); image classification",
        examples=[1.0],
    )
    balanced_sampling: bool = Field(
        default=False, description="draw images of every class equally often in training; not for masks"
    )
    enlarge_small_images: bool = Field(
        default=False,
        description="enlarge training images that are smaller than image_shape (image classification); else they "
        "cannot be used",
    )

    def given_augmentations(self) -> set[str]:
        """Return the names of the settings of this table that are not off."""
        fields = AugmentationSettings.model_fields
        return {name for name, value in self if name in fields and value != fields[name].default}

    @classmethod
    def read_text(cls, name: str, form: Form, value: object) -> object:
        if name == "augmentation":
            return _pipeline_text(value)
        return super().read_text(name, form, value)


def _pipeline_text(value: object) -> str:
    """Return a pipeline as JSON: of a file, of such a text, or of the mapping that both hold. Raises UserError.

    So the settings of a run hold the pipeline itself, whatever becomes of its file.
    """
    if isinstance(value, Mapping):
        return json.dumps(dict(value))
    text = str(value).strip()
    if text.startswith("{"):
        source, content = "given", text
    else:
        path = local_path(text)
        source = f"the file {path}"
        try:
            with open_regular_text(path) as file:
                content = file.read(_LARGEST_FILE + 1)
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"Run setting augmentation is {source}, which cannot be read ({error}): {_REMEDY}."
            ) from error
    try:
        pipeline = _parsed(content)
        if not isinstance(pipeline, Mapping):
            raise ValueError("it holds no mapping")
        return json.dumps(pipeline, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise UserError(f"Run setting augmentation is {source}, which is no pipeline ({error}): {_REMEDY}.") from error


def _parsed(content: str) -> object:
    if len(content) > _LARGEST_FILE:
        raise ValueError(f"it has more than {_LARGEST_FILE} characters")
    if content.lstrip().startswith("{"):
        return parse_json(content)
    # Loaded for such a file alone: every command reads the settings.
    import yaml

    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from None
