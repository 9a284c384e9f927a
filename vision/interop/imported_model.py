"""What an import makes: everything a model folder needs, and sentences about what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vision.artifacts.model_description import ModelDescription
from vision.artifacts.model_folder import save_model
from vision.settings.errors import UserError


@dataclass(frozen=True)
class ImportOptions:
    """What the files do not say. ``image_shape`` (C, H, W); ``mean`` subtracted from the pixels, 0..255."""

    labels: tuple[str, ...] | None = None
    epoch: int | None = None
    image_shape: tuple[int, int, int] | None = None
    mean: tuple[float, ...] | None = None

    def class_names(self, count: int, shown: str, remarks: list[str]) -> tuple[str, ...]:
        """The labels, or numbers for names, of which a remark is made. ``shown`` names the model."""
        if self.labels is None:
            remarks.append("The files hold no class names: classes go by their numbers; labels=FILE names them.")
            return tuple(map(str, range(count)))
        if len(self.labels) != count:
            raise UserError(f"labels has {len(self.labels)} names, but {shown} tells {count} classes apart")
        return self.labels


@dataclass(frozen=True)
class ImportedModel:
    """``remarks``: what was decided or assumed, a sentence each."""

    description: ModelDescription
    state_dict: dict[str, Tensor]
    remarks: tuple[str, ...]

    def save(self, folder: Path) -> None:
        """Write an ordinary model folder."""
        save_model(folder, self.description, self.state_dict)
