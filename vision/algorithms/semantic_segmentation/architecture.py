"""The plan of a segmentation network: everything that decides its shape, checked before it is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vision.algorithms.checked_plan import DAMAGED, IMPOSSIBLE, checked_plan
from vision.algorithms.semantic_segmentation.hyperparameters import SemanticSegmentationHyperparameters
from vision.nn.normalize import IMAGENET_MEAN, IMAGENET_STD

Pixel = Annotated[float, Field(ge=-1e6, le=1e6)]
Divisor = Annotated[float, Field(gt=1e-6, le=1e6)]


class Architecture(BaseModel):
    """``algorithm`` is the decoder on top of ``backbone``, a torchvision ResNet with an output stride of 8.

    ``num_classes`` counts the background, if it is a class; ids are 8-bit and 255 means ignored.
    ``auxiliary_head``: a second, small decoder on layer3, which only training uses.
    ``align_corners``: whether logits are scaled up so that the centers of the corner pixels coincide, as Gluon CV
    does, or the borders of the images, as torchvision does.
    ``pretrained_on``: the images of the published weights that a new network starts from, if it starts from any:
    ImageNet's for the backbone, or COCO's for the decoder, too.
    ``mean`` and ``std`` are on the 0..255 scale, RGB.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    algorithm: Literal["fcn", "psp", "deeplab"]
    backbone: Literal["resnet-18", "resnet-34", "resnet-50", "resnet-101"]
    num_classes: Annotated[int, Field(ge=2, le=254)]
    auxiliary_head: bool = True
    align_corners: bool = True
    pretrained_on: Literal["imagenet", "coco"] = "imagenet"
    mean: tuple[Pixel, Pixel, Pixel] = IMAGENET_MEAN
    std: tuple[Divisor, Divisor, Divisor] = IMAGENET_STD

    @property
    def depth(self) -> int:
        """Layers of the backbone."""
        return int(self.backbone.removeprefix("resnet-"))


def architecture_for(hyperparameters: SemanticSegmentationHyperparameters) -> Architecture:
    """Return the plan of a new network; a run that continues a model takes the model's plan instead."""
    hp = hyperparameters
    is_from_coco = hp.use_pretrained_model and hp.pretrained_on == "coco"
    values = {
        "algorithm": hp.algorithm,
        "backbone": hp.backbone,
        "num_classes": hp.num_classes,
        "auxiliary_head": hp.aux_loss,
        # COCO's weights are torchvision's, which scale up from border to border.
        "align_corners": not is_from_coco,
        "pretrained_on": "coco" if is_from_coco else "imagenet",
    }
    return checked_plan(Architecture, values, IMPOSSIBLE)


def read_architecture(plan: Mapping[str, Any]) -> Architecture:
    """Check a plan found in a model folder. Raises UserError."""
    return checked_plan(Architecture, plan, DAMAGED)
